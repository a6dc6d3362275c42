#!/usr/bin/python3
"""Makes the tokenizer parity data: what `tokenizers` makes of 10,000 strings with a tokenizer of each configuration.

Run by hand, in an environment with tokenizers (0.23.3 made the kept files):
    tests/parity/make_tokens.py [NAME…]
With names, only those configurations are made, with the strings and the models that are kept. Without, all is made anew.
Writes into tests/parity/tokens/:
    strings.json  the strings: every script, emoji, combining marks, control characters, long runs
    models.json   two small trained models: bytes (byte-level) and pieces (byte fallback)
    NAME.json     a tokenizer.json with the normalizer, pre-tokenizer, added tokens and frame of a family; its
                  "model" is the name of one of models.json, with what differs from it
    NAME.txt      a line for ten strings: two 32-bit FNV-1a in hexadecimal (all values little-endian, 4 bytes). Of
                  the ids: for each string their number and they, with the special tokens of the frame. Of the
                  texts: for each string the bytes, and their number before, of what the ids decode to, without
                  the frame
kjv-1m is examples/kjv-1m/tokenizer.json; only its NAME.txt is written. The strings are the same with each run of one
Python version; the trained vocabularies need not be, so all files are kept from one run.
"""
import json, os, random, struct, sys, unicodedata

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
          "\ufb01", "\u200d", SPACE, "\uac00", "\u1100\u1161\u11a8", "<0x0A>", "\u0e01\u0e33", "\u0915\u094d\u0937",
          "<l>", " <r> ", " wo ", "wo", "\u0eb8\u0eba", "\uac1c\u11a7", "\u1e9b\u0323", SPACE * 2, "    "]


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


def added(base, flags):
    """The special tokens, then those of `flags`; what the vocabulary has keeps its id there."""
    tokens, free = [], len(base["vocab"])
    assert sorted(base["vocab"].values()) == list(range(free))
    for content, changes in flags.items():
        known = base["vocab"].get(content)
        free += known is None
        tokens.append({"id": free - 1 if known is None else known, "content": content, "single_word": False,
                       "lstrip": False, "rstrip": False, "normalized": False, "special": True, **changes})
    return tokens


def template(base, name):
    ids = {token["content"]: token["id"] for token in added(base, PLAIN)}
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
if sys.argv[1:]:
    BYTES, PIECE = (json.load(open(os.path.join(OUT, "models.json"), encoding="utf-8"))[name] for name in ("bytes", "pieces"))
else:
    BYTES, PIECE = model(True), model(False)
UNSPACE = [{"type": "Replace", "pattern": {"String": SPACE}, "content": " "}, {"type": "ByteFallback"},
           {"type": "Fuse"}]
STRIP = [{"type": "Strip", "content": " ", "start": 1, "stop": 0}]

PLAIN = {"<s>": {}, "</s>": {}, "<|endoftext|>": {}}
NORMALIZED = {name: {"normalized": True} for name in PLAIN}
TEXT = {"special": False}
RUNS = {" " * n: {"special": False, "normalized": True} for n in (8, 4, 3, 2)}
ODD = {"<l>": {"lstrip": True}, "<r>": {"rstrip": True}, "wo": {"single_word": True, **TEXT},
       "\u00e9 ": {"normalized": True, **TEXT}}
PREPEND = {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": SPACE}, REPLACE]}
NFC = {"type": "NFC"}


def cl100k(digits):
    return sequence({"type": "Split", "pattern": {"Regex": LLAMA3.replace("{1,3}", digits)}, "behavior": "Isolated",
                     "invert": False}, byte_level(False))


# llama.cpp's for GGUF files that name no pre-tokenizer, or "default"; one pattern after the other.
DEFAULT = sequence(*({"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated", "invert": False} for regex in (
    "[\\p{P}\\$\\+<=>\\^~\\|]+", "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)",
    "\\p{N}+", "[0-9][0-9][0-9]")), byte_level(False))


def metaspace(scheme, split):
    return {"type": "Metaspace", "replacement": SPACE, "prepend_scheme": scheme, "split": split}


# name: model, what differs from it, added tokens, normalizer, pre-tokenizer, post-processor, decoder
CONFIGURATIONS = {
    "gpt2": ("bytes", {}, PLAIN, None, byte_level(True), None, byte_level(True)),
    "opt": ("bytes", {}, NORMALIZED, None, byte_level(True), template(BYTES, "</s>"), byte_level(True)),
    "smollm2": ("bytes", {}, PLAIN, None, sequence({"type": "Digits", "individual_digits": True}, byte_level(True)),
                None, byte_level(True)),
    "llama3": ("bytes", {"ignore_merges": True}, PLAIN, None, cl100k("{1,3}"),
               {"type": "Sequence", "processors": [byte_level(True), template(BYTES, "<s>")]}, byte_level(True)),
    "qwen2": ("bytes", {}, PLAIN, NFC, cl100k(""), byte_level(False), byte_level(False)),
    "pythia": ("bytes", {}, {**PLAIN, **RUNS}, NFC, byte_level(True), byte_level(True), byte_level(True)),
    "gguf-default": ("bytes", {}, PLAIN, None, DEFAULT, None, byte_level(True)),
    "odd": ("bytes", {"ignore_merges": True}, {**PLAIN, **ODD}, NFC, cl100k("{1,3}"), None, byte_level(True)),
    "llama2": ("pieces", {}, NORMALIZED, PREPEND, None, template(PIECE, "<s>"),
               {"type": "Sequence", "decoders": UNSPACE + STRIP}),
    "tinyllama": ("pieces", {}, PLAIN, PREPEND, None, template(PIECE, "<s>"),
                  {"type": "Sequence", "decoders": UNSPACE + STRIP}),
    "mistral3": ("pieces", {}, PLAIN, None, metaspace("first", False), template(PIECE, "<s>"),
                 {"type": "Sequence", "decoders": UNSPACE + STRIP}),
    "metaspace": ("pieces", {}, {**PLAIN, **ODD}, None, metaspace("always", True), None,
                  {"type": "Sequence", "decoders": UNSPACE + STRIP}),
    "gemma": ("pieces", {}, {**PLAIN, SPACE * 2: TEXT, "\n\n": TEXT}, REPLACE,
              {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False},
              template(PIECE, "<s>"), {"type": "Sequence", "decoders": UNSPACE}),
}


def fnv1a(value, data):
    for byte in data:
        value = (value ^ byte) * 16777619 & 0xFFFFFFFF
    return value


def write_expected(name, tokenizer, texts):
    with open(os.path.join(OUT, name + ".txt"), "w") as out:
        encodings = tokenizer.encode_batch(texts)
        bare = [encoding.ids for encoding in tokenizer.encode_batch(texts, add_special_tokens=False)]
        decoded = tokenizer.decode_batch(bare, skip_special_tokens=False)
        for start in range(0, len(texts), 10):
            ids = decodes = 2166136261
            for i in range(start, start + 10):
                ids = fnv1a(ids, struct.pack("<%dI" % (len(encodings[i].ids) + 1), len(encodings[i].ids),
                                             *encodings[i].ids))
                data = decoded[i].encode()
                decodes = fnv1a(decodes, struct.pack("<I", len(data)) + data)
            out.write("%08x %08x\n" % (ids, decodes))


def write_json(name, value, **layout):
    with open(os.path.join(OUT, name + ".json"), "w", encoding="utf-8") as out:
        json.dump(value, out, ensure_ascii=False, separators=(",", ":"), **layout)
        out.write("\n")


def main():
    found, names = {"bytes": BYTES, "pieces": PIECE}, sys.argv[1:]
    os.makedirs(OUT, exist_ok=True)
    if names:
        texts = json.load(open(os.path.join(OUT, "strings.json"), encoding="utf-8"))
    else:
        texts = strings()
        with open(os.path.join(OUT, "strings.json"), "w", encoding="utf-8") as out:
            out.write("[\n" + ",\n".join(json.dumps(text, ensure_ascii=False) for text in texts) + "\n]\n")
        write_json("models", found)
    for name in names or CONFIGURATIONS:
        model, changes, flags, normalizer, pre, post, decoder = CONFIGURATIONS[name]
        root = dict(version="1.0", truncation=None, padding=None, added_tokens=added(found[model], flags),
                    normalizer=normalizer, pre_tokenizer=pre, post_processor=post, decoder=decoder)
        write_json(name, {**root, "model": {"name": model, **changes}}, indent=1)
        write_expected(name, Tokenizer.from_str(json.dumps({**root, "model": {**found[model], **changes}})), texts)
    if not names:
        write_expected("kjv-1m", Tokenizer.from_file(os.path.join(ROOT, "examples/kjv-1m/tokenizer.json")), texts)


main()
