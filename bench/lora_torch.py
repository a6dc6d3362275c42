#!/usr/bin/env python3
"""A yardstick for bench/learning: LoRA (Hu et al. 2021) by backpropagation in PyTorch, on the same rows, by the same loss. Prints
the same JSON lines. A row's forward and backward pass count as three passes.

    lora_torch.py --model FOLDER|FILE.gguf --data ROWS --held-out ROWS [--rows N] [--samples N] [--lr RATE] [--lora-rank N] ...

`samples` are rows here. Adapters sit on every matrix of the layers, or with --upper-half on those from the middle layer on; AdamW,
linear decay. Texts are cut into windows of --length tokens; rows with choices are scored as in MeZO (docs/data.md)."""
import argparse
import json
import math
import os
import re
import time

import torch
import torch.nn.functional as F
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer


class Adapted(nn.Module):
    def __init__(self, inner, rank, alpha):
        super().__init__()
        rows, columns = inner.weight.shape
        inputs, outputs = (rows, columns) if type(inner).__name__ == "Conv1D" else (columns, rows)
        self.inner, self.scale = inner, alpha / rank
        self.a, self.b = nn.Parameter(torch.empty(rank, inputs)), nn.Parameter(torch.zeros(outputs, rank))
        nn.init.kaiming_uniform_(self.a, a=math.sqrt(5)) # as peft has it

    def forward(self, x):
        return self.inner(x) + self.scale * (x @ self.a.t() @ self.b.t())


def adapt(model, rank, alpha, upper_half):
    layers = model.config.num_hidden_layers
    for parameter in model.parameters():
        parameter.requires_grad = False
    for name, module in list(model.named_modules()):
        layer = re.search(r"\.(\d+)\.", name)
        if type(module).__name__ in ("Linear", "Conv1D") and layer and int(layer[1]) >= (layers // 2 if upper_half else 0):
            parent, _, leaf = name.rpartition(".")
            setattr(model.get_submodule(parent), leaf, Adapted(module, rank, alpha))
    return [p for p in model.parameters() if p.requires_grad]


def open_model(path):
    folder, file = (os.path.dirname(path), os.path.basename(path)) if path.endswith(".gguf") else (path, None)
    model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=file, dtype=torch.float32, attn_implementation="eager").eval()
    return model, AutoTokenizer.from_pretrained(folder, gguf_file=file)


def read_items(path, tokenizer, length, bos, most):
    """Texts: lists of tokens. Choices: (sequences, where each choice begins, label)."""
    items = []
    with open(path, encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            if "text" in row:
                tokens = bos + tokenizer.encode(row["text"], add_special_tokens=False)
                items += [tokens[i:i + length] for i in range(0, len(tokens) - 1, length)]
            else:
                prompt = bos + tokenizer.encode(row["prompt"], add_special_tokens=False)
                ends = [tokenizer.encode(choice, add_special_tokens=False) for choice in row["choices"]]
                items.append(([prompt + end for end in ends], [len(prompt)] * len(ends), row["label"]))
            if len(items) >= most:
                return items[:most]
    return items


def log_likelihoods(model, sequences):
    longest = max(len(s) for s in sequences)
    ids = torch.tensor([s + [0] * (longest - len(s)) for s in sequences])
    mask = torch.tensor([[1] * len(s) + [0] * (longest - len(s)) for s in sequences])
    logits = model(ids, attention_mask=mask).logits[:, :-1].float()
    return -F.cross_entropy(logits.transpose(1, 2), ids[:, 1:], reduction="none")


def losses(model, items):
    """Sum over items (choices) or targets (texts), how many, and how many were right (None: texts)."""
    if isinstance(items[0], list):
        found = log_likelihoods(model, items)
        return -sum(found[i, :len(s) - 1].sum() for i, s in enumerate(items)), sum(len(s) - 1 for s in items), None
    found = log_likelihoods(model, [s for item in items for s in item[0]])
    total, right, at = 0, 0, 0
    for sequences, begins, label in items:
        scores = torch.stack([found[at + i, b - 1:len(s) - 1].mean() for i, (s, b) in enumerate(zip(sequences, begins))])
        at += len(sequences)
        total, right = total - scores.log_softmax(0)[label], right + int(scores.argmax() == label)
    return total, len(items), right


def look(model, held_out, batch, line):
    total = count = right = 0
    with torch.no_grad():
        for i in range(0, len(held_out), batch):
            loss, targets, good = losses(model, held_out[i:i + batch])
            total, count, right = total + float(loss), count + targets, None if good is None else right + good
    line["loss"] = total / count
    if right is not None:
        line["accuracy"] = right / count
    print(json.dumps(line), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, kind, fallback in (("model", str, None), ("data", str, None), ("held-out", str, None), ("length", int, 64), ("rows", int, 8),
                                 ("samples", int, 1024), ("lr", float, 1e-3), ("lora-rank", int, 4), ("lora-alpha", float, 8), ("seed", int, 1),
                                 ("threads", int, 1), ("looks", int, 1), ("held-out-rows", int, 208)):
        parser.add_argument("--" + name, type=kind, default=fallback, required=fallback is None)
    parser.add_argument("--upper-half", action="store_true")
    parser.add_argument("--bos", type=int, nargs="*", default=[], help="tokens before each row")
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(a.seed)
    model, tokenizer = open_model(a.model)
    train, held_out = (read_items(path, tokenizer, a.length, a.bos, most) for path, most in ((a.data, 1 << 30), (a.held_out, a.held_out_rows)))
    trained = adapt(model, a.lora_rank, a.lora_alpha, a.upper_half)
    optimizer = torch.optim.AdamW(trained, lr=a.lr, weight_decay=0)
    look(model, held_out, 8, dict(trained=sum(p.numel() for p in trained), samples=0, passes=0, seconds=0, processor_seconds=0, rows=a.rows, lr=a.lr, seed=a.seed))
    order, spent, processor, steps = torch.randperm(len(train)).tolist(), 0.0, 0.0, a.samples // a.rows
    for step in range(steps):
        begin, processor_begin = time.perf_counter(), time.process_time()
        for group in optimizer.param_groups:
            group["lr"] = a.lr * (1 - step / steps)
        total, count, _ = losses(model, [train[order[(step * a.rows + i) % len(train)]] for i in range(a.rows)])
        optimizer.zero_grad()
        (total / count).backward()
        optimizer.step()
        spent += time.perf_counter() - begin
        processor += time.process_time() - processor_begin
        if (step + 1) * a.looks // steps > step * a.looks // steps:
            samples = (step + 1) * a.rows
            look(model, held_out, 8, dict(samples=samples, passes=3 * samples, seconds=spent, processor_seconds=processor))


main()
