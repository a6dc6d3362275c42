#!/usr/bin/env python3
"""flow.py BINARIES SOURCES: one line a machine, typed into terminals as a user would: up, invite, join (three machines), kill -9,
join again, down; and everything that ends a join with one sentence and exit code 2. Counts the commands that were typed.

Each machine is a HOME of its own on this host: real daemons, real sockets, one address."""
import glob
import json
import os
import pty
import re
import select
import shutil
import signal
import sqlite3
import sys
import tempfile
import time

BIN, ROOT = sys.argv[1], sys.argv[2]
WORK = tempfile.mkdtemp(prefix="onebyte-flow-")
MODEL, ROWS = ROOT + "/examples/kjv-1m", ROOT + "/examples/jargon/held_out.jsonl"
typed = []
LIMIT_S = 240  # against hanging, not a time that is asserted


def fail(message):
    print("FAILED:", message, file=sys.stderr)
    for root, _, files in os.walk(WORK):
        for name in files:
            if name.startswith("onebyted.log"):
                print("---", os.path.join(root, name), file=sys.stderr)
                sys.stderr.write("".join(open(os.path.join(root, name), errors="replace").readlines()[-12:]))
    raise SystemExit(1)


def environment(machine):
    home = f"{WORK}/{machine}"
    os.makedirs(home, exist_ok=True)
    known = {k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "HF_", "ONEBYTE_", "LLAMA_"))}
    return dict(known, HOME=home, PATH=BIN + ":" + os.environ["PATH"], OPENBLAS_NUM_THREADS="1", COLUMNS="200")


def on(machine, *command, code=0, folder=None):
    """Types a command into a terminal on that machine; returns what it shows."""
    typed.append((machine, command))
    shown = b""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder or f"{WORK}")
        os.execvpe(command[0], command, environment(machine))
    end = time.monotonic() + LIMIT_S
    while time.monotonic() < end:
        if not select.select([terminal], [], [], 1)[0]:
            if os.waitpid(pid, os.WNOHANG)[0] == pid:
                fail(f"{command}: the terminal stayed open")
            continue
        try:
            part = os.read(terminal, 65536)
        except OSError:  # everybody has closed it
            break
        if not part:
            break
        shown += part
    else:
        os.kill(pid, signal.SIGKILL)
        fail(f"{command} did not end: {shown.decode(errors='replace')}")
    os.close(terminal)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    text = shown.decode(errors="replace").replace("\r\n", "\n")
    print(f"{machine}$ {' '.join(command)[:100]}\n{text}", end="", flush=True)
    if status != code:
        fail(f"{command}: exit code {status}, expected {code}: {text}")
    return text


def quietly(machine, *command):
    """Looking, not typing: what a program prints."""
    import subprocess
    return subprocess.run(command, env=environment(machine), capture_output=True, text=True, cwd=WORK).stdout


def status(machine):
    try:
        return json.loads(quietly(machine, "onebyte", "status", "--json"))
    except json.JSONDecodeError:
        return {}


def until(what, holds):
    end = time.monotonic() + LIMIT_S
    while time.monotonic() < end:
        if holds():
            return
        time.sleep(0.3)
    fail(what)


def token_in(text):
    found = re.findall(r"onebyte join (ob1\.[\w-]+)", text)
    return found if len(found) != 1 else found[0]


def expect(text, *parts):
    for part in parts:
        if part not in text:
            fail(f"\"{part}\" is missing in: {text}")


def home_is_empty(machine):
    place = f"{WORK}/{machine}/.local/state/onebyte"
    return not os.path.isdir(place) or not os.listdir(place)


def daemon_of(machine):
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                line = open(f"/proc/{entry}/cmdline").read().split("\0")
            except OSError:
                continue
            if line[0].endswith("onebyted") and any(f"{WORK}/{machine}/" in part for part in line):
                return int(entry)
    return None


def put_model(machine):
    """Where Hugging Face's programs would have put it."""
    folder = f"{WORK}/{machine}/.cache/huggingface/hub/models--example--kjv-1m/snapshots/0123abcd"
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    os.symlink(MODEL, folder)


def the_flow():
    rows = f"{WORK}/rows.jsonl"
    shutil.copy(ROWS, rows)
    shown = on("alice", "onebyte", "up", "--model", MODEL, "--data", rows, "--threads", "1")
    expect(shown, "learning rate", "run \"rows\" is up on tcp://", "onebyte invite NAME", "keep a copy")
    again = on("alice", "onebyte", "up", "--model", MODEL, "--data", rows, "--threads", "1")
    expect(again, "already running")
    tokens = {"bob": token_in(on("alice", "onebyte", "invite", "bob"))}
    for name in ("bob", "carol", "dave"):
        put_model(name)
    shown = on("bob", "onebyte", "join", tokens["bob"], "--data", rows, "--threads", "1")
    expect(shown, "base model: ", "linked with", "in step: round", "others reach this machine at tcp://")
    many = token_in(on("alice", "onebyte", "invite", "node", "--uses", "2"))
    for name in ("carol", "dave"):
        expect(on(name, "onebyte", "join", many, "--data", rows, "--threads", "1"), "linked with", "in step")
    until("four machines train", lambda: status("alice").get("live") == 4)
    machines = json.loads(quietly("alice", "onebyte", "machines", "--json"))
    if len(machines["machines"]) != 4 or sorted(i["used"] for i in machines["invitations"]) != [1, 2]:
        fail(machines)
    # a crash, and the same command again
    samples = status("carol")["next_sample"]
    os.kill(daemon_of("carol"), signal.SIGKILL)
    until("carol is gone", lambda: daemon_of("carol") is None)
    conf = glob.glob(f"{WORK}/carol/.local/state/onebyte/*/onebyte.conf")[0]
    edited = open(conf).read() + "\n# edited by carol\n"
    open(conf, "w").write(edited)
    expect(on("carol", "onebyte", "join", many, "--data", rows), "linked with", "in step")
    if open(conf).read() != edited:
        fail("the configuration of a machine that joins again is written anew")
    until("carol goes on where it was", lambda: status("carol").get("next_sample", 0) > samples)
    return rows, tokens, many


def bad_input(rows, tokens, many):
    """Each ends with one sentence and exit code 2, and leaves nothing that hinders the next try."""
    def refused(machine, token, *parts, more=("--data", rows)):
        shown = on(machine, "onebyte", "join", token, *more, code=2)
        if len([line for line in shown.splitlines() if line.startswith("onebyte: ")]) != 1:
            fail(f"not one sentence: {shown}")
        expect(shown, *parts)
        if machine == "eve" and not home_is_empty("eve"):
            fail(f"something was left behind: {shown}")

    refused("eve", "ob1.AAAA", "damaged")
    refused("eve", many[:-1], "damaged")
    refused("eve", "hello", "onebyte invite")
    refused("eve", many, "base model", "--model")
    put_model("eve")
    refused("eve", many, "--data", more=())
    refused("eve", many, "No such file", more=("--data", "/nowhere/rows.jsonl"))
    refused("eve", many, "not the run's base", more=("--data", rows, "--model", wrong_model()))
    refused("eve", tokens["bob"], "used up")
    refused("eve", many, "used up")
    short = token_in(on("alice", "onebyte", "invite", "frank", "--expiry", "1s"))
    time.sleep(2)
    refused("eve", short, "expired")
    ended = token_in(on("alice", "onebyte", "invite", "grace"))
    expect(on("alice", "onebyte", "withdraw", "grace"), "withdrawn")
    refused("eve", ended, "withdrawn")
    port = re.search(r"tcp://\S+:(\d+)", quietly("alice", "onebyte", "up")).group(1)
    good = token_in(on("alice", "onebyte", "invite", "henry"))
    refused("henry", good, port, more=("--data", rows, "--model", MODEL, "--listen", f"tcp://0.0.0.0:{port}"))
    fake = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
    if fake:
        os.environ.update(LD_PRELOAD=fake[0], FAKETIME="@2001-01-01 00:00:00", FAKETIME_DONT_FAKE_MONOTONIC="1")
        refused("henry", good, "clock is off", "set the clock", more=("--data", rows, "--model", MODEL))
        for name in ("LD_PRELOAD", "FAKETIME", "FAKETIME_DONT_FAKE_MONOTONIC"):
            del os.environ[name]
    # a run of the same name that somebody else created
    on("mallory", "onebyte", "up", "--model", MODEL, "--data", rows, "--lr", "3e-5", "--threads", "1")
    other = token_in(on("mallory", "onebyte", "invite", "bob"))
    refused("bob", other, "another run", "--run NAME")
    on("mallory", "onebyte", "down")
    # what was refused for a reason that went away succeeds
    expect(on("henry", "onebyte", "join", good, "--data", rows, "--model", MODEL, "--threads", "1"), "in step")
    on("henry", "onebyte", "down")


def fetched_model(rows):
    """A run whose creator lets members fetch the base model: a machine that does not have it gets it from there."""
    on("mallory", "onebyte", "up", "--model", MODEL, "--data", rows, "--lr", "3e-5", "--threads", "1", "--run", "shared", "--share-model")
    token = token_in(on("mallory", "onebyte", "invite", "trent", "--run", "shared"))
    shown = on("trent", "onebyte", "join", token, "--data", rows, "--threads", "1")
    expect(shown, "base model: not here", "linked with", "in step")
    got = f"{WORK}/trent/.local/state/onebyte/shared/model/model.safetensors"
    if open(got, "rb").read() != open(MODEL + "/model.safetensors", "rb").read():
        fail("the fetched model differs")
    def knows_trent():  # a signed address (kind 5) that is not mallory's, which may still be empty
        log = sqlite3.connect(f"file:{WORK}/mallory/.local/state/onebyte/shared/log.sqlite?mode=ro", uri=True)
        known = [data for (data,) in log.execute("SELECT data FROM control WHERE kind = 5") if b"tcp://" in data]
        log.close()
        return len(known) > 0

    until("trent's address is known", knows_trent)
    # whoever fetched it serves it
    on("mallory", "onebyte", "down", "--run", "shared")
    again = token_in(on("mallory", "onebyte", "invite", "peggy", "--run", "shared"))
    expect(on("peggy", "onebyte", "join", again, "--data", rows, "--threads", "1"), "base model: not here", "in step")
    for name in ("peggy", "trent"):
        on(name, "onebyte", "down")


def wrong_model():
    folder = f"{WORK}/wrong"
    if not os.path.isdir(folder):
        shutil.copytree(MODEL, folder)
        path = folder + "/model.safetensors"
        with open(path, "r+b") as file:
            file.seek(-4, 2)
            file.write(b"\0\0\0\0")
    return folder


def main():
    rows, tokens, many = the_flow()
    count = len(typed)
    bad_input(rows, tokens, many)
    fetched_model(rows)
    on("alice", "onebyte", "wait", "--for", "round=5")
    expect(on("alice", "onebyte", "wait", "--for", "round=1000000", "--timeout", "1", code=3), "did not hold")
    for name in ("dave", "carol", "bob", "alice"):
        expect(on(name, "onebyte", "down"), "left and stopped")
        if daemon_of(name):
            fail(f"{name}'s daemon is still there")
    expect(on("bob", "onebyte", "down"), "no daemon is running")
    on("alice", "onebyte", "verify")
    expect(on("alice", "onebyte", "up", "--threads", "1"), "is up")
    on("alice", "onebyte", "down")
    print(f"{count} commands for a run on four machines with a crash: up twice, two invitations, three joins and one again")
    if count != 8:
        fail("more commands than promised")


try:
    main()
finally:
    for entry in ("alice", "bob", "carol", "dave", "eve", "henry", "mallory", "trent", "peggy"):
        daemon = daemon_of(entry)
        if daemon:
            os.kill(daemon, signal.SIGKILL)
    shutil.rmtree(WORK, ignore_errors=True)
