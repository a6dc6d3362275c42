#!/usr/bin/python3
"""Makes the tokenizer parity data: what `tokenizers` makes of 10,000 strings with a tokenizer of each configuration.

Run by hand, in an environment with tokenizers (0.23.3 made the kept files):
    tests/parity/make_tokens.py
Writes into tests/parity/tokens/:
    strings.json            the strings: every script, emoji, combining marks, control characters, long runs
    NAME/tokenizer.json     a small trained vocabulary under the normalizer, pre-tokenizer and frame of a family
    NAME/expected.txt       a line a string: 32-bit FNV-1a over the ids (little-endian, 4 bytes each, with the
                            special tokens of the frame) in hexadecimal, and how many ids there are
kjv-1m is examples/kjv-1m/tokenizer.json; only its expected.txt is written. The strings are the same
with each run of one Python version; the trained vocabularies need not be, so all files are kept from one run.
"""
import json, os, random, struct, unicodedata

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
OUT = os.path.join(HERE, "tokens")
SPACE = "\u2581"
SPECIAL = ["<s>", "</s>", "<|endoftext|>"]
random.seed(5)

POOL = [chr(c) for c in range(0x110000) if unicodedata.category(chr(c)) not in ("Cn", "Cs", "Co")]
SCRIPTS = {}  # the first word of a character's name is its script, or what kind of sign it is
for at, character in enumerate(POOL):
    SCRIPTS.setdefault(unicodedata.name(character, "CONTROL").split()[0].split("-")[0], []).append(at)
STARTS = list(SCRIPTS.values())
WORDS = open(os.path.join(ROOT, "examples/jargon/held_out.jsonl"), encoding="utf-8").read()[:60000].split()
PIECES = [*SPECIAL, " ", "  ", "\n", "\t", "\n\n", "\r\n", "'s", "'LL", "123", "4567890", " .",
          "\U0001f469\u200d\U0001f469\u200d\U0001f467", "\U0001f3f3\ufe0f\u200d\U0001f308", "\u00e9", "e\u0301",
          "\ufb01", "\u200d", SPACE, "\uac00", "\u1100\u1161\u11a8", "<0x0A>", "\u0e01\u0e33", "\u0915\u094d\u0937"]


def neighbours(at):
    return "".join(POOL[(at + k) % len(POOL)] for k in range(random.randint(1, 3)))


def string():
    out = []
    for _ in range(random.randint(1, 8)):
        kind = random.random()
        if kind < 0.30:
            out.append(random.choice(WORDS)[:12] + random.choice(["", " "]))
        elif kind < 0.60:
            out.append(random.choice(PIECES))
        elif kind < 0.75:
            out.append(neighbours(random.choice(random.choice(STARTS))))
        elif kind < 0.85:
            out.append(neighbours(random.randrange(len(POOL))))
        elif kind < 0.95:
            out.append(random.choice([" ", "\n", "0", "7", "a"]) * random.randint(1, 30))
        else:
            out.append(chr(random.randrange(32)))
    return "".join(out)


def strings():
    """A string for every script, the rest at random."""
    kept = [""] + [neighbours(random.choice(members)) for members in STARTS if len(members) > 2]
    kept += [" " * 300, "9" * 300, "\n" * 100, "e" + "\u0301" * 50]
    return kept + [string() for _ in range(10000 - len(kept))]


def model(byte_level):
    sample = [" ".join(WORDS[i:i + 3]) for i in range(0, len(WORDS), 2)]
    for text in (string() for _ in range(3000)):
        for left_out in ["\0", *SPECIAL]:  # a file with NUL in a token is refused; the others are added tokens
            text = text.replace(left_out, "")
        sample.append(text)
    if byte_level:
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        trainer = trainers.BpeTrainer(vocab_size=900, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
                                      show_progress=False)
    else:
        tokenizer = Tokenizer(models.BPE(byte_fallback=True))
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        trainer = trainers.BpeTrainer(vocab_size=700, show_progress=False, limit_alphabet=250)
    tokenizer.train_from_iterator(sample, trainer)
    made = json.loads(tokenizer.to_str())["model"]
    if not byte_level:
        for byte in range(256):  # no gap: `tokenizers` numbers the added tokens by the size of the vocabulary
            made["vocab"].setdefault("<0x%02X>" % byte, len(made["vocab"]))
        made["byte_fallback"] = made["fuse_unk"] = True
    return made


def added(base):
    first = max(base["vocab"].values()) + 1
    return [dict(id=first + i, content=content, single_word=False, lstrip=False, rstrip=False, normalized=i == 2,
                 special=True) for i, content in enumerate(SPECIAL)]


def template(base, name):
    ids = {token["content"]: token["id"] for token in added(base)}
    special, text = {"SpecialToken": {"id": name, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}
    return {"type": "TemplateProcessing", "single": [special, text],
            "pair": [text, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {name: {"id": name, "ids": [ids[name]], "tokens": [name]}}}


def byte_level(use_regex):
    return {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": use_regex}


def sequence(*parts):
    return {"type": "Sequence", "pretokenizers": list(parts)}


LLAMA3 = ("(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"
          "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+")
REPLACE = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}
BYTES, PIECE = model(True), model(False)
UNSPACE = [{"type": "Replace", "pattern": {"String": SPACE}, "content": " "}, {"type": "ByteFallback"},
           {"type": "Fuse"}]
STRIP = [{"type": "Strip", "content": " ", "start": 1, "stop": 0}]

# name: model, normalizer, pre-tokenizer, post-processor, decoder
CONFIGURATIONS = {
    "gpt2": (BYTES, None, byte_level(True), None, byte_level(True)),
    "opt": (BYTES, None, byte_level(True), template(BYTES, "</s>"), byte_level(True)),
    "smollm2": (BYTES, None, sequence({"type": "Digits", "individual_digits": True}, byte_level(True)), None,
                byte_level(True)),
    "llama3": (dict(BYTES, ignore_merges=True), None,
               sequence({"type": "Split", "pattern": {"Regex": LLAMA3}, "behavior": "Isolated", "invert": False},
                        byte_level(False)),
               {"type": "Sequence", "processors": [byte_level(True), template(BYTES, "<s>")]}, byte_level(True)),
    "mistral3": (PIECE, None, {"type": "Metaspace", "replacement": SPACE, "prepend_scheme": "first", "split": False},
                 template(PIECE, "<s>"), {"type": "Sequence", "decoders": UNSPACE + STRIP}),
    "gemma": (PIECE, REPLACE, {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious",
                               "invert": False}, template(PIECE, "<s>"), {"type": "Sequence", "decoders": UNSPACE}),
}


def fnv1a(ids):
    value = 2166136261
    for byte in struct.pack("<%dI" % len(ids), *ids):
        value = (value ^ byte) * 16777619 & 0xFFFFFFFF
    return value


def write_expected(name, path, texts):
    tokenizer = Tokenizer.from_file(path)
    with open(os.path.join(OUT, name, "expected.txt"), "w") as out:
        for encoding in tokenizer.encode_batch(texts):
            out.write("%08x %d\n" % (fnv1a(encoding.ids), len(encoding.ids)))


def main():
    texts = strings()
    for name in [*CONFIGURATIONS, "kjv-1m"]:
        os.makedirs(os.path.join(OUT, name), exist_ok=True)
    with open(os.path.join(OUT, "strings.json"), "w", encoding="utf-8") as out:
        out.write("[\n" + ",\n".join(json.dumps(text, ensure_ascii=False) for text in texts) + "\n]\n")
    for name, (base, normalizer, pre, post, decoder) in CONFIGURATIONS.items():
        path = os.path.join(OUT, name, "tokenizer.json")
        with open(path, "w", encoding="utf-8") as out:
            json.dump(dict(version="1.0", truncation=None, padding=None, added_tokens=added(base), normalizer=normalizer,
                           pre_tokenizer=pre, post_processor=post, decoder=decoder, model=base), out,
                      ensure_ascii=False, separators=(",", ":"))
            out.write("\n")
        write_expected(name, path, texts)
    write_expected("kjv-1m", os.path.join(ROOT, "examples/kjv-1m/tokenizer.json"), texts)


main()
