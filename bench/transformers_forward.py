#!/usr/bin/env python3
"""The peer for a plain forward pass with the loss on every token: transformers on the same checkpoint.
    transformers_forward.py FOLDER [BATCH LENGTH [PASSES [THREADS]]]"""
import json
import statistics
import sys
import time

import torch
import transformers

FOLDER = sys.argv[1]
BATCH, LENGTH, PASSES, THREADS = (int(a) for a in (sys.argv[2:] + ["16", "64", "3", "2"][len(sys.argv) - 2:]))
torch.set_num_threads(THREADS)
model = transformers.AutoModelForCausalLM.from_pretrained(FOLDER, dtype=torch.float32).eval()
ids = torch.tensor([[(b * 7919 + i * 104729) % model.config.vocab_size for i in range(LENGTH)] for b in range(BATCH)])
times = []
with torch.no_grad():
    loss = model(ids, labels=ids).loss
    for _ in range(PASSES):
        start = time.perf_counter()
        model(ids, labels=ids)
        times.append(time.perf_counter() - start)
print(json.dumps({"peer": "transformers", "version": transformers.__version__, "tokens": ids.numel(),
                  "threads": THREADS, "loss": loss.item(), "forward_seconds": statistics.median(times)}))
