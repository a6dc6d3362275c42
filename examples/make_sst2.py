#!/usr/bin/python3
"""SST-2 into rows with choices, in MeZO's template: the sentence, then "It was great" or "It was terrible".

    examples/make_sst2.py dev.tsv > dev.jsonl

Reads lines `sentence<TAB>label` (1: positive), as in ../shared/data/sst2; writes {"prompt", "choices", "label"}.
Names the line of one that it cannot read, and writes nothing of it.
"""
import json
import sys


def main(path):
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            sentence, tab, label = line.rstrip("\n").rpartition("\t")
            if not tab or label not in ("0", "1") or not sentence.strip():
                sys.exit(f"{path}:{number}: not sentence<TAB>0 or 1")
            row = {"prompt": sentence.strip() + " It was", "choices": [" terrible", " great"], "label": int(label)}
            print(json.dumps(row, ensure_ascii=False))


if len(sys.argv) != 2:
    sys.exit(__doc__)
main(sys.argv[1])
