#!/usr/bin/python3
"""Makes the two tables of model/tokenizer/unicode.c: where the Unicode versions of the libraries and of `tokenizers` differ.

Run by hand, in an environment with tokenizers (0.23.3) and unicodedata2 (18.0.0), by a Python whose unicodedata is that
of PCRE2 (3.11 and PCRE2 10.42: Unicode 14):
    tests/parity/make_unicode.py >tables; clang-format tables
OB_UNICODE_ADDED: what the patterns of `tokenizers` say of each character, asked of them one category at a time, where
    unicodedata says something else.
ALONE: of the characters that the newest Unicode reorders, decomposes or composes, those with which the NFC of
    `tokenizers` does something else; asked with each composition that has them or, of those with a combining class, with
    marks of four classes at both sides. U+11A7 is added: libutf8proc 2.8 composes it, no Unicode does.
"""
import unicodedata

import unicodedata2
from tokenizers import Regex, normalizers, pre_tokenizers

CHARACTERS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
CATEGORIES = ["Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf",
              "Po", "Sm", "Sc", "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf", "Co"]
MARKS = ["\u0334", "\u0316", "\u0301", "\u0345"]  # classes 1, 220, 230, 240


def ranges(values):
    """[(first, last, value)] of {character: value}."""
    found = []
    for character, value in sorted(values.items()):
        if found and found[-1][1] == character - 1 and found[-1][2] == value:
            found[-1][1] = character
        else:
            found.append([character, character, value])
    return found


def added():
    text, differing = "".join(map(chr, CHARACTERS)), {}
    for category in CATEGORIES:
        split = pre_tokenizers.Split(Regex(r"[^\p{%s}]+" % category), "removed")
        for piece, _ in split.pre_tokenize_str(text):
            for character in piece:
                if unicodedata.category(character) != category:
                    differing[ord(character)] = category
    return differing


def compositions():
    """Each character in a canonical composition -> those pairs, triples … and what they make."""
    found = {}
    for character in map(chr, CHARACTERS):
        parts = unicodedata2.normalize("NFD", character)
        if parts != character and not 0xAC00 <= ord(character) < 0xD7A4:
            for text in {parts, character, unicodedata2.decomposition(character)}:
                for part in {*parts, character}:
                    if not text.isascii():
                        found.setdefault(part, set()).add(text)
            direct = unicodedata2.decomposition(character).split()
            for part in direct:
                found.setdefault(chr(int(part, 16)), set()).add("".join(chr(int(p, 16)) for p in direct))
    return found


def alone():
    ours, theirs = normalizers.NFC().normalize_str, lambda text: unicodedata2.normalize("NFC", text)
    composed, differing = compositions(), {0x11A7: ""}
    for character in map(chr, CHARACTERS):
        texts = composed.get(character, ())
        if unicodedata2.combining(character):  # what orders it, composes it: a mark stands behind what may be unknown
            texts = ["a" + pair for mark in MARKS for pair in (character + mark, mark + character)]
        if any(ours(text) != theirs(text) for text in texts):
            differing[ord(character)] = ""
    return differing


print("const struct ob_unicode_range OB_UNICODE_ADDED[] = {")
for first, last, category in ranges(added()):
    print('    {0x%x, 0x%x, "%s"},' % (first, last, category))
print("};\n\nstatic const struct span ALONE[] = {")
for first, last, _ in ranges(alone()):
    print("    {0x%x, 0x%x}," % (first, last))
print("};")
