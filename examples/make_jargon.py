#!/usr/bin/python3
"""Makes examples/jargon: fine-tuning text of another domain than the King James Bible.

Text:  the Jargon File 4.4.7, a lexicon of hacker slang (public domain), from Debian's jargon-text.
Run:   examples/make_jargon.py
Writes train.jsonl and held_out.jsonl: one {"text": ":headword: definition"} a line; every tenth entry is held out.
"""
import gzip, json, os, re

SOURCE = "/usr/share/doc/jargon-text/jargon.txt.gz"
OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "jargon")


def entries(lines):
    """An entry starts with `   :word: …` and runs to the next one; its lines are joined by single spaces."""
    current = None
    for line in lines:
        if re.match(r"^   :[^:].*:", line):
            if current:
                yield " ".join(current)
            current = [line.strip()]
        elif re.match(r"^\S", line):  # a heading: the entry is over
            if current:
                yield " ".join(current)
            current = None
        elif current is not None and line.strip():
            current.append(line.strip())
    if current:
        yield " ".join(current)


def main():
    with gzip.open(SOURCE, "rt", encoding="utf-8") as f:
        rows = [e for e in entries(f.read().splitlines()) if 80 <= len(e) <= 3000]
    os.makedirs(OUT, exist_ok=True)
    for name, keep in (("train", lambda i: i % 10 != 9), ("held_out", lambda i: i % 10 == 9)):
        with open(os.path.join(OUT, name + ".jsonl"), "w", encoding="utf-8") as f:
            for i, text in enumerate(rows):
                if keep(i):
                    f.write(json.dumps({"text": text}, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
