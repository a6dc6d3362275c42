#!/usr/bin/python3
"""Compares the tokenizers of real models, which are too large to keep, with what Hugging Face makes of the same files.

Run by hand, in an environment with gguf, tokenizers, transformers, sentencepiece and protobuf, after
`ninja -C build tests/parity/show_ids`:
    tests/parity/compare_tokens.py FILE...
FILE.gguf with a byte-level tokenizer: `tokenizers` is given its vocabulary, merges, special tokens and, by hand, the
pre-tokenizer of SmolLM2. A SentencePiece FILE.model is made a GGUF file with the `gguf` package, as llama.cpp's
converter does, and compared with sentencepiece itself and with the merges that transformers makes of it. The strings
are those of tests/parity/tokens and as many with repeated patterns, where the order of merges shows.
"""
import json, os, random, struct, subprocess, sys, tempfile

import gguf
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers

HERE = os.path.dirname(os.path.abspath(__file__))
SHOW = os.path.join(HERE, "../../build/tests/parity/show_ids")
SPACE = "\u2581"


def strings():
    random.seed(7)
    texts = json.load(open(os.path.join(HERE, "tokens/strings.json"), encoding="utf-8"))
    words = sorted({word for text in texts for word in text.split() if word.isascii() and len(word) > 1})
    more = []
    for _ in range(len(texts)):
        pattern = random.choice([*"ab01 -=*.\n\t_", "ha", "an", "aba", " a", "=-", "--=", random.choice(words)[:4]])
        more.append(random.choice(words) + pattern * random.randint(2, 40) + random.choice(words))
    return texts + more


def ours(model, texts):
    data = b"".join(struct.pack("<I", len(t.encode())) + t.encode() for t in texts)
    out = subprocess.run([SHOW, model], input=data, capture_output=True)
    if out.returncode:
        sys.exit("%s: %s" % (model, out.stderr.decode()))
    lines = [line.partition("|") for line in out.stdout.decode().splitlines()]
    return [[int(i) for i in ids.split()] for ids, _, _ in lines], [bytes.fromhex(text) for _, _, text in lines]


def report(name, texts, found, expected):
    differing = [i for i in range(len(texts)) if found[i] != expected[i]]
    print("%s: %d of %d strings differ" % (name, len(differing), len(texts)))
    for i in differing[:3]:
        print("  ", ascii(texts[i][:70]), found[i][:24], expected[i][:24])


def field(reader, name):
    entry = reader.get_field(name)
    return entry.contents() if entry else None


def byte_level(path, texts):
    reader = gguf.GGUFReader(path)
    tokens, types = field(reader, "tokenizer.ggml.tokens"), field(reader, "tokenizer.ggml.token_type")
    merges = [tuple(merge.split(" ")) for merge in field(reader, "tokenizer.ggml.merges")]
    print(path, len(tokens), "tokens,", len(merges), "merges, pre", field(reader, "tokenizer.ggml.pre"),
          "add_bos", field(reader, "tokenizer.ggml.add_bos_token"))
    tokenizer = Tokenizer(models.BPE({token: i for i, token in enumerate(tokens)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True),
                                                       pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False)
                                  for token, kind in zip(tokens, types) if kind == 3])
    ids, decoded = ours(path, texts)
    expected = [encoding.ids for encoding in tokenizer.encode_batch(texts)]
    report("tokenizers", texts, ids, expected)
    report("decoded", texts, [t.decode() for t in decoded],
           tokenizer.decode_batch(expected, skip_special_tokens=False))


def write_gguf(path, proto):
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([piece.piece.encode() for piece in proto.pieces])
    writer.add_token_scores([piece.score for piece in proto.pieces])
    writer.add_token_types([piece.type for piece in proto.pieces])
    writer.add_bos_token_id(proto.trainer_spec.bos_id)
    writer.add_eos_token_id(proto.trainer_spec.eos_id)
    writer.add_unk_token_id(proto.trainer_spec.unk_id)
    writer.add_add_bos_token(True)
    writer.add_add_space_prefix(proto.normalizer_spec.add_dummy_prefix)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def pieces(path, texts):
    import sentencepiece
    from sentencepiece import sentencepiece_model_pb2
    from transformers.tokenization_utils_base import generate_merges
    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString(open(path, "rb").read())
    print(path, len(proto.pieces), "pieces")
    vocab = {piece.piece: i for i, piece in enumerate(proto.pieces)}
    scores = {piece.piece: piece.score for piece in proto.pieces}
    tokenizer = Tokenizer(models.BPE(vocab, generate_merges(vocab, scores), unk_token="<unk>", fuse_unk=True,
                                     byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend(SPACE), normalizers.Replace(" ", SPACE)])
    tokenizer.add_special_tokens([AddedToken(piece.piece, special=True, normalized=False)
                                  for piece in proto.pieces if piece.type in (2, 3)])
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "model.gguf")
        write_gguf(file, proto)
        ids = [row[1:] for row in ours(file, texts)[0]]
    report("tokenizers, with the merges of transformers", texts, ids, [e.ids for e in tokenizer.encode_batch(texts)])
    # sentencepiece knows no special tokens in a text, and puts its space before the whole of it alone
    plain = [i for i, text in enumerate(texts) if not any(p.piece in text for p in proto.pieces if p.type in (2, 3, 4))
             and SPACE not in text and text]
    processor = sentencepiece.SentencePieceProcessor(model_file=path)
    report("sentencepiece", [texts[i] for i in plain], [ids[i] for i in plain],
           processor.encode([texts[i] for i in plain]))


for argument in sys.argv[1:]:
    (byte_level if argument.endswith(".gguf") else pieces)(argument, strings())
