#!/usr/bin/env python3
"""documents.py SOURCE_ROOT BUILD_ROOT [--update] - help, manual pages, completions and documents against the code.

1. What stands between `<!-- generated: NAME -->` and `<!-- end -->` in a document is what docs/describe prints for NAME
   (--update rewrites it).
2. Every command and option of the tables is in `onebyte --help`, in `onebyte COMMAND --help`, in the manual page and in the
   completions of three shells, and these name no other.
3. Commands that documents, examples and scripts show exist, and so do their options.
4. `onebyte status` has a text for every reason for a pause.
5. Keys of the configuration that documents write as `[section] key` exist in configs/onebyte.conf (whose keys are compared
   with the table of keys in tests/unit/daemon/test_config.c).
"""
import glob
import re
import subprocess
import sys

GENERATED = {"docs/files.md": ["status"]}
SHOWN = ["README.md", "docs/*.md", "demo", "check", "examples/*.sh", "configs/*", "man/*.in", "bench/*.sh", "tests/integration/*.sh"]
WRONG_ON_PURPOSE = "tests/integration/cli.sh"
bad = []


def read(path):
    with open(path, encoding="utf8") as file:
        return file.read()


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def check_generated(root, build, update):
    for path, names in GENERATED.items():
        text = read(f"{root}/{path}")
        for name in names:
            wanted = f"<!-- generated: {name} -->\n{run(f'{build}/docs/describe', name)}<!-- end -->"
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


def read_commands(build):
    """{"onebyte": {"eval": {"--model", …}}, "onebyted": {"": {…}}}"""
    programs = {}
    for line in run(f"{build}/docs/describe", "commands").splitlines():
        program, name, *options = line.split("|")
        programs.setdefault(program, {})[name] = set(options) | {"--help", "--version"}
    return programs


def options_in(text):
    return set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", text))


def check_help(build, programs):
    every = run(f"{build}/onebyte", "--help")
    for name, options in programs["onebyte"].items():
        if not re.search(rf"^  {re.escape(name)} ", every, re.M):
            bad.append(f"onebyte --help does not list {name}")
        text = run(f"{build}/onebyte", *name.split(), "--help")
        listed = set(re.findall(r"^  (?:-., )?(--[a-z0-9-]+)", text, re.M))
        if listed != options or not text.startswith(f"usage: onebyte {name}"):
            bad.append(f"onebyte {name} --help: {listed ^ options}")
        if run(f"{build}/onebyte", "help", *name.split()) != text:
            bad.append(f"onebyte help {name} and onebyte {name} --help differ")
    listed = set(re.findall(r"^  (?:-., )?(--[a-z0-9-]+)", run(f"{build}/onebyted", "--help"), re.M))
    if listed != programs["onebyted"][""]:
        bad.append(f"onebyted --help: {listed ^ programs['onebyted']['']}")


def check_pages(build, programs):
    page = read(f"{build}/docs/onebyte.1").replace("\\-", "-")
    for name, options in programs["onebyte"].items():
        part = re.search(rf"^\.B onebyte {re.escape(name)}\n(.*?)(?=^\.B onebyte |^\.SH )", page, re.M | re.S)
        listed = set(re.findall(r"^\.B (--[a-z0-9-]+)", part[1], re.M)) if part else set()
        if listed != options - {"--help", "--version"}:
            bad.append(f"onebyte.1, {name}: {listed ^ options}")
    listed = options_in(read(f"{build}/docs/onebyted.8").replace("\\-", "-"))
    if not programs["onebyted"][""] <= listed:
        bad.append(f"onebyted.8 lacks {programs['onebyted'][''] - listed}")
    if "@" in re.sub(r"@tcp|KEY@", "", page):
        bad.append("onebyte.1: a part was not filled in")


def check_completions(build, programs):
    texts = {"bash": read(f"{build}/docs/onebyte"), "zsh": read(f"{build}/docs/_onebyte"), "fish": read(f"{build}/docs/onebyte.fish")}
    for name, options in [*programs["onebyte"].items(), *programs["onebyted"].items()]:
        for option in options - {"--help", "--version"}:
            for shell, text in texts.items():
                form = rf" -l {option[2:]} " if shell == "fish" else rf"{option}[ =\['*]"
                if not re.search(form, text):
                    bad.append(f"{shell} does not complete {name} {option}")


def shown_commands(text):
    """(is a command for certain, program, words, options) of each command line in a text."""
    text = text.replace("\\\n", " ").replace("\\-", "-")
    for before, program, rest in re.findall(r"([`/\"]|(?<![\w.-]))(onebyted?)\"?((?: [^\n`|;&]*)?)", text, re.M):
        words = re.findall(r"^ ([a-z]+)(?: ([a-z]+))?", rest)
        if rest.startswith(" --") or words:
            yield bool(before), program, [w for w in (words[0] if words else []) if w], options_in(re.split(r" (?:&&|\|\|) |\)", rest)[0])


def check_shown(root, programs):
    for path in sorted(sum((glob.glob(f"{root}/{pattern}") for pattern in SHOWN), [])):
        if path.endswith(WRONG_ON_PURPOSE):
            continue
        for certain, program, words, options in shown_commands(read(path)):
            where = f"{path[len(root) + 1:]}: {program} {' '.join(words)}"
            if program == "onebyted":
                unknown = options - programs["onebyted"][""] if not words else set()
            else:
                name = next((n for n in (" ".join(words), words[0] if words else "") if n in programs["onebyte"]), None)
                if name is None:
                    if certain and words and options and words != ["help"]:
                        bad.append(f"{where}: no such command")
                    continue
                unknown = options - programs["onebyte"][name]
            if unknown:
                bad.append(f"{where}: no option {', '.join(sorted(unknown))}")


def check_named(root, programs):
    """`onebyte WORD` in prose."""
    firsts = {name.split()[0] for name in programs["onebyte"]} | {"help"}
    for path in sorted(sum((glob.glob(f"{root}/{pattern}") for pattern in SHOWN), [])):
        for word in re.findall(r"`onebyte ([a-z]+)", read(path)):
            if word not in firsts:
                bad.append(f"{path[len(root) + 1:]}: `onebyte {word}` is no command")


def check_pauses(root):
    """`onebyte status` says of every reason for a pause what ends it."""
    reasons = re.findall(r"`(\w+)`", re.search(r'FIELD\("paused_by".*', read(f"{root}/daemon/status_fields.def"))[0])
    known = set(re.findall(r'\{"(\w+)",', read(f"{root}/daemon/pause.c")))
    for reason in known ^ set(reasons):
        bad.append(f"daemon/pause.c, status_fields.def: only one of them has the pause `{reason}`")


def check_keys(root):
    sections, section = {}, None
    for line in read(f"{root}/configs/onebyte.conf").splitlines():
        if head := re.fullmatch(r"\[(\w+)\]", line):
            section = sections.setdefault(head[1], set())
        elif key := re.match(r"(\w+) =", line):
            section.add(key[1])
    for path in ["README.md", *glob.glob("docs/*.md", root_dir=root)]:
        for name, key in re.findall(r"`\[(\w+)\] (\w+)", read(f"{root}/{path}")):
            if name in sections and name != "peers" and key not in sections[name]:
                bad.append(f"{path}: [{name}] {key} is no key of the configuration")


def main():
    root, build = sys.argv[1], sys.argv[2]
    update = "--update" in sys.argv
    check_generated(root, build, update)
    if update:
        return
    programs = read_commands(build)
    check_help(build, programs)
    check_pages(build, programs)
    check_completions(build, programs)
    check_shown(root, programs)
    check_named(root, programs)
    check_pauses(root)
    check_keys(root)
    print("\n".join(bad))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
