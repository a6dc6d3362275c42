#!/usr/bin/env python3
"""Recomputes what a onebyte run's weights are, from the documentation alone: an implementation to compare others with.

  onebyte_oracle.py --manifest run.json --model FOLDER --log STATE_DIR/log.sqlite
  onebyte_oracle.py --model FOLDER --delta run.delta
  onebyte_oracle.py --hash FOLDER...       only the base hashes of models
  ... --export FOLDER   also compares every float of an F32 export (model.safetensors) with its own

Reads docs/arithmetic.md, docs/files.md, docs/wire.md literally, and docs/families.md for the order of tensors. Prints one
JSON object: run, base_hash, records, samples, ignored_records, log_digest, weights_digest. Needs numpy and PyNaCl, and a
base model in safetensors. Clear rather than fast: some 100 million weights times samples a second.
Exit code: 0, 1 when something does not hold (said on standard error), 2 for wrong usage."""
import argparse
import hashlib
import json
import math
import os
import re
import sqlite3
import struct
import sys

import nacl.bindings
import nacl.exceptions
import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LEAF = 65536
ZEROS = bytes(32)


class Wrong(Exception):
    """Something in the input does not hold."""


def require(condition, message):
    if not condition:
        raise Wrong(message)


def blake(data, key=b""):
    return hashlib.blake2b(data, key=key, digest_size=32).digest()


def le32(x):
    return struct.pack("<I", x)


def le64(x):
    return struct.pack("<Q", x)


def verify(key, message, signature):
    try:
        nacl.bindings.crypto_sign_open(signature + message, key)
        return True
    except (nacl.exceptions.BadSignatureError, ValueError):
        return False


# ---- keystream (RFC 8439), many blocks at a time ----

def chacha_blocks(key, counters, tensors, use):
    """One block of 64 bytes for each counter: nonce le32(its tensor) ‖ le32(use) ‖ le32(0)."""
    state = np.zeros((16, len(counters)), np.uint32)
    state[:12] = np.array(struct.unpack("<4I", b"expand 32-byte k") + struct.unpack("<8I", key), np.uint32)[:, None]
    state[12], state[13], state[14] = counters, tensors, use
    x = state.copy()

    def quarter(a, b, c, d):
        for p, q, r, n in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            x[p] += x[q]
            x[r] ^= x[p]
            x[r] = (x[r] << np.uint32(n)) | (x[r] >> np.uint32(32 - n))

    for _ in range(10):
        for i in range(4):
            quarter(i, 4 + i, 8 + i, 12 + i)
        for i in range(4):
            quarter(i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4)
    x += state
    return np.ascontiguousarray(x.T).astype("<u4").view(np.uint8)


def stream(key, tensor, use, length):
    """The first bytes of stream(key, le32(tensor) ‖ le32(use) ‖ le32(0))."""
    return chacha_blocks(key, np.arange((length + 63) // 64, dtype=np.uint32), tensor, use).tobytes()[:length]


# ---- manifest ----

class Manifest:
    def __init__(self, data):
        self.bytes = data
        self.run = blake(data)
        require(len(data) <= 4 << 20, "the manifest is longer than 4 MiB")
        m = json.loads(data.decode("utf8"), object_pairs_hook=self.no_duplicates)
        require(m["format"] == "onebyte-manifest-1", "not a manifest of format onebyte-manifest-1")
        self.distribution = m["direction"]["distribution"]
        require(self.distribution in ("rademacher", "gaussian"), "another distribution than rademacher and gaussian")
        self.authority, self.base_hash = self.hexadecimal(m["authority"]), self.hexadecimal(m["base_hash"])
        self.hexadecimal(m["nonce"])
        require(self.authority != ZEROS, "the authority is no key")
        epsilon = m["direction"]["epsilon"]
        require(isinstance(epsilon, float) and 1e-9 <= np.float32(epsilon) <= 1, "epsilon is out of range")
        self.c0 = self.integer(m["byte"], "c0", -1024, 1024)
        self.code_max = self.integer(m["byte"], "code_max", 1, 127)
        self.exponent_min = self.integer(m["byte"], "exponent_min", -40, 40)
        self.exponent_max = self.integer(m["byte"], "exponent_max", self.exponent_min, 40)
        self.combine = m["update"]["combine"]
        require(self.combine in ("capped", "sum", "sqrt", "mean"), f"combine {self.combine} is not known")
        self.s0 = self.integer(m["update"], "s0", 1, 1 << 24)
        self.rounds_per_rate = self.integer(m["update"], "rounds_per_rate", 1, 1 << 30)
        self.rates = m["update"]["rates_q48"]
        require(1 <= len(self.rates) <= 4096 and all(type(r) is int and 0 <= r < 1 << 48 for r in self.rates), "rates are out of range")
        self.max_rounds = self.integer(m["bounds"], "max_rounds", 1, 1 << 30)
        self.max_machines = self.integer(m["bounds"], "max_machines", 1, 16384)
        self.samples_per_round = self.integer(m["bounds"], "samples_per_round", 1, 4096)
        self.lora = m.get("lora")
        if self.lora:
            self.integer(self.lora, "rank", 1, 256)
            require(isinstance(self.lora["alpha"], float) and 1e-3 <= self.lora["alpha"] <= 1e6, "alpha is out of range")
            if "basis" in self.lora:
                self.basis = self.hexadecimal(self.lora["basis"])
        self.tensors = m["tensors"]
        require(1 <= len(self.tensors) <= 4096, "1 to 4096 tensors are expected")
        for t in self.tensors:
            require(1 <= len(t["name"].encode()) <= 127, "a tensor's name is empty or too long")
            require(1 <= len(t["shape"]) <= 2 and all(type(d) is int and 1 <= d <= 1 << 24 for d in t["shape"]), f"{t['name']}: shape")
            require(math.prod(t["shape"]) <= 1 << 40, f"{t['name']}: too many elements")
            self.integer(t, "exponent", -64, 26)
            self.integer(t, "log2_scale", -16, 16)

    basis = None

    @staticmethod
    def no_duplicates(pairs):
        require(len({key for key, _ in pairs}) == len(pairs), "the manifest has a key twice")
        return dict(pairs)

    @staticmethod
    def hexadecimal(text):
        require(re.fullmatch("[0-9a-fA-F]{64}", text), f"{text} is not 64 hexadecimal digits")
        return bytes.fromhex(text)

    @staticmethod
    def integer(m, key, low, high):
        require(type(m[key]) is int and low <= m[key] <= high, f"{key} is {m[key]}, expected {low} to {high}")
        return m[key]


# ---- base model ----

FAMILIES = {  # heading in docs/families.md, prefix that files may leave out, is tied when the key is missing
    "GPT2LMHeadModel": ("GPT-2", "transformer.", True),
    "OPTForCausalLM": ("OPT", "model.", True),
    "GPTNeoXForCausalLM": ("GPT-NeoX", "gpt_neox.", False),
    "LlamaForCausalLM": ("Llama", "model.", False),
    "MistralForCausalLM": ("Llama", "model.", False),
    "Qwen2ForCausalLM": ("Llama", "model.", False),
    "Qwen3ForCausalLM": ("Llama", "model.", False),
    "GemmaForCausalLM": ("Llama", "model.", True),
    "Gemma2ForCausalLM": ("Gemma 2", "model.", True),
    "Gemma3ForCausalLM": ("Gemma 2", "model.", True),
    "Phi3ForCausalLM": ("Phi-3", "model.", False),
    "GraniteForCausalLM": ("Llama", "model.", False),
    "SmolLM3ForCausalLM": ("Llama", "model.", True),
    "Olmo2ForCausalLM": ("OLMo 2", "model.", False),
    "StableLmForCausalLM": ("StableLM", "model.", False),
}
MODEL_TYPES = {"gpt_neox": "GPTNeoXForCausalLM", "gemma3_text": "Gemma3ForCausalLM", "gpt2": "GPT2LMHeadModel", "smollm3": "SmolLM3ForCausalLM"}


def architecture_of(config):
    named = (config.get("architectures") or [""])[0]
    if named in FAMILIES:
        return named
    kind = config["model_type"]  # decides where architectures is missing or names the base model
    for architecture in FAMILIES:
        if MODEL_TYPES.get(kind, kind + "forcausallm").lower() == architecture.lower():
            return architecture
    raise Wrong(f"model_type {kind} is not in docs/families.md")


def is_tied(architecture, config):
    tied = config.get("tie_word_embeddings")
    return FAMILIES[architecture][2] if tied is None else tied


def parts_of(architecture, config):
    """Which optional rows of the table a model has: docs/families.md, "Canonical order"."""
    def flag(key, missing):
        return missing if config.get(key) is None else config[key]

    parts = set()
    if not is_tied(architecture, config):
        parts.add("head")
    attention = {"OPTForCausalLM": ("enable_bias", True), "GPTNeoXForCausalLM": ("attention_bias", True)}
    if architecture in attention:
        biased = flag(*attention[architecture])
    elif architecture.startswith(("Llama", "Qwen3", "Gemma", "Granite", "Olmo2", "SmolLM3")):
        biased = flag("attention_bias", False)
    else:
        biased = False
    if biased:
        parts |= {"qkv-bias", "out-bias"}
    if architecture == "Qwen2ForCausalLM" or (architecture == "StableLmForCausalLM" and flag("use_qkv_bias", False)):
        parts.add("qkv-bias")
    if (architecture == "OPTForCausalLM" and biased) or (architecture.startswith(("Llama", "Granite", "SmolLM3")) and flag("mlp_bias", False)):
        parts.add("mlp-bias")
    if architecture in ("Qwen3ForCausalLM", "Gemma3ForCausalLM"):
        parts.add("qk-norm")
    if architecture == "OPTForCausalLM":
        if flag("do_layer_norm_before", True) and not flag("_remove_final_layer_norm", False):
            parts.add("final-norm")
        if flag("word_embed_proj_dim", config["hidden_size"]) != config["hidden_size"]:
            parts.add("projections")
    return parts


def canonical_names(architecture, config, has_head):
    text = open(os.path.join(ROOT, "docs/families.md"), encoding="utf8").read()
    heading = FAMILIES[architecture][0]
    table = re.search(r"^\*\*" + re.escape(heading) + r"\b.*?^```\n(.*?)^```", text, re.S | re.M).group(1)
    parts = parts_of(architecture, config) | ({"head"} if has_head else set())
    layers = config.get("num_hidden_layers", config.get("n_layer"))
    names, block = [], []

    def flush():
        for layer in range(layers if block else 0):
            names.extend(name.replace(".N.", f".{layer}.") for name in block)
        block.clear()

    for line in table.splitlines():
        name, rest = line.split(None, 1)
        part = rest[rest.rindex(")") + 1:].strip()
        if ".N." not in name:
            flush()
        if not part or part in parts:
            (block if ".N." in name else names).append(name)
    flush()
    return names


class Safetensors:
    def __init__(self, paths):
        self.where = {}
        for path in paths:
            data = np.memmap(path, np.uint8, "r")
            size = struct.unpack("<Q", data[:8].tobytes())[0]
            header = json.loads(data[8:8 + size].tobytes())
            for name, entry in header.items():
                if name != "__metadata__":
                    first, end = entry["data_offsets"]
                    self.where[name] = (data[8 + size + first:8 + size + end], entry["dtype"], entry["shape"])

    def read(self, name):
        data, dtype, shape = self.where[name]
        data = np.frombuffer(data.tobytes(), {"F32": "<f4", "F16": "<f2", "BF16": "<u2"}[dtype])
        if dtype == "BF16":
            data = (data.astype(np.uint32) << np.uint32(16)).view(np.float32)
        return data.astype(np.float32).reshape(shape)


def file_name(data):
    """The name of a file: the root of its tree of hashes."""
    size, level = len(data), 0
    while True:
        hashes = [blake(b"onebyte/block/1" + bytes([level]) + data[at:at + 32768]) for at in range(0, len(data), 32768)]
        if len(hashes) == 1:
            return blake(b"onebyte/file/1" + le64(size) + hashes[0])
        data, level = b"".join(hashes), level + 1


def read_basis(manifest, beside):
    """The fixed A of each adapter as float32, from the file beside a manifest or a delta."""
    path = os.path.splitext(beside)[0] + ".basis.safetensors"
    data = open(path, "rb").read()
    require(file_name(data) == manifest.basis, f"{path}: not the basis that the manifest names")
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])
    facts = header.pop("__metadata__")
    require(facts["format"] == "onebyte-basis-1" and bytes.fromhex(facts["base_hash"]) == manifest.base_hash, "a basis of another base or format")
    basis = {}
    for name, entry in header.items():
        first, end = entry["data_offsets"]
        m = np.frombuffer(data[8 + size + first:8 + size + end], "<i4").reshape(entry["shape"])
        require(entry["dtype"] == "I32" and np.all(np.abs(m.astype(np.int64)) <= 1 << 24), f"{name}: not a basis")
        basis[name] = m.astype(np.float32) * np.float32(2.0 ** -int(facts["exponent." + name]))  # both exact
    return basis


class Model:
    def __init__(self, folder):
        config = json.load(open(os.path.join(folder, "config.json"), encoding="utf8"))
        self.architecture = architecture_of(config)
        index = os.path.join(folder, "model.safetensors.index.json")
        files = ["model.safetensors"]
        if not os.path.exists(os.path.join(folder, files[0])):
            files = sorted(set(json.load(open(index, encoding="utf8"))["weight_map"].values()))
        self.file = Safetensors([os.path.join(folder, f) for f in files])
        self.names = canonical_names(self.architecture, config, True)
        embedding, head = self.names[0], self.names[-1]
        if is_tied(self.architecture, config):  # a head of its own only if the file has one that differs from the embedding
            self.alias = {embedding: head} if not self.has(embedding) else {}
            if not self.has(embedding) or not self.has(head) or np.array_equal(self.read(embedding), self.read(head)):
                self.names = canonical_names(self.architecture, config, False)
        self.input_major = self.architecture == "GPT2LMHeadModel"

    alias = {}

    def place(self, name):
        """What the file calls a tensor, or None."""
        prefix = FAMILIES[self.architecture][1]
        name = self.alias.get(name, name)
        others = (name, name[len(prefix):] if name.startswith(prefix) else name, "lm_head.weight" if name == "embed_out.weight" else name)
        return next((other for other in others if other in self.file.where), None)

    def has(self, name):
        return self.place(name) is not None

    def read(self, name):
        require(self.has(name), f"the model has no tensor {name}")
        return self.file.read(self.place(name))

    def hash(self):
        state = hashlib.blake2b(digest_size=32)
        for name in self.names:
            values = self.read(name)
            state.update(le32(len(name.encode())) + name.encode() + le64(values.size) + values.astype("<f4").tobytes())
        return state.digest()


# ---- records ----

class Record:
    def __init__(self, machine, first, round_, live, exponent, profile, prev, data, signature):
        self.machine, self.first, self.round, self.live, self.n = machine, first, round_, live, len(data)
        self.exponent, self.profile, self.prev, self.bytes, self.signature = exponent, profile, prev, data, signature

    @classmethod
    def parse(cls, data):
        require(len(data) >= 147, "a record is too short")
        machine, first, round_, live, n, exponent, profile, prev = struct.unpack("<32sQIHHbB32s", data[:82])
        require(len(data) == 146 + n and n >= 1, "a record's length is not that of its samples")
        return cls(machine, first, round_, live, exponent, profile, prev, data[82:82 + n], data[82 + n:])

    def unsigned(self):
        return struct.pack("<32sQIHHbB32s", self.machine, self.first, self.round, self.live, self.n, self.exponent, self.profile, self.prev) + self.bytes

    def body(self, run):
        return b"onebyte/record/1" + run + self.unsigned()

    def identity(self, run):
        return blake(self.body(run))

    def is_signed(self, run):
        return verify(self.machine, self.body(run), self.signature)

    def within(self, m):
        return (1 <= self.n <= m.samples_per_round and 1 <= self.live <= m.max_machines and self.round < m.max_rounds
                and m.exponent_min <= self.exponent <= m.exponent_max and self.profile == 0
                and self.first + self.n <= 1 << 63 and (self.prev == ZEROS) == (self.first == 0))


# ---- control table ----

GOODBYE, CERTIFICATE, REVOCATION, EVIDENCE, ADDRESS, ROTATION, INVITATION, ADMISSION, WITHDRAWAL = range(1, 10)


def is_plain(name):
    return all(byte >= 32 and byte != 127 for byte in name)


class Entry:
    def __init__(self, data, run):
        require(len(data) >= 140, "a control entry is too short")
        self.data = data
        self.kind, reserved, length, self.signer, self.subject, self.sequence = struct.unpack("<BBH32s32sQ", data[:76])
        require(reserved == 0 and len(data) == 140 + length, "a control entry's length is not that of its payload")
        self.payload, signature = data[76:76 + length], data[76 + length:]
        if self.kind == EVIDENCE:
            self.read_evidence(run, signature)
        else:
            require(verify(self.signer, b"onebyte/control1" + run + data[:76 + length], signature), "a control entry's signature is not its signer's")
        if self.kind == CERTIFICATE:
            of, self.expiry, self.last_round, size = struct.unpack("<32sQIB", self.payload[:45])
            require(of == run and size == length - 45 and 1 <= size <= 63 and is_plain(self.payload[45:]), "a certificate is of another run or malformed")
        if self.kind == REVOCATION:
            self.cut = struct.unpack("<Q", self.payload)[0]
        if self.kind == ROTATION:
            self.until = struct.unpack("<Q", self.payload)[0]
            require(self.subject != self.signer, "a rotation is malformed")
        if self.kind == INVITATION:
            self.expiry, self.member_expiry, self.last_round, self.uses, size = struct.unpack("<QQIHB", self.payload[:23])
            self.pattern = self.payload[23:]
            require(size == len(self.pattern) and 1 <= size <= 63 and is_plain(self.pattern) and self.pattern.count(b"*") <= 1 and 1 <= self.uses <= 256,
                    "an invitation is malformed")
        if self.kind == ADMISSION:
            self.name = self.payload[1:]
            require(self.payload[0] == len(self.name) and 1 <= len(self.name) <= 63 and is_plain(self.name) and self.sequence == 0, "an admission is malformed")
        if self.kind == WITHDRAWAL:
            self.stay = [self.payload[i:i + 32] for i in range(0, length, 32)]
            require(length % 32 == 0 and length <= 256 * 32 and all(a < b for a, b in zip(self.stay, self.stay[1:])), "a withdrawal is malformed")

    def fits(self, name):
        before, star, after = self.pattern.partition(b"*")
        if not star:
            return name == self.pattern
        return len(name) > len(before) + len(after) and name.startswith(before) and name.endswith(after)

    def read_evidence(self, run, signature):
        one, rest = self.take(self.payload)
        other, rest = self.take(rest)
        require(not rest and self.sequence == 0 and signature == bytes(64), "evidence is malformed")
        require(one.machine == other.machine == self.subject == self.signer and one.prev == other.prev
                and one.unsigned() < other.unsigned() and one.is_signed(run) and other.is_signed(run), "evidence proves nothing")
        self.cut = min(one.first, other.first)

    @staticmethod
    def take(data):
        size = struct.unpack("<H", data[:2])[0]
        return Record.parse(data[2:2 + size]), data[2 + size:]


class Membership:
    """Certificate in force and cut of each machine: docs/arithmetic.md, "Which records count"."""

    def __init__(self, manifest, entries):
        self.authorities = [[manifest.authority, None]]
        while len(self.authorities) < 16:
            known = [key for key, _ in self.authorities]
            onwards = [e for e in entries if e.kind == ROTATION and e.signer == known[-1] and e.subject not in known]
            if not onwards:
                break
            rotation = min(onwards, key=lambda e: (e.sequence, e.data))
            self.authorities[-1][1] = rotation.until
            self.authorities.append([rotation.subject, None])
        self.certificates, self.cuts = {}, {}
        for e in entries:
            if e.kind == CERTIFICATE and self.counts(e):
                rank = (0, self.index(e.signer), e.sequence, len(e.data), e.data)
                if e.subject not in self.certificates or rank > self.certificates[e.subject][0]:
                    self.certificates[e.subject] = (rank, e)
        for e, invitation in self.admissions(entries):
            rank = (-1, self.index(invitation.signer), invitation.sequence, invitation.subject)
            if e.subject not in self.certificates or rank > self.certificates[e.subject][0]:
                self.certificates[e.subject] = (rank, invitation)
        for e in entries:
            if e.kind == EVIDENCE or (e.kind == REVOCATION and self.counts(e)):
                self.cuts[e.subject] = min(e.cut, self.cuts.get(e.subject, e.cut))

    def index(self, key):
        return next((i for i, (other, _) in enumerate(self.authorities) if other == key), None)

    def counts(self, entry):
        i = self.index(entry.signer)
        return i is not None and (self.authorities[i][1] is None or entry.sequence < self.authorities[i][1])

    def latest(self, entries, kind, subject):
        found = [e for e in entries if e.kind == kind and e.subject == subject and self.counts(e)]
        return max(found, key=lambda e: (self.index(e.signer), e.sequence, len(e.data), e.data), default=None)

    def admissions(self, entries):
        """Those that count, each with its invitation."""
        for key in {e.signer for e in entries if e.kind == ADMISSION}:
            invitation, withdrawal = self.latest(entries, INVITATION, key), self.latest(entries, WITHDRAWAL, key)
            if invitation is None:
                continue
            allowed = [e for e in entries if e.kind == ADMISSION and e.signer == key and invitation.fits(e.name)
                       and (withdrawal is None or e.subject in withdrawal.stay)]
            allowed.sort(key=lambda e: blake(b"onebyte/invited1" + key + e.subject))
            for e in allowed if withdrawal else allowed[:invitation.uses]:
                yield e, invitation

    def allows(self, record):
        if record.machine not in self.certificates:
            return False
        certificate = self.certificates[record.machine][1]
        return record.first + record.n <= self.cuts.get(record.machine, 1 << 64) and record.round <= certificate.last_round


def counting(manifest, records, allows):
    """The records that count, chain by chain, and how many do not. `records`: any order."""
    chains, counted, ignored = {}, {}, 0
    for record in records:
        chains.setdefault(record.machine, []).append(record)
    for machine in sorted(chains):
        next_, head, round_ = 0, ZEROS, -1
        chain = sorted(chains[machine], key=lambda r: r.first)
        for i, r in enumerate(chain):
            if not (r.within(manifest) and r.first == next_ and r.prev == head and r.round > round_ and allows(r) and r.is_signed(manifest.run)):
                ignored += len(chain) - i
                break
            next_, head, round_ = r.first + r.n, r.identity(manifest.run), r.round
            counted.setdefault(machine, []).append(r)
    return counted, ignored


def log_digest(manifest, counted):
    leaves = []
    for i in range(256):
        data = b""
        for machine in sorted(counted):
            if machine[0] == i:
                last = counted[machine][-1]
                data += machine + le64(last.first + last.n) + last.identity(manifest.run)
        leaves.append(blake(data) if data else ZEROS)
    middles = [b"".join(leaves[16 * i:16 * i + 16]) for i in range(16)]
    return blake(b"onebyte/log/two/" + b"".join(ZEROS if m == bytes(512) else blake(m) for m in middles))


# ---- where records come from ----

def varint(data, at):
    value = shift = 0
    for _ in range(5):
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            require(byte != 0 or shift == 7, "a varint is longer than needed")
            return value, at
    raise Wrong("a varint has more than five bytes")


def read_log(path, run):
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    meta = dict(db.execute("SELECT key, value FROM meta"))
    require(meta["schema"] in ("2", b"2"), f"the log has schema {meta['schema']}, expected 2")
    require(bytes(meta["run"]) == run, "the log is of another run")
    entries = [Entry(bytes(data), run) for (data,) in db.execute("SELECT data FROM control")]
    records = []
    for number, key in db.execute("SELECT number, key FROM machine").fetchall():
        last = None
        for first, data in db.execute("SELECT first, data FROM record WHERE machine = ? ORDER BY first", (number,)):
            require(blake(key + le64(first) + data[:-4])[:4] == data[-4:], f"the row of sample {first} is damaged")
            word, at = varint(data, 0)
            live, at = varint(data, at)
            exponent, profile = struct.unpack("<bB", data[at:at + 2])
            at += 2
            prev = ZEROS if last is None else last.identity(run)
            if word & 1:
                prev, at = data[at:at + 32], at + 32
            last = Record(key, first, word >> 1, live, exponent, profile, prev, data[at:-68], data[-68:-4])
            records.append(last)
    return entries, records


def read_delta(path):
    data = open(path, "rb").read()
    require(data[:16] == b"onebyte-delta-2\n", "not a delta of format 2")
    require(blake(data[:-32]) == data[-32:], "the delta's hash is not that of its bytes")
    size, count, chains, reserved, samples, digest = struct.unpack("<IIIIQ32s", data[16:72])
    require(reserved == 0, "a reserved field is not 0")
    manifest, at, end = Manifest(data[72:72 + size]), 72 + size, len(data) - 32
    entries, records, last = [], [], None
    for _ in range(count):
        length = struct.unpack("<H", data[at:at + 2])[0]
        entries.append(Entry(data[at + 2:at + 2 + length], manifest.run))
        at += 2 + length
    for _ in range(chains):
        machine, count = struct.unpack("<32sI", data[at:at + 36])
        require((last is None or machine > last) and count > 0, "chains are empty or not in order")
        at, last, first, prev = at + 36, machine, 0, ZEROS
        for _ in range(count):
            round_, live, n, exponent, profile = struct.unpack("<IHHbB", data[at:at + 10])
            r = Record(machine, first, round_, live, exponent, profile, prev, data[at + 10:at + 10 + n], data[at + 10 + n:at + 74 + n])
            records.append(r)
            at, first, prev = at + 74 + n, first + n, r.identity(manifest.run)
    require(at == end and sum(r.n for r in records) == samples, "the delta's lengths do not fit")
    return manifest, entries, records, digest


# ---- weights ----

def base_integers(model, manifest, t):
    tensor = manifest.tensors[t]
    name, shape = tensor["name"], tensor["shape"]
    if manifest.lora and name.endswith(".lora_B.weight"):
        return np.zeros(math.prod(shape), np.int32)
    if manifest.lora and name.endswith(".lora_A.weight"):
        key = blake(b"onebyte/lora", key=manifest.run)
        words = np.frombuffer(stream(key, t, 0, 4 * math.prod(shape)), "<i4")
        return (words >> np.int32(5 + shape[1].bit_length() // 2)).astype(np.int32)
    values = model.read(name)
    require(list(values.shape) == shape, f"{name}: shape {list(values.shape)}, the manifest says {shape}")
    scaled = np.rint(values.astype(np.float64).ravel() * 2.0 ** tensor["exponent"])  # exact, then half to even
    require(np.all(np.abs(scaled) < 2.0 ** 31), f"{name}: a value does not fit 32 bits")
    return scaled.astype(np.int32)


MANTISSA = [1073741824, 1170923761, 1276901416, 1392470868, 1518500249, 1655936264, 1805811301, 1969251187]


def step_of(manifest, record, byte, random, tensor):
    code = byte & 127
    if code == 0 or code > manifest.code_max:
        return 0
    rate = manifest.rates[min(record.round // manifest.rounds_per_rate, len(manifest.rates) - 1)]
    v, n, one = record.live, record.n, 1 << 32
    scale = {"capped": one if manifest.s0 >= v * n else manifest.s0 * one // (v * n), "sum": one,
             "sqrt": one if v == 1 else math.isqrt(2 ** 64 // v), "mean": one // v}[manifest.combine]
    octave, k = divmod(code - manifest.c0, 8)  # rounds towards minus infinity
    product = rate * scale * MANTISSA[k]
    shift = 110 - octave - record.exponent - tensor["log2_scale"] - tensor["exponent"] + (5 if manifest.distribution == "gaussian" else 0)
    if shift <= 0:
        q = min(product << -shift, 1 << 24)
    else:
        fraction = ((product % (1 << shift)) << 64) >> shift
        q = min((product >> shift) + (random < fraction), 1 << 24)
    return -q if byte & 128 else q


def magnitudes():
    text = open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "arithmetic.md"), encoding="utf8").read()
    return [int(v) for v in text.split("<!-- magnitudes -->\n", 1)[1].split("\n\n", 1)[0].split()]


def replay(manifest, weights, records):
    """Directions of all tensors are made at once, so that numpy has long rows to work on."""
    gaussian = manifest.distribution == "gaussian"
    block = 64 if gaussian else 512
    table = np.array([s * v for s in (1, -1) for v in magnitudes()], np.int32).view(np.uint32)
    counts = [(m.size + block - 1) // block for m in weights]
    first = np.concatenate(([0], np.cumsum(counts)))
    tensors = np.repeat(np.arange(len(weights), dtype=np.uint32), counts)
    counters = np.concatenate([np.arange(count, dtype=np.uint32) for count in counts])
    for record in records:
        for i, byte in enumerate(record.bytes):
            key = blake(b"onebyte/z" + record.machine + le64(record.first + i), key=manifest.run)
            words = chacha_blocks(key, np.zeros(len(weights), np.uint32), np.arange(len(weights), dtype=np.uint32), 1)
            steps = [step_of(manifest, record, byte, int(words[t, :8].view("<u8")[0]), tensor) for t, tensor in enumerate(manifest.tensors)]
            if not any(steps):
                continue
            bits = chacha_blocks(key, counters, tensors, 0)
            for t, (m, q) in enumerate(zip(weights, steps)):
                if gaussian:
                    m.view(np.uint32)[:] -= np.uint32(q % 2 ** 32) * table[bits[first[t]:first[t + 1]].ravel()[:m.size]]
                    continue
                minus = np.unpackbits(bits[first[t]:first[t + 1]], count=m.size, bitorder="little").astype(np.uint32)  # 1: z = -1
                m.view(np.uint32)[:] += np.uint32(2 * q % 2 ** 32) * minus - np.uint32(q % 2 ** 32)


def weights_digest(weights):
    root = hashlib.blake2b(b"onebyte/root", digest_size=32)
    for t, m in enumerate(weights):
        root.update(le64(m.size))
        for k in range(0, m.size, LEAF):
            root.update(blake(b"onebyte/leaf" + le32(t) + le64(k // LEAF) + m[k:k + LEAF].astype("<i4").tobytes()))
    return root.digest()


def compare_export(model, manifest, weights, basis, folder):
    """Every float of an F32 export: trained values, adapters merged."""
    export = Safetensors([os.path.join(folder, "model.safetensors")])
    names = [t["name"] for t in manifest.tensors]
    floats = dict(basis)
    for t, m in zip(manifest.tensors, weights):
        floats[t["name"]] = (m.astype(np.float32) * np.float32(2.0 ** -t["exponent"])).reshape(t["shape"])
    for name in model.names:
        ours = floats[name] if name in names else model.read(name)
        a = floats.get(name.removesuffix(".weight") + ".lora_A.weight")
        if a is not None:
            b = floats[name.removesuffix(".weight") + ".lora_B.weight"]
            scale = np.float64(np.float32(manifest.lora["alpha"] / manifest.lora["rank"]))
            total = np.zeros((b.shape[0], a.shape[1]))
            for k in range(a.shape[0]):
                total += b[:, k:k + 1].astype(np.float64) * a[k:k + 1].astype(np.float64)
            ours = (ours.astype(np.float64) + scale * (total.T if model.input_major else total)).astype(np.float32)
        theirs = export.read(name)
        require(theirs.shape == ours.shape and np.array_equal(ours.view(np.uint32), theirs.view(np.uint32)), f"{name}: the export holds other floats")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hash", nargs="+", metavar="FOLDER", help="print the base hashes of models and end")
    parser.add_argument("--model")
    parser.add_argument("--manifest")
    parser.add_argument("--log")
    parser.add_argument("--delta")
    parser.add_argument("--export")
    a = parser.parse_args()
    for folder in a.hash or []:
        print(Model(folder).hash().hex(), folder)
    if a.hash:
        return 0
    if not a.model or bool(a.delta) == bool(a.log) or (a.log and not a.manifest):
        parser.error("give --manifest and --log, or --delta")
    promised = None
    if a.log:
        manifest = Manifest(open(a.manifest, "rb").read())
        entries, records = read_log(a.log, manifest.run)
        counted, ignored = counting(manifest, records, Membership(manifest, entries).allows)
    else:
        manifest, entries, records, promised = read_delta(a.delta)
        counted, ignored = counting(manifest, records, Membership(manifest, entries).allows)
        require(ignored == 0, f"{ignored} records of the delta do not hold")
    model = Model(a.model)
    base = model.hash()
    require(base == manifest.base_hash, "the model is not the run's base: its hash differs")
    weights = [base_integers(model, manifest, t) for t in range(len(manifest.tensors))]
    chain = [r for machine in sorted(counted) for r in counted[machine]]
    replay(manifest, weights, chain)
    digest = weights_digest(weights)
    require(promised in (None, digest), "the delta promises another weights digest")
    if a.export:
        basis = read_basis(manifest, a.manifest if a.log else a.delta) if manifest.basis else {}
        compare_export(model, manifest, weights, basis, a.export)
    print(json.dumps({"run": manifest.run.hex(), "base_hash": base.hex(), "records": len(chain), "samples": sum(r.n for r in chain),
                      "ignored_records": ignored, "log_digest": log_digest(manifest, counted).hex(), "weights_digest": digest.hex()}))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Wrong, OSError, KeyError, ValueError, struct.error) as wrong:
        print(f"onebyte_oracle: {type(wrong).__name__}: {wrong}" if not isinstance(wrong, Wrong) else f"onebyte_oracle: {wrong}", file=sys.stderr)
        sys.exit(1)
