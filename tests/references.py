#!/usr/bin/env python3
"""references.py SOURCE_ROOT BUILD_ROOT - what documents and comments point at exists.

Fails on
  1. a relative link or an anchor in a Markdown file that leads nowhere;
  2. a file, folder or test named in a document, manual page, script or comment that does not exist (any more);
  3. a table of tensors in docs/families.md that differs from the one in model/families/;
  4. a folder of tests/layers.py that docs/design.md or README.md does not describe;
  5. a path that leads out of the repository in what users read.
"""
import fnmatch
import glob
import importlib.util
import json
import os
import re
import subprocess
import sys

bad = []
OTHERS = {"docs/gguf.md"}  # files of other projects that are cited as sources


def files(*patterns):
    return subprocess.run(["git", "ls-files", "-co", "--exclude-standard", *patterns], capture_output=True, text=True, check=True).stdout.split()


def read(path):
    return open(path, encoding="utf8").read()


def prose(text):
    """Without fenced blocks."""
    return re.sub(r"^```.*?^```", "", text, flags=re.S | re.M)


def anchors(path):
    """GitHub's anchors of a document's headings."""
    found = set()
    for heading in re.findall(r"^#+ (.*)$", prose(read(path)), re.M):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        found.add(re.sub(r" ", "-", re.sub(r"[^\w\- ]", "", text)))
    return found


def check_links():
    for path in files("*.md"):
        for target in re.findall(r"\]\(([^)\s]+)\)", prose(read(path))):
            if re.match(r"[a-z]+:", target):
                continue
            name, _, anchor = target.partition("#")
            whole = os.path.normpath(os.path.join(os.path.dirname(path), name)) if name else path
            if not os.path.exists(whole):
                bad.append(f"{path}: the link {target} leads nowhere")
            elif anchor and anchor not in anchors(whole):
                bad.append(f"{path}: {whole} has no heading for #{anchor}")


def test_names(build):
    names = set()
    for test in json.loads(subprocess.run(["meson", "introspect", "--tests", build], capture_output=True, text=True, check=True).stdout):
        names.add(test["name"])
    return names


def exists(name, tests):
    """A path (of anything that begins so: peer/rounds, tests/sim/schedules/fork-*), or a test."""
    name = name.rstrip("/.")
    placeholder = re.search(r"\b[A-Z]{3,}\b|[*]", name) and os.path.isdir(os.path.dirname(name))
    return (bool(glob.glob(name)) or bool(glob.glob(name + ".[ch]")) or any(fnmatch.fnmatch(test, name) for test in tests)
            or name in OTHERS or ("*" not in name and bool(placeholder)))


def check_names(tests):
    """In documents: what stands in backticks. In sources: words of comments with a known ending."""
    top = {os.path.dirname(f).split("/")[0] for f in files() if "/" in f}
    folders = "|".join(sorted(re.escape(t) for t in top))
    in_text = re.compile(r"`((?:\./)?(?:" + folders + r")/[\w./*{},-]*)[^`]*`")
    in_comment = re.compile(r"(?<![\w./-])((?:" + folders + r")/[\w./-]*\.(?:md|h|c|py|sh))\b")
    for path in files("*.md"):
        for name in in_text.findall(prose(read(path))):
            for one in expand(name):
                if not exists(one, tests):
                    bad.append(f"{path}: there is no {one}")
    for path in files("*.[ch]", "*.py", "*.sh", "check", "demo", "meson.build", "man/*", "configs/*"):
        if os.path.islink(path) or path == "tests/references.py":
            continue
        for name in in_comment.findall(read(path)):
            if not exists(name, tests) and not os.path.exists(os.path.join(os.path.dirname(path), name)):
                bad.append(f"{path}: there is no {name}")


def expand(name):
    """a.{c,h} → a.c, a.h"""
    found = re.search(r"\{([^}]*)\}", name)
    return [name[:found.start()] + part + name[found.end():] for part in found.group(1).split(",")] if found else [name]


# ---- tensors of the families ----

DIMENSIONS = {"HD": "H·D", "KD": "K·D", "QKV": "(H+2K)·D"}


def rows_of_source(path):
    text = read(path)
    macros = dict(re.findall(r"#define (\w+)\s+((?:\w+ )?\"[^\"]*\"(?: \w+)?)$", text, re.M))

    def name_of(expression):
        return "".join(token[1:-1] if token[0] == '"' else name_of(macros[token]) for token in re.findall(r'"[^"]*"|\w+', expression))

    table = re.search(r"struct ob_family_tensor \w+\[\] = \{\n(.*?)\n\};", text, re.S)
    rows = re.findall(r'\{\s*((?:\w+\s+)?"[^"]*"),\s*OB_SLOT_\w+,\s*OB_ROLE_\w+,\s*\{([^}]*)\}(?:,\s*OB_PART_(\w+))?', table.group(1)) if table else []
    return [(name_of(name).replace("%u", "N"), "(" + ", ".join(DIMENSIONS.get(d, d) for d in re.findall(r"OB_DIM_(\w+)", shape)) + ")",
             part.lower().replace("_", "-")) for name, shape, part in rows]


def check_families():
    blocks = re.findall(r"^```\n(.*?)^```", read("docs/families.md"), re.S | re.M)
    documented = []
    for block in blocks:
        rows = [re.match(r"(\S+)\s+(\(.*\))\s*(\S*)$", line) for line in block.splitlines()]
        if all(rows):
            documented.append([row.groups() for row in rows])
    tables = {path: rows_of_source(path) for path in sorted(glob.glob("model/families/*.c"))}
    tables = {path: rows for path, rows in tables.items() if rows}
    if not tables:
        bad.append("no table of tensors was found in model/families/")
    for path, rows in tables.items():
        if rows in documented:
            continue
        near = max(documented, key=lambda d: len(set(d) & set(rows)), default=[])
        bad.append(f"docs/families.md: no table is that of {path}; in one only: {sorted(set(near) ^ set(rows)) or 'another order'}")


def check_rooms():
    spec = importlib.util.spec_from_file_location("layers", "tests/layers.py")
    layers = importlib.util.module_from_spec(spec)
    argv, sys.argv = sys.argv, ["layers.py", ".", "."]
    spec.loader.exec_module(layers)
    sys.argv = argv
    for document in ("docs/design.md", "README.md"):
        text = read(document)
        for folder in layers.LAYERS:
            if f"`{folder}/`" not in text and f"`{folder}`" not in text:
                bad.append(f"{document}: says nothing of {folder}/")


def check_inside():
    for path in files("*.md", "man/*", "configs/*", "examples/*.sh", "examples/*.py", "demo", "check"):
        text = read(path)
        if path.endswith((".sh", ".py")) or path in ("demo", "check"):  # what --help prints
            text = "".join(re.findall(r"^#.*\n|^\"\"\".*?\"\"\"", text, re.S if path.endswith(".py") else re.M))
        for line in text.splitlines():
            if re.search(r"\.\./shared|/work/", line):
                bad.append(f"{path}: leads out of the repository: {line.strip()[:80]}")


def main():
    build = os.path.abspath(sys.argv[2])
    os.chdir(sys.argv[1])
    check_links()
    check_names(test_names(build))
    check_families()
    check_rooms()
    check_inside()
    for line in bad:
        print(line)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
