#!/usr/bin/python3
"""What other software makes of exported models: run by hand, takes some minutes; docs/families.md has its figures.

    tests/parity/check_exports.py BUILD [--smollm2 FILE.gguf] [--llama PYTHON] [--only NAME …]

Needs torch, transformers, safetensors and peft; with --llama the Python of an environment with llama-cpp-python.
Each random checkpoint of tests/parity/checkpoints/ gets a tokenizer of forty letters, is trained for some rounds by a
real daemon, and is exported in every format and type. Then:
  - every logit of every position, by transformers from the exported folder and by onebyte from the same folder
  - the same from the exported GGUF file by llama.cpp, and whether its next token is the same at every position
  - adapters: by PEFT from the base and the exported adapters, against the merged export
Prints a line for each comparison and ends with an error when one is outside its bound.
"""
import argparse, json, os, random, shutil, socket, subprocess, sys, tempfile, time

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "..", "..")
BOUND = 1e-4  # of the largest logit: both sides sum float32 in another order
LLAMA_BOUND = 2e-2  # llama.cpp rounds activations to the weights' type, its tables of exponentials to float16
failures = []

LLAMA = """
import json, sys
import numpy as np
from llama_cpp import Llama
path, tokens, out = sys.argv[1:]
sequences = [[int(t) for t in line.split()] for line in open(tokens)]
model = Llama(path, n_ctx=max(map(len, sequences)) + 8, logits_all=True, verbose=False, n_threads=2)
rows = []
for s in sequences:
    model.reset()
    model.eval(s)
    rows.append(np.array(model.scores[:len(s)], dtype=np.float32))
np.concatenate(rows).tofile(out)
"""


def say(*words):
    print(*words, flush=True)


def free_port():
    """The first of three ports that nobody listens on."""
    while True:
        port = random.randrange(20000, 30000)
        try:
            for i in range(3):
                with socket.socket() as s:
                    s.bind(("127.0.0.1", port + i))
            return port
        except OSError:
            continue


class Checker:
    def __init__(self, build, llama, work):
        self.bin = os.path.join(build, "daemon")
        self.print_logits = os.path.join(build, "tests", "parity", "print_logits")
        self.llama, self.work = llama, work

    def onebyte(self, *arguments):
        done = subprocess.run([os.path.join(self.bin, "onebyte"), *arguments], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"onebyte {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def train(self, name, model, rows, rounds, length, options):
        """A run of one machine; returns the arguments that name it."""
        place = os.path.join(self.work, name)
        state = os.path.join(place, "state")
        os.makedirs(place)
        os.mkdir(state, 0o700)
        run = os.path.join(place, "run.json")
        self.onebyte("run", "create", "--model", model, "--out", run, "--rounds", str(rounds), "--samples-per-round", "4",
                     "--schedule", "constant", *([] if "--lora-rank" in options else ["--adapters", "none"]), *options)
        self.onebyte("keygen", os.path.join(state, "identity"))
        self.onebyte("invite", "--authority", os.path.join(place, "run.authority"), "--manifest", run, "--machine",
                     open(os.path.join(state, "identity.pub")).read().strip(), "--name", "one", "--out",
                     os.path.join(state, "certificate"))
        config = os.path.join(place, "conf")
        port = free_port()
        with open(config, "w") as f:
            f.write(f"[machine]\nstate_dir = {state}\n[run]\nmanifest = {run}\nmodel = {model}\n[network]\n"
                    f"listen = tcp://127.0.0.1:{port}\n[training]\ndata = {rows}\nbatch = 2\nlength = {length}\n"
                    "[swarm]\nsolo = yes\n")
        with open(os.path.join(place, "log"), "w") as log:
            daemon = subprocess.Popen([os.path.join(self.bin, "onebyted"), "--config", config], stderr=log)
            while f"\nfinished" not in "\n" + subprocess.run(
                    [os.path.join(self.bin, "onebyte"), "status", state, "--json"], capture_output=True,
                    text=True).stdout.replace('"life":"', "\n"):
                if daemon.poll() is not None:
                    raise RuntimeError(f"{name}: the daemon ended: {open(log.name).read()[-500:]}")
                time.sleep(0.2)
            daemon.terminate()
            daemon.wait()
        return [state, "--manifest", run, "--model", model]

    def export(self, run, name, fmt, dtype="f32"):
        out = os.path.join(self.work, name, f"{fmt}-{dtype}")
        self.onebyte("export", *run, "--out", out, "--format", fmt, "--dtype", dtype)
        return out

    def ours(self, model, tokens, vocabulary):
        out = os.path.join(self.work, "ours.f32")
        subprocess.run([self.print_logits, model, tokens, out], check=True)
        return np.fromfile(out, dtype=np.float32).reshape(-1, vocabulary)

    def llamacpp(self, model, tokens, vocabulary):
        out = os.path.join(self.work, "llama.f32")
        done = subprocess.run([self.llama, "-c", LLAMA, model, tokens, out], capture_output=True, text=True)
        if done.returncode:
            return (done.stderr.strip().splitlines() or ["no message"])[-1][:100]
        return np.fromfile(out, dtype=np.float32).reshape(-1, vocabulary)


def theirs(folder, sequences, adapters=None):
    import torch
    from transformers import AutoModelForCausalLM
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    if adapters:
        from peft import PeftModel
        model = PeftModel.from_pretrained(model, adapters)
    with torch.no_grad():
        return np.concatenate([model(torch.tensor([s])).logits[0].numpy() for s in sequences])


def compare(what, a, b, bound):
    if isinstance(b, str):
        say(f"{what}: not read: {b}")
        return
    largest = np.abs(a).max(axis=1, keepdims=True).clip(1)
    difference = (np.abs(a - b) / largest).max()
    same = (a.argmax(axis=1) == b.argmax(axis=1))
    top = np.sort(a, axis=1)[:, -2:]
    tie = (top[:, 1] - top[:, 0]) <= 2 * bound * largest[:, 0]  # closer than the bound: either may win
    good = difference <= bound and bool((same | tie).all())
    say(f"{what}: {a.size} logits, largest difference {difference:.1e} of a position's largest, next token the same at "
        f"{same.sum()} of {same.size}{'' if good else '  OUTSIDE ITS BOUND'}")
    if not good:
        failures.append(what)


def check(c, name, model, rows, sequences, vocabulary, options, rounds=6, length=16, gguf=True, peft=False):
    tokens = os.path.join(c.work, "tokens.txt")
    with open(tokens, "w") as f:
        f.writelines(" ".join(map(str, s)) + "\n" for s in sequences)
    run = c.train(name, model, rows, rounds, length, options)
    exact = None
    for dtype in ("f32", "f16", "bf16"):
        folder = c.export(run, name, "safetensors", dtype)
        ours = c.ours(folder, tokens, vocabulary)
        exact = ours if exact is None else exact
        compare(f"{name} {dtype} transformers", ours, theirs(folder, sequences), BOUND)
        if not gguf:
            continue
        file = os.path.join(c.export(run, name, "gguf", dtype), "model.gguf")
        again = c.ours(file, tokens, vocabulary)
        if dtype == "f32" and not np.array_equal(ours, again):
            failures.append(f"{name}: other logits from our own GGUF file")
        if c.llama:
            compare(f"{name} {dtype} llama.cpp", again, c.llamacpp(file, tokens, vocabulary), LLAMA_BOUND)
    if peft:
        compare(f"{name} PEFT", exact, theirs(model, sequences, c.export(run, name, "peft")), BOUND)
    moved = np.abs(exact - c.ours(model, tokens, vocabulary)).max()
    say(f"{name}: the run moved a logit by up to {moved:.2g}")
    if moved == 0:
        failures.append(f"{name}: the run moved nothing")
    shutil.rmtree(os.path.join(c.work, name))


def letters(folder, context):
    """A tokenizer and rows for a random checkpoint."""
    base = folder + "-base"
    vocabulary = {chr(48 + i): i for i in range(40)}
    json.dump({"added_tokens": [], "normalizer": None,
               "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True},
               "decoder": {"type": "ByteLevel"}, "model": {"type": "BPE", "vocab": vocabulary, "merges": []}},
              open(os.path.join(base, "tokenizer.json"), "w"))
    generator = np.random.default_rng(5)
    with open(os.path.join(base, "rows.jsonl"), "w") as f:
        for _ in range(20):
            f.write(json.dumps({"text": "".join(chr(48 + i) for i in generator.integers(0, 40, min(context, 16)))}) + "\n")
    return base


NO_GGUF = {"OPTForCausalLM", "GemmaForCausalLM", "Gemma2ForCausalLM", "Gemma3ForCausalLM"}
# refused: windows, another activation, biases that GGUF does not have
REFUSED = {"mistral-window", "qwen2-window", "gpt2-untied", "neox-in-sequence", "qwen3-biases-bf16"}


def families(c, only):
    for name in sorted(os.listdir(os.path.join(HERE, "checkpoints"))):
        if only and name not in only:
            continue
        source = os.path.join(HERE, "checkpoints", name)
        config = json.load(open(os.path.join(source, "config.json")))
        base = os.path.join(c.work, name + "-base")
        os.mkdir(base)
        for file in ("config.json", "model.safetensors"):
            shutil.copy(os.path.join(source, file), base)
        context = config.get("n_positions") or config["max_position_embeddings"]
        letters(os.path.join(c.work, name), context)
        generator = np.random.default_rng(6)
        sequences = [generator.integers(0, config["vocab_size"], n).tolist() for n in (5, context // 2, context)]
        gguf = config["architectures"][0] not in NO_GGUF and name not in REFUSED
        check(c, name, base, os.path.join(base, "rows.jsonl"), sequences, config["vocab_size"],
              ["--lr", "1e-3"], gguf=gguf)


def shipped(c):
    model, rows = os.path.join(ROOT, "examples", "kjv-1m"), os.path.join(ROOT, "examples", "jargon", "train.jsonl")
    generator = np.random.default_rng(7)
    sequences = [generator.integers(0, 1024, n).tolist() for n in (5, 64, 128)]
    check(c, "kjv-1m", model, rows, sequences, 1024, ["--lr", "3e-5"], rounds=20, length=32)
    check(c, "kjv-1m-adapters", model, rows, sequences, 1024,
          ["--lr", "1e-3", "--lora-rank", "4", "--lora-target", "attention", "--lora-target", "mlp"], rounds=20, length=32,
          peft=True)


def smollm2(c, file):
    rows = os.path.join(ROOT, "examples", "jargon", "train.jsonl")
    generator = np.random.default_rng(8)
    sequences = [[1] + generator.integers(0, 49152, n).tolist() for n in (12, 40)]
    check(c, "smollm2", file, rows, sequences, 49152, ["--lr", "2e-5"], rounds=2, length=48)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("build")
    p.add_argument("--smollm2")
    p.add_argument("--llama")
    p.add_argument("--only", nargs="*")
    a = p.parse_args()
    with tempfile.TemporaryDirectory() as work:
        c = Checker(os.path.abspath(a.build), a.llama, work)
        families(c, a.only)
        if not a.only or "kjv-1m" in a.only:
            shipped(c)
        if a.smollm2:
            smollm2(c, os.path.abspath(a.smollm2))
    for failure in failures:
        say("FAILED:", failure)
    sys.exit(1 if failures else 0)


main()
