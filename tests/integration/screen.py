#!/usr/bin/env python3
"""screen.py BINARIES SOURCES: `onebyte status` of two real daemons, one of which has a name of double width: in terminals of 40, 80
and 200 columns, with COLUMNS and by the terminal's own size, with and without NO_COLOR, and in a pipe. Then one of both is stopped,
and the other says how old what it knows of it is."""
import fcntl
import json
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
import unicodedata

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from ports import free_port

BIN, ROOT = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
WORK = tempfile.mkdtemp(prefix="onebyte-screen-")
ONEBYTE, MODEL, ROWS = BIN + "/onebyte", ROOT + "/examples/kjv-1m", ROOT + "/examples/jargon/held_out.jsonl"
LIMIT_S = 240  # against hanging, not a time that is asserted
NAME = "東京の機械"
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "HF_", "ONEBYTE_", "LLAMA_", "LC_", "LANG", "COLUMNS", "NO_COLOR"))}
ENVIRONMENT |= {"HOME": WORK, "TERM": "xterm", "LC_ALL": "C.UTF-8", "OPENBLAS_NUM_THREADS": "1"}


def fail(message):
    raise SystemExit(f"FAILED: {message}")


def run(*command, **more):
    done = subprocess.run([ONEBYTE, *command], env=ENVIRONMENT | more, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        fail(f"{command}: {done.stdout}")
    return done.stdout


def in_terminal(columns, *command, **more):
    """What a command shows in a terminal of so many columns."""
    pid, terminal = pty.fork()
    if pid == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        os.execve(ONEBYTE, [ONEBYTE, *command], ENVIRONMENT | more)
    shown, end = b"", time.monotonic() + LIMIT_S
    while time.monotonic() < end:
        if not select.select([terminal], [], [], 1)[0]:
            continue
        try:
            shown += os.read(terminal, 65536)
        except OSError:
            break
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    if status != 0:
        fail(f"{command} in a terminal: {status}: {shown}")
    return shown.decode().replace("\r\n", "\n")


def plain(text):
    return re.sub(r"\033\[[0-9;]*m", "", text)


def width(text):
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def check_width(text, columns, what):
    for line in plain(text).splitlines():
        if width(line) > columns:
            fail(f"{what}: a line of {width(line)} columns in {columns}: {line!r}")
    if re.search(r"\033(?!\[[0-9;]*m)", text):
        fail(f"{what}: more than colours: {text!r}")


def table(text):
    """The lines of the machines, the titles first."""
    lines = plain(text).splitlines()
    at = next((i for i, line in enumerate(lines) if line.startswith("machine")), None)
    if at is None:
        fail(f"no table: {text}")
    return lines[at:at + 3]


def check_table(text, what):
    """`state` is the last column, and begins at the same one in each line, whatever the names are made of."""
    titles, *machines = table(text)
    at = width(titles[:titles.index("state")])
    if not any(NAME in line for line in machines):
        fail(f"{what}: no {NAME}: {machines}")
    for line in machines:
        used, i = 0, 0
        while used < at and i < len(line):
            used += width(line[i])
            i += 1
        if used != at or not line[i:i + 1].isalpha() or line[i - 1] != " ":
            fail(f"{what}: `state` is not at column {at}:\n{titles}\n{line}")


def until(what, condition):
    end = time.monotonic() + LIMIT_S
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.3)
    fail(f"not within {LIMIT_S} s: {what}")


def of(place, name):
    """What the daemon there says of a machine."""
    status = json.loads(run("status", place, "--json"))
    return next((m for m in status["machines"] if m["name"] == name), None)


def start():
    alice, other = f"{WORK}/alice", f"{WORK}/other"
    run("up", "--model", MODEL, "--data", ROWS, "--adapters", "none", "--lr", "1e-5", "--rounds", "1000000", "--threads", "1", "--state", alice,
        "--listen", f"tcp://127.0.0.1:{free_port()}")
    token = [word for word in run("invite", NAME, "--state", alice).split() if word.startswith("ob1.")][0]
    run("join", token, "--data", ROWS, "--model", MODEL, "--threads", "1", "--state", other, "--listen", f"tcp://127.0.0.1:{free_port()}")
    until("both train", lambda: (of(alice, NAME) or {}).get("state") == "training")
    return alice, other


def check_screens(place):
    for columns in (40, 80, 200):
        own = in_terminal(columns, "status", place)
        told = in_terminal(120, "status", place, COLUMNS=str(columns))
        for text, what in ((own, f"a terminal of {columns}"), (told, f"COLUMNS={columns}")):
            check_width(text, columns, what)
            if "\033[" not in text:
                fail(f"{what}: no colours in a terminal")
        if columns == 200:
            check_table(own, "200 columns")
        bare = in_terminal(columns, "status", place, NO_COLOR="1")
        check_width(bare, columns, f"NO_COLOR, {columns}")
        if "\033" in bare:
            fail(f"NO_COLOR: {bare!r}")
        if "\033" in in_terminal(columns, "status", place, TERM="dumb"):
            fail("colours on a dumb terminal")
    piped = run("status", place)
    if "\033" in piped or "\r" in piped:
        fail(f"a pipe gets more than text: {piped!r}")
    check_table(piped, "a pipe")
    check_width(run("status", place, COLUMNS="40"), 40, "a pipe with COLUMNS=40")
    if any(ord(c) > 127 for c in run("status", place, LC_ALL="C").replace(NAME, "")):
        fail("without UTF-8 there is more than ASCII")
    if "\033" in in_terminal(80, "status", place, "--json"):
        fail("--json has colours")


def check_age(place, other):
    """One machine answers for all: what it was told, and how long ago."""
    told = until("it has told of itself", lambda: (m := of(place, NAME)) and m["reported_s"] is not None and m)
    mine = next(m for m in json.loads(run("status", place, "--json"))["machines"] if m["self"])
    if mine["reported_s"] != 0 or told["version"] == "" or told["samples_per_s"] is None:
        fail(f"what is told: {mine} {told}")
    pid = int(next(p for p in os.listdir("/proc") if p.isdigit() and os.path.exists(f"/proc/{p}/cmdline") and
                   f"{other}/onebyte.conf".encode() in open(f"/proc/{p}/cmdline", "rb").read()))
    os.kill(pid, signal.SIGSTOP)
    try:
        before = of(place, NAME)
        until("what is known of a machine that is stopped gets older",
              lambda: of(place, NAME)["reported_s"] > before["reported_s"] + 3 and of(place, NAME)["reported_s"] > 3)
        if of(place, NAME)["version"] != told["version"]:
            fail("what was told is forgotten")
    finally:
        os.kill(pid, signal.SIGCONT)
    until("it is heard again", lambda: of(place, NAME)["reported_s"] < 3)


def main():
    alice, other = start()
    check_screens(alice)
    check_age(alice, other)


signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # daemons end with us, whatever ends us
try:
    main()
finally:
    for place in ("alice", "other"):
        if os.path.exists(f"{WORK}/{place}"):
            subprocess.run([ONEBYTE, "down", f"{WORK}/{place}"], env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    shutil.rmtree(WORK, ignore_errors=True)
