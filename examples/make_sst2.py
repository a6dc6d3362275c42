#!/usr/bin/python3
"""SST-2 into rows with choices: in MeZO's template, the sentence and then "It was great" or "It was terrible".

    examples/make_sst2.py dev.tsv > dev.jsonl
    examples/make_sst2.py --review train.tsv --without dev.tsv > train.jsonl

Reads lines `sentence<TAB>label` (1: positive) and writes {"prompt", "choices", "label"}.
--review uses another template: "Review: SENTENCE", "Sentiment:", and "negative" or "positive", which suits instruct models.
--without FILE leaves out sentences that also occur in FILE, ignoring case and spacing.
Stops at a line that it cannot read, names it, and writes nothing after it.
"""
import argparse
import json
import sys

TEMPLATES = {
    "mezo": ("{} It was", [" terrible", " great"]),
    "review": ("Review: {}\nSentiment:", [" negative", " positive"]),
}


def read(path):
    with open(path, encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            sentence, tab, label = line.rstrip("\r\n").rpartition("\t")
            if not tab or label not in ("0", "1") or not sentence.strip():
                sys.exit(f"{path}:{number}: not sentence<TAB>0 or 1")
            yield sentence.strip(), int(label)


def plain(sentence):
    return " ".join(sentence.lower().split())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("--review", action="store_true")
    parser.add_argument("--without", metavar="FILE")
    options = parser.parse_args()
    prompt, choices = TEMPLATES["review" if options.review else "mezo"]
    left_out = {plain(sentence) for sentence, _ in read(options.without)} if options.without else set()
    rows = [
        json.dumps({"prompt": prompt.format(sentence), "choices": choices, "label": label}, ensure_ascii=False)
        for sentence, label in read(options.file)
        if plain(sentence) not in left_out
    ]
    print("\n".join(rows))


main()
