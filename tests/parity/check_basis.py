#!/usr/bin/python3
"""A basis against principal directions of the same inputs as transformers has them: run by hand.

    tests/parity/check_basis.py BUILD [--rows N] [--rank R]

Needs torch and transformers. `onebyte run create --adapters basis` calibrates the shipped model on the Jargon File; transformers runs
over the same rows with a hook at every matrix, and numpy.linalg.eigh finds the principal directions of what the hooks saw. Prints
the smallest cosine between two directions that should be the same, and ends with an error when it is below 1 - 10^-6.
"""
import argparse, json, os, struct, subprocess, sys, tempfile

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
MODEL, ROWS = os.path.join(ROOT, "examples", "kjv-1m"), os.path.join(ROOT, "examples", "jargon", "train.jsonl")


def windows(tokenizer, length):
    """What a file of texts is made of: windows of `length` tokens (docs/data.md)."""
    for line in open(ROWS, encoding="utf8"):
        ids = tokenizer(json.loads(line)["text"])["input_ids"] if line.strip() else []
        yield from (ids[at:at + length] for at in range(0, len(ids), length) if len(ids) - at > 1)


def inputs_of(rows):
    """The rows of inputs of each matrix, without the last token's, after which there is nothing to predict."""
    model, tokenizer = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32), AutoTokenizer.from_pretrained(MODEL)
    items = list(windows(tokenizer, model.config.n_positions))
    seen = {}
    for name, module in model.named_modules():
        if name.endswith(("c_attn", "c_proj", "c_fc")):
            module.register_forward_hook(lambda _, x, __, name=name: seen.setdefault(name, []).append(x[0][0].double().numpy()))
    with torch.no_grad():
        for i in range(rows):
            model(torch.tensor([items[int(i * len(items) / rows)][:-1]]))
    return {name: np.concatenate(x) for name, x in seen.items()}


def basis_of(path):
    data = open(path, "rb").read()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])
    facts = header.pop("__metadata__")
    for name, entry in header.items():
        first, end = entry["data_offsets"]
        m = np.frombuffer(data[8 + size + first:8 + size + end], "<i4").reshape(entry["shape"])
        yield name.removesuffix(".lora_A.weight"), m * 2.0 ** -int(facts["exponent." + name])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("--rows", type=int, default=16)
    parser.add_argument("--rank", type=int, default=2)
    a = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        subprocess.run([os.path.join(a.build, "onebyte"), "run", "create", "--model", MODEL, "--out", f"{work}/run.json", "--adapters", "basis",
                        "--rank", str(a.rank), "--calibrate", ROWS, "--calibrate-rows", str(a.rows)], check=True, stdout=subprocess.DEVNULL)
        basis = dict(basis_of(f"{work}/run.basis.safetensors"))
    inputs, least = inputs_of(a.rows), 1.0
    for name, directions in basis.items():
        _, vectors = np.linalg.eigh(inputs[name].T @ inputs[name])
        for r in range(a.rank):
            least = min(least, abs(directions[r] @ vectors[:, -1 - r]))
    print(f"{len(basis)} matrices, {a.rank} directions each: smallest cosine 1 - {1 - least:.1e}")
    return int(least < 1 - 1e-6)


if __name__ == "__main__":
    sys.exit(main())
