#!/usr/bin/env python3
"""The peer: MeZO in eager PyTorch (Malladi et al. 2023, algorithm 1) at GPT-2 small's shape with random weights. Four
passes of Gaussian noise over the weights and two forward passes a step. Prints one JSON object.
    mezo_torch.py [BATCH LENGTH [STEPS [THREADS [bfloat16]]]]      bfloat16: the forward passes under autocast"""
import json
import math
import resource
import statistics
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

GIVEN = sys.argv[1:5]
BATCH, LENGTH, STEPS, THREADS = (int(a) for a in (GIVEN + ["16", "64", "3", "2"][len(GIVEN):]))
HALF = sys.argv[5:] == ["bfloat16"]
VOCABULARY, WIDTH, LAYERS, HEADS, CONTEXT, EPSILON = 50257, 768, 12, 12, 1024, 1e-3


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x, mask):
        batch, length, width = x.shape
        q, k, v = (t.view(batch, length, HEADS, width // HEADS).transpose(1, 2)
                   for t in self.qkv(self.norm1(x)).split(width, 2))
        weights = (q @ k.transpose(-2, -1) / math.sqrt(width // HEADS) + mask).softmax(-1)
        x = x + self.out((weights @ v).transpose(1, 2).reshape(batch, length, width))
        return x + self.down(F.gelu(self.up(self.norm2(x)), approximate="tanh"))


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(VOCABULARY, WIDTH), nn.Embedding(CONTEXT, WIDTH)
        self.blocks, self.norm = nn.ModuleList(Block() for _ in range(LAYERS)), nn.LayerNorm(WIDTH)

    def forward(self, ids):
        length = ids.shape[1]
        mask = torch.full((length, length), -1e9).triu(1)
        x = self.tokens(ids) + self.positions(torch.arange(length))
        for block in self.blocks:
            x = block(x, mask)
        logits = (self.norm(x) @ self.tokens.weight.t())[:, :-1]
        return F.cross_entropy(logits.float().reshape(-1, VOCABULARY), ids[:, 1:].reshape(-1))


def perturb(model, scale, seed):
    torch.manual_seed(seed)
    for p in model.parameters():
        z = torch.normal(mean=0, std=1, size=p.data.size(), dtype=p.data.dtype)
        p.data = p.data + scale * z * EPSILON


def step(model, ids, seed):
    marks, processor = [time.perf_counter()], time.process_time()
    perturb(model, 1, seed)
    marks.append(time.perf_counter())
    plus = model(ids)
    marks.append(time.perf_counter())
    perturb(model, -2, seed)
    minus = model(ids)
    perturb(model, 1, seed)
    g = ((plus - minus) / (2 * EPSILON)).item()
    perturb(model, -1e-6 * g / EPSILON, seed)
    marks.append(time.perf_counter())
    return {"processor": time.process_time() - processor, "step": marks[3] - marks[0], "perturb": marks[1] - marks[0], "forward": marks[2] - marks[1]}


torch.set_num_threads(THREADS)
torch.manual_seed(0)
with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=HALF):
    model = Model().eval()
    ids = torch.randint(0, VOCABULARY, (BATCH, LENGTH))
    model(ids)
    steps = [step(model, ids, seed) for seed in range(STEPS)]
print(json.dumps({
    "peer": "pytorch-mezo", "autocast": "bfloat16" if HALF else None, "version": torch.__version__, "parameters": sum(p.numel() for p in model.parameters()),
    "tokens": ids.numel(), "threads": THREADS,
    "sample_seconds": statistics.median(s["step"] for s in steps),
    "processor_seconds": statistics.median(s["processor"] for s in steps),
    "perturb_seconds": statistics.median(s["perturb"] for s in steps),
    "forward_seconds": statistics.median(s["forward"] for s in steps),
    "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}))
