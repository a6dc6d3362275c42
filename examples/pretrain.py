#!/usr/bin/python3
"""Makes examples/kjv-1m: a GPT-2 of about one million parameters, pretrained on the King James Bible.

Text:  the King James Version of 1611 (public domain), read with `bible` from Debian's bible-kjv.
Needs: Debian's python3-torch, python3-numpy, bible-kjv, bible-kjv-text.
Run:   examples/pretrain.py [STEPS]        (about half an hour on two cores)
Writes config.json, tokenizer.json, model.safetensors (F16) and provenance.json.
The product itself has no Python: this script only documents how the shipped files came to be.
"""
import collections, json, math, os, re, struct, subprocess, sys, time

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "kjv-1m")
VOCAB, WIDTH, LAYERS, HEADS, CONTEXT = 1024, 128, 4, 4, 128
END = "<|endoftext|>"
# GPT-2's pre-tokenizer, written for ASCII text (which the King James text is).
PIECES = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?[A-Za-z]+| ?[0-9]+| ?[^\sA-Za-z0-9]+|\s+(?!\S)|\s+")


def byte_alphabet():
    """GPT-2's printable stand-in for each byte."""
    keep = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    table, extra = {}, 0
    for b in range(256):
        if b in keep:
            table[b] = chr(b)
        else:
            table[b] = chr(256 + extra)
            extra += 1
    return table


def read_verses():
    text = subprocess.run(["bible", "-f", "Gen1:1-Rev22:21"], capture_output=True, check=True, text=True).stdout
    return [line.split(" ", 1)[1].strip() for line in text.splitlines() if " " in line]


def train_merges(words, count):
    """Byte-pair merges over a {tuple of symbols: frequency} table; ties go to the smaller pair."""
    merges = []
    while len(merges) < count:
        pairs = collections.Counter()
        for word, n in words.items():
            for pair in zip(word, word[1:]):
                pairs[pair] += n
        best = min(pairs, key=lambda p: (-pairs[p], p))
        merges.append(best)
        merged = {}
        for word, n in words.items():
            merged_word = merge(word, best)
            merged[merged_word] = merged.get(merged_word, 0) + n
        words = merged
    return merges


def merge(word, pair):
    out, i = [], 0
    while i < len(word):
        if i + 1 < len(word) and (word[i], word[i + 1]) == pair:
            out.append(word[i] + word[i + 1])
            i += 2
        else:
            out.append(word[i])
            i += 1
    return tuple(out)


class Tokenizer:
    def __init__(self, text):
        self.bytes = byte_alphabet()
        counts = collections.Counter(PIECES.findall(text))
        words = collections.Counter()
        for piece, n in counts.items():
            words[self.symbols(piece)] += n
        self.merges = train_merges(dict(words), VOCAB - 257)
        alphabet = [self.bytes[b] for b in range(256)]
        names = [END] + sorted(alphabet) + [a + b for a, b in self.merges]
        self.ids = {name: i for i, name in enumerate(names)}
        self.rank = {pair: i for i, pair in enumerate(self.merges)}
        self.cache = {}

    def symbols(self, piece):
        return tuple(self.bytes[b] for b in piece.encode())

    def piece_ids(self, piece):
        if piece not in self.cache:
            word = self.symbols(piece)
            while len(word) > 1:
                pair = min(zip(word, word[1:]), key=lambda p: self.rank.get(p, 1 << 30))
                if pair not in self.rank:
                    break
                word = merge(word, pair)
            self.cache[piece] = [self.ids[s] for s in word]
        return self.cache[piece]

    def encode(self, text):
        return [i for piece in PIECES.findall(text) for i in self.piece_ids(piece)]

    def save(self, path):
        document = {
            "version": "1.0", "truncation": None, "padding": None,
            "added_tokens": [{"id": 0, "content": END, "single_word": False, "lstrip": False, "rstrip": False,
                              "normalized": False, "special": True}],
            "normalizer": None,
            "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
            "post_processor": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True},
            "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
            "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": "",
                      "end_of_word_suffix": "", "fuse_unk": False, "byte_fallback": False,
                      "vocab": self.ids, "merges": [a + " " + b for a, b in self.merges]},
        }
        with open(path, "w") as f:
            json.dump(document, f, ensure_ascii=False, indent=0)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.proj = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x, mask):
        B, T, C = x.shape
        q, k, v = (t.view(B, T, HEADS, C // HEADS).transpose(1, 2) for t in self.qkv(self.ln_1(x)).split(C, 2))
        a = (q @ k.transpose(-2, -1) / math.sqrt(C // HEADS) + mask).softmax(-1)
        x = x + self.proj((a @ v).transpose(1, 2).reshape(B, T, C))
        h = self.up(self.ln_2(x))
        h = 0.5 * h * (1 + torch.tanh(math.sqrt(2 / math.pi) * (h + 0.044715 * h ** 3)))
        return x + self.down(h)


class GPT2(nn.Module):
    def __init__(self):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(VOCAB, WIDTH), nn.Embedding(CONTEXT, WIDTH)
        self.h = nn.ModuleList(Block() for _ in range(LAYERS))
        self.ln_f = nn.LayerNorm(WIDTH)
        for name, p in self.named_parameters():
            if p.dim() == 2:
                nn.init.normal_(p, std=0.02 / (math.sqrt(2 * LAYERS) if "proj" in name or "down" in name else 1))
            elif "ln" not in name:
                nn.init.zeros_(p)

    def forward(self, ids):
        T = ids.shape[1]
        mask = torch.full((T, T), -1e9).triu(1)
        x = self.wte(ids) + self.wpe(torch.arange(T))
        for block in self.h:
            x = block(x, mask)
        return self.ln_f(x) @ self.wte.weight.t()


def hugging_face_tensors(model):
    """Hugging Face's names; GPT-2 stores its products as (in, out)."""
    t = {"transformer.wte.weight": model.wte.weight, "transformer.wpe.weight": model.wpe.weight,
         "transformer.ln_f.weight": model.ln_f.weight, "transformer.ln_f.bias": model.ln_f.bias}
    for i, b in enumerate(model.h):
        p = f"transformer.h.{i}."
        for ours, theirs in (("qkv", "attn.c_attn"), ("proj", "attn.c_proj"), ("up", "mlp.c_fc"), ("down", "mlp.c_proj")):
            t[p + theirs + ".weight"] = getattr(b, ours).weight.t()
            t[p + theirs + ".bias"] = getattr(b, ours).bias
        for norm in ("ln_1", "ln_2"):
            t[p + norm + ".weight"], t[p + norm + ".bias"] = getattr(b, norm).weight, getattr(b, norm).bias
    return {k: v.detach().contiguous().half().numpy() for k, v in sorted(t.items())}


def save_safetensors(path, tensors):
    header, offset = {"__metadata__": {"format": "pt"}}, 0
    for name, a in tensors.items():
        header[name] = {"dtype": "F16", "shape": list(a.shape), "data_offsets": [offset, offset + a.nbytes]}
        offset += a.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for a in tensors.values():
            f.write(a.tobytes())


def main():
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 6000
    torch.manual_seed(1611)
    verses = read_verses()
    tokenizer = Tokenizer("\n".join(verses))
    ids = []
    for verse in verses:
        ids += [0] + tokenizer.encode(verse)
    data = np.array(ids, dtype=np.int64)
    held = len(data) // 50
    train, test = torch.from_numpy(data[:-held]), torch.from_numpy(data[-held:])
    model = GPT2()
    count = sum(p.numel() for p in model.parameters())
    print(f"{count} parameters, {len(verses)} verses, {len(data)} tokens", flush=True)
    decay = [p for p in model.parameters() if p.dim() == 2]
    plain = [p for p in model.parameters() if p.dim() == 1]
    optimizer = torch.optim.AdamW([{"params": decay, "weight_decay": 0.1}, {"params": plain, "weight_decay": 0.0}],
                                  lr=2e-3, betas=(0.9, 0.98))
    loss_of = lambda w: F.cross_entropy(model(w[:, :-1]).reshape(-1, VOCAB), w[:, 1:].reshape(-1))

    def held_out():
        with torch.no_grad():
            n = (len(test) - 1) // CONTEXT
            return loss_of(torch.stack([test[i * CONTEXT:i * CONTEXT + CONTEXT + 1] for i in range(n)])).item()

    start, batch = time.time(), 24
    for step in range(steps):
        # warm up for 200 steps, then a cosine to a twentieth
        rate = 2e-3 * min(1, (step + 1) / 200) * (0.525 + 0.475 * math.cos(math.pi * step / steps))
        for group in optimizer.param_groups:
            group["lr"] = rate
        at = torch.randint(0, len(train) - CONTEXT - 1, (batch,)).tolist()
        loss = loss_of(torch.stack([train[i:i + CONTEXT + 1] for i in at]))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step % 250 == 0 or step + 1 == steps:
            print(f"step {step} loss {loss.item():.4f} held-out {held_out():.4f} {time.time() - start:.0f} s", flush=True)
    os.makedirs(OUT, exist_ok=True)
    tokenizer.save(os.path.join(OUT, "tokenizer.json"))
    save_safetensors(os.path.join(OUT, "model.safetensors"), hugging_face_tensors(model))
    config = {"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "activation_function": "gelu_new",
              "vocab_size": VOCAB, "n_positions": CONTEXT, "n_ctx": CONTEXT, "n_embd": WIDTH, "n_layer": LAYERS,
              "n_head": HEADS, "n_inner": None, "layer_norm_epsilon": 1e-5, "tie_word_embeddings": True,
              "bos_token_id": 0, "eos_token_id": 0, "torch_dtype": "float16",
              "attn_pdrop": 0.0, "embd_pdrop": 0.0, "resid_pdrop": 0.0}
    provenance = {"text": "King James Version (1611), public domain, Debian package bible-kjv-text",
                  "script": "examples/pretrain.py", "steps": steps, "batch": batch, "context": CONTEXT,
                  "parameters": count, "tokens": len(data), "held_out_loss": round(held_out(), 4)}
    for name, document in (("config.json", config), ("provenance.json", provenance)):
        with open(os.path.join(OUT, name), "w") as f:
            json.dump(document, f, indent=2)
            f.write("\n")


if __name__ == "__main__":
    main()
