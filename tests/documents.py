#!/usr/bin/env python3
"""documents.py SOURCE_ROOT DESCRIBE [--update] - documents that repeat what a table in the source says.

Compares (or, with --update, rewrites) what stands between `<!-- generated: NAME -->` and `<!-- end -->` with what
DESCRIBE prints for NAME, and looks for every state of `life` in README.md and the documents that list them.
"""
import re
import subprocess
import sys

GENERATED = {"docs/files.md": ["status"]}
bad = []


def read(path):
    with open(path, encoding="utf8") as file:
        return file.read()


def printed(describe, what):
    return subprocess.run([describe, what], capture_output=True, text=True, check=True).stdout


def check_generated(root, describe, update):
    for path, names in GENERATED.items():
        text = read(f"{root}/{path}")
        for name in names:
            wanted = f"<!-- generated: {name} -->\n{printed(describe, name)}<!-- end -->"
            found = re.search(rf"<!-- generated: {name} -->\n.*?<!-- end -->", text, re.S)
            if not found:
                bad.append(f"{path}: no part <!-- generated: {name} --> … <!-- end -->")
            elif found.group() != wanted and not update:
                bad.append(f"{path}: \"{name}\" differs from the source; run `ninja -C build update-docs`")
            else:
                text = text[: found.start()] + wanted + text[found.end() :]
        if update:
            with open(f"{root}/{path}", "w", encoding="utf8") as file:
                file.write(text)


def main():
    root, describe = sys.argv[1], sys.argv[2]
    check_generated(root, describe, "--update" in sys.argv)
    print("\n".join(bad))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
