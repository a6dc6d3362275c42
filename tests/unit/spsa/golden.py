#!/usr/bin/env python3
"""Golden vectors of spsa/ from an independent implementation (hashlib's BLAKE2b, ChaCha20 by hand, integers).

Prints what tests/unit/spsa/test_golden.c and tests/unit/model/families/test_adapter.c hold. Not needed to run the tests."""
import hashlib, struct

def quarter(s, a, b, c, d):
    rot = lambda x, n: ((x << n) | (x >> (32 - n))) & 0xffffffff
    for x, y, z, n in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
        s[x] = (s[x] + s[y]) & 0xffffffff
        s[z] = rot(s[z] ^ s[x], n)

def chacha_block(key, nonce, counter):
    state = list(struct.unpack("<4I", b"expand 32-byte k")) + list(struct.unpack("<8I", key)) + [counter] + list(struct.unpack("<3I", nonce))
    s = state[:]
    for _ in range(10):
        for q in ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15), (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)):
            quarter(s, *q)
    return struct.pack("<16I", *((x + y) & 0xffffffff for x, y in zip(s, state)))

run, machine = bytes(range(32)), bytes(range(100, 132))
key_of = lambda sample: hashlib.blake2b(b"onebyte/z" + machine + struct.pack("<Q", sample), key=run, digest_size=32).digest()
bits = lambda key, tensor, block: chacha_block(key, struct.pack("<I", tensor) + bytes(8), block)
word = lambda key, tensor, use: struct.unpack("<Q", chacha_block(key, struct.pack("<II", tensor, use) + bytes(4), 0)[:8])[0]

MANTISSA = [1073741824, 1170923761, 1276901416, 1392470868, 1518500249, 1655936264, 1805811301, 1969251187]

def step(rate_q48, scale_q32, byte, c0, exponent, log2_scale, f, random):
    c = byte & 127
    if c == 0:
        return 0
    octave, k = divmod(c - c0, 8)
    product = rate_q48 * scale_q32 * MANTISSA[k]
    shift = 110 - octave - exponent - log2_scale - f
    if shift <= 0:
        q = min(product << -shift, 1 << 24)
    else:
        fraction = ((product % (1 << shift)) << 64) >> shift
        q = min((product >> shift) + (random < fraction), 1 << 24)
    return -q if byte & 128 else q

TENSORS = [(1000, 20, 0), (700, 26, 3)]
RATE, LIVE, S0 = 28147497671, 3, 8
BYTES = bytes([0x60, 0xe5, 0x00, 0x80, 0x5a])
scale = min(1 << 32, S0 * (1 << 32) // (LIVE * len(BYTES)))

def replay():
    weights = [[0] * n for n, _, _ in TENSORS]
    steps = []
    for j, byte in enumerate(BYTES):
        key = key_of(41 + j)
        for t, (n, f, log2_scale) in enumerate(TENSORS):
            q = step(RATE, scale, byte, 96, -2, log2_scale, f, word(key, t, 1))
            steps.append(q)
            stream = b"".join(bits(key, t, b) for b in range((n + 511) // 512))
            for i in range(n):
                weights[t][i] -= -q if stream[i // 8] >> (i % 8) & 1 else q
    return steps, weights

def magnitudes():
    """docs/arithmetic.md has the table."""
    text = open(__file__.rsplit("tests/", 1)[0] + "docs/arithmetic.md", encoding="utf8").read()
    return [int(v) for v in text.split("<!-- magnitudes -->\n", 1)[1].split("\n\n", 1)[0].replace("\n", " ").split(" ") if v]

def gaussian_replay():
    table, weights, steps = magnitudes(), [[0] * n for n, _, _ in TENSORS], []
    for j, byte in enumerate(BYTES):
        key = key_of(41 + j)
        for t, (n, f, log2_scale) in enumerate(TENSORS):
            q = step(RATE, scale, byte, 96, -2, log2_scale, f - 5, word(key, t, 1))
            steps.append(q)
            stream = b"".join(bits(key, t, b) for b in range((n + 63) // 64))
            for i in range(n):
                weights[t][i] -= q * table[stream[i] & 127] * (-1 if stream[i] & 128 else 1)
    return steps, weights

def digest(weights):
    root = hashlib.blake2b(b"onebyte/root", digest_size=32)
    for t, w in enumerate(weights):
        root.update(struct.pack("<Q", len(w)))
        root.update(hashlib.blake2b(b"onebyte/leaf" + struct.pack("<IQ", t, 0) + struct.pack(f"<{len(w)}i", *w), digest_size=32).digest())
    return root.hexdigest()

key = key_of(7)
print("key", key.hex())
print("bits tensor 3 block 0", bits(key, 3, 0).hex())
print("bits tensor 3 block 5", bits(key, 3, 5).hex())
print("step randomness tensor 3", hex(word(key, 3, 1)))
print("byte randomness", hex(word(key, 0, 2)))
steps, weights = replay()
print("steps", steps)
print("digest", digest(weights))
gaussian_steps, gaussian_weights = gaussian_replay()
print("gaussian steps", gaussian_steps)
print("gaussian digest", digest(gaussian_weights))

def adapter(number, inputs, first, count):
    """Initial values of A: signed words of a keystream of the run's, shifted."""
    key = hashlib.blake2b(b"onebyte/lora", key=run, digest_size=32).digest()
    words = [struct.unpack("<i", chacha_block(key, struct.pack("<I", number) + bytes(8), i // 16)[i % 16 * 4:][:4])[0]
             for i in range(first, first + count)]
    return [w >> (5 + inputs.bit_length() // 2) for w in words]

print("adapter 2, 768 inputs", adapter(2, 768, 0, 4), adapter(2, 768, 14, 4))
print("adapter 7, 15 inputs", adapter(7, 15, 0, 4))
