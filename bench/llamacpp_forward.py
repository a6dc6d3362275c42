#!/usr/bin/python3
"""Seconds of llama.cpp's forward pass with the logits of every token: one sequence of a GGUF file's model.

    bench/llamacpp_forward.py MODEL.gguf [--length 512] [--threads 2] [--repeats 5]
Needs llama-cpp-python. One JSON object on standard output. Compare with
    onebyte bench --model MODEL.gguf --batch 1 --length 512 --json
"""
import argparse, json, random, statistics, time

import llama_cpp

p = argparse.ArgumentParser()
p.add_argument("model")
p.add_argument("--length", type=int, default=512)
p.add_argument("--threads", type=int, default=2)
p.add_argument("--repeats", type=int, default=5)
a = p.parse_args()
llm = llama_cpp.Llama(a.model, n_ctx=a.length, n_batch=a.length, n_ubatch=a.length, n_threads=a.threads,
                      n_threads_batch=a.threads, logits_all=True, verbose=False)
random.seed(1)
tokens = [random.randrange(llm.n_vocab()) for _ in range(a.length)]
times = []
for i in range(a.repeats + 1):  # the first one warms up
    llm.reset()
    start = time.perf_counter()
    llm.eval(tokens)
    times.append(time.perf_counter() - start)
times = times[1:]
print(json.dumps({"program": "llama.cpp", "version": llama_cpp.__version__, "length": a.length, "threads": a.threads,
                  "seconds": statistics.median(times), "lowest": min(times), "highest": max(times)}))
