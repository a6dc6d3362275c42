#!/usr/bin/env python3
"""layers.py SOURCE_ROOT BUILD_ROOT - which way the dependencies of the product point (docs/design.md, "Layers").

Fails on
  1. an include of a folder that the row of the including folder does not name;
  2. a cycle between the files of one folder: x.c and x.h are one node, an edge is an include or, found with nm in the
     objects of BUILD_ROOT, a call or a use of another file's symbol;
  3. a library in a layer that must not know it, I/O or a clock in peer/, libm on the path of an update;
  4. global mutable state in the product.
"""
import glob
import os
import re
import subprocess
import sys

# folder: the folders that it may include. In order: a folder is below those that come after it.
MODEL = ["model/formats", "model/families", "model/tokenizer", "model/chat", "model/convert", "model/forward", "model/data"]
RUN = ["base", "record", "spsa", "transport", "store", "history", *MODEL]
LAYERS = {
    "base": [],
    "record": ["base"],
    "spsa/kernels": ["base"],
    "spsa": ["base", "spsa/kernels"],
    "model/formats": ["base"],
    "model/families": ["base", "spsa", "model/formats"],
    "model/tokenizer": ["base", "model/formats"],
    "model/chat": ["base", "model/formats", "model/tokenizer"],
    "model/convert": ["base", "spsa", "model/formats", "model/families", "model/tokenizer", "model/chat"],
    "model/forward": ["base", "spsa", "model/formats", "model/families", "model/convert"],
    "model/data": ["base", "model/formats", "model/families", "model/tokenizer", "model/chat", "model/convert", "model/forward"],
    "peer": ["base", "record"],
    "transport": ["base"],
    "transfer": ["base", "record"],
    "store": ["base", "record"],
    "history": ["base", "record"],
    "run": RUN,
    "snapshot": [*RUN, "run", "peer"],
    "web": ["base", "record", "history", "transport"],
    "desk": ["base"],
    "daemon": [*RUN, "peer", "transfer", "run", "snapshot", "web", "desk"],
    "cli": [*RUN, "transfer", "run", "snapshot"],
}
LIBRARIES = {  # header: the folders that may include it
    "zmq.h": ["transport"],
    "sqlite3.h": ["store", "history"],
    "microhttpd.h": ["web"],
    "systemd/sd-bus.h": ["desk"],
}
bad = []


def node(path):
    return os.path.splitext(path)[0]


def sources(folder):
    return sorted(glob.glob(f"{folder}/*.[ch]"))


def includes(path):
    return re.findall(r'^\s*#include "([^"]+)"', open(path, encoding="utf8").read(), re.M)


def check_includes():
    for folder, allowed in LAYERS.items():
        for path in sources(folder):
            for include in includes(path):
                other = os.path.dirname(include)
                if other != folder and other not in allowed:
                    bad.append(f"{path} includes {include}: {folder}/ may not know {other}/")


def objects_of(build):
    """The source of each object in BUILD_ROOT: those of a folder's library, and those of the programs in the root."""
    found = {}
    for item in glob.glob(f"{build}/**/*.p/*.c.o", recursive=True):
        folder = os.path.relpath(os.path.dirname(os.path.dirname(item)), build)
        name = os.path.basename(item)[: -len(".c.o")]
        for known in LAYERS:
            prefix = known.replace("/", "_") + "_"
            if folder == known:
                found[item] = f"{known}/{name}"
            elif folder == "." and name.startswith(prefix) and os.path.exists(f"{known}/{name[len(prefix):]}.c"):
                found[item] = f"{known}/{name[len(prefix):]}"
    return found


def symbols(build):
    """For each source the global symbols that its objects define, and those that they use."""
    sources_by_object = objects_of(build)
    defined, used = {}, {}
    listing = subprocess.run(["nm", "-A", "-P", *sources_by_object], capture_output=True, text=True, check=True).stdout
    for line in listing.splitlines():
        item, name, kind = line.split()[:3]
        source = sources_by_object[item.rstrip(":")]
        if kind in "TDBRVWC":
            defined.setdefault(source, set()).add(name)
        elif kind in "Uw":
            used.setdefault(source, set()).add(name)
    return defined, used


def edges_of(folder, defined, used):
    graph = {node(path): set() for path in sources(folder)}
    for path in sources(folder):
        for include in includes(path):
            if node(include) in graph and node(include) != node(path):
                graph[node(path)].add(node(include))
    owner = {symbol: this for this in graph for symbol in defined.get(this, ())}
    for this in graph:
        graph[this] |= {owner[name] for name in used.get(this, ()) if name in owner and owner[name] != this}
    return graph


def cycles(graph):
    """Strongly connected components of more than one node (Tarjan)."""
    index, low, stack, found = {}, {}, [], []

    def visit(v):
        index[v] = low[v] = len(index)
        stack.append(v)
        for w in graph[v]:
            if w not in index:
                visit(w)
                low[v] = min(low[v], low[w])
            elif w in stack:
                low[v] = min(low[v], index[w])
        if low[v] == index[v]:
            part = []
            while not part or part[-1] != v:
                part.append(stack.pop())
            if len(part) > 1:
                found.append(sorted(part))

    for v in graph:
        if v not in index:
            visit(v)
    return found


def check_cycles(build):
    defined, used = symbols(build)
    if not defined:
        bad.append(f"{build}: no objects: build first")
    for folder in LAYERS:
        graph = edges_of(folder, defined, used)
        for part in cycles(graph):
            bad.append("a cycle: " + " ".join(part))
            bad.extend(f"    {a} -> {b}" for a in part for b in sorted(graph[a]) if b in part)


def search(pattern, paths, complaint):
    for path in paths:
        for number, line in enumerate(open(path, encoding="utf8"), 1):
            if re.search(pattern, line):
                bad.append(f"{path}:{number}: {complaint}: {line.strip()}")


def check_contents():
    every = {folder: sources(folder) for folder in LAYERS}
    for header, folders in LIBRARIES.items():
        for folder, paths in every.items():
            if folder not in folders:
                search(rf"#include <{re.escape(header)}>", paths, "a library in the wrong layer")
    search(r"clock_gettime|time\(NULL\)|base/clock|fopen|socket\(", every["peer"], "peer/ does I/O or reads a clock")
    search(r"#include <math.h>", glob.glob("spsa/update.c") + glob.glob("spsa/replay.c") + glob.glob("spsa/kernels/reference.c"),
           "an update uses libm")


def main():
    root, build = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
    os.chdir(root)
    sys.setrecursionlimit(10000)
    check_includes()
    check_cycles(build)
    check_contents()
    for line in bad:
        print(line)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
