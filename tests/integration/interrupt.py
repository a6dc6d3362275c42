#!/usr/bin/env python3
"""interrupt.py BINARIES SOURCES: every long command in a terminal, on a model of 180 million parameters: it says how far it is, a
Ctrl-C ends it with status 130, nothing of its output is left, and what was there before is as it was. Prints how long each took
to end; no time is asserted."""
import json
import os
import pty
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from ports import free_port

BIN, ROOT = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
WORK = tempfile.mkdtemp(prefix="onebyte-interrupt-")
ONEBYTE, SMALL, ROWS = BIN + "/onebyte", ROOT + "/examples/kjv-1m", ROOT + "/examples/jargon/held_out.jsonl"
LIMIT_S = 240  # against hanging, not a time that is asserted
MODEL, STATE, HERE, TEMPORARY = (f"{WORK}/{name}" for name in ("model", "state", "here", "temporary"))
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "HF_", "ONEBYTE_", "LLAMA_"))}
ENVIRONMENT |= {"HOME": WORK, "TMPDIR": TEMPORARY, "COLUMNS": "100", "TERM": "xterm"}
ONLY = sys.argv[3:] or [""]  # the commands whose names have one of these
took = []


def fail(message):
    raise SystemExit(f"FAILED: {message}")


def make_model(layers=14, width=1024, context=128, vocabulary=1024):
    """GPT-2 with zeros for weights but for its biases: a file with holes takes no room on the disk, and as long as any to read."""
    shutil.copytree(SMALL, MODEL)
    config = json.load(open(f"{SMALL}/config.json"))
    config |= {"n_layer": layers, "n_embd": width, "n_head": 16}
    json.dump(config, open(f"{MODEL}/config.json", "w"))
    tensors, at = {}, 0
    shapes = [("wte.weight", [vocabulary, width]), ("wpe.weight", [context, width]),
              ("ln_f.weight", [width]), ("ln_f.bias", [width])]
    for i in range(layers):
        for name, out, into in (("attn.c_attn", 3 * width, width), ("attn.c_proj", width, width),
                                ("mlp.c_fc", 4 * width, width), ("mlp.c_proj", width, 4 * width)):
            shapes += [(f"h.{i}.{name}.weight", [into, out]), (f"h.{i}.{name}.bias", [out])]
        shapes += [(f"h.{i}.ln_{n}.{part}", [width]) for n in (1, 2) for part in ("weight", "bias")]
    for name, shape in shapes:
        size = 2
        for side in shape:
            size *= side
        tensors["transformer." + name] = {"dtype": "F16", "shape": shape, "data_offsets": [at, at + size]}
        at += size
    header = json.dumps(tensors).encode()
    header += b" " * (-len(header) % 8)
    with open(f"{MODEL}/model.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        file.truncate(8 + len(header) + at)
        for name, tensor in tensors.items():
            begin, end = tensor["data_offsets"]
            if name.endswith(".bias"):  # ones, so that what matrices take has a direction
                file.seek(8 + len(header) + begin)
                file.write(b"\x00\x3c" * ((end - begin) // 2))


def run(*command):
    done = subprocess.run([ONEBYTE, *command], env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=LIMIT_S)
    if done.returncode != 0:
        fail(f"{command}: {done.stdout}")
    return done.stdout


def make_run():
    """A run of adapters, three rounds of which one machine has done."""
    run("run", "create", "--model", MODEL, "--out", f"{WORK}/run.json", "--lora-rank", "4", "--rounds", "3", "--samples-per-round", "2",
        "--lr", "1e-4")
    os.mkdir(STATE, 0o700)
    run("keygen", f"{STATE}/identity")
    run("invite", "--authority", f"{WORK}/run.authority", "--manifest", f"{WORK}/run.json", "--machine",
        open(f"{STATE}/identity.pub").read().strip(), "--name", "alone", "--out", f"{STATE}/certificate")
    with open(f"{WORK}/daemon.conf", "w") as conf:
        conf.write(f"[machine]\nstate_dir = {STATE}\n[run]\nmanifest = {WORK}/run.json\nmodel = {MODEL}\n[network]\n"
                   f"listen = tcp://127.0.0.1:{free_port()}\n[swarm]\nsolo = yes\n[training]\ndata = {ROWS}\nbatch = 1\nlength = 8\n"
                   "exit_when_finished = yes\n")
    with open(f"{WORK}/daemon.log", "w") as log:
        daemon = subprocess.Popen([BIN + "/onebyted", "--config", f"{WORK}/daemon.conf"], env=ENVIRONMENT, stderr=log)
    try:
        code = daemon.wait(LIMIT_S)
    except subprocess.TimeoutExpired:
        daemon.kill()
        code = "it does not end"
    said = open(f"{WORK}/daemon.log").read()
    if code != 0:
        fail(f"the daemon: {code}\n{said[-3000:]}")
    if "hashing the base model" not in said:
        print("note: the daemon was fast enough to say nothing of hashing the base model")


def tree(*folders):
    """What is there: names, and what files hold. SQLite's own marks of a reader, an empty journal and its index, are of no
    account: the next one takes them over."""
    found = {}
    for folder in folders:
        for root, names, files in os.walk(folder):
            found |= {os.path.join(root, name): "folder" for name in names}
            for path in (os.path.join(root, name) for name in files):
                found[path] = (os.stat(path).st_size, os.stat(path).st_mtime_ns)
                if path.endswith("-shm") or path.endswith("-wal") and found[path][0] == 0:
                    del found[path]
    return found


def in_terminal(word, command, after_s=0.0, number=signal.SIGINT):
    """Types a command into a terminal, and a Ctrl-C when it has said `word`. Returns what was shown, its status and how long it
    took to end."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(HERE)
        os.execve(command[0], command, ENVIRONMENT)
    shown, sent = b"", 0.0
    end = time.monotonic() + LIMIT_S
    while time.monotonic() < end:
        if select.select([terminal], [], [], 0.05)[0]:
            try:
                part = os.read(terminal, 65536)
            except OSError:  # closed by all
                break
            shown += part
        if not sent and word in shown:
            time.sleep(after_s)
            sent = time.monotonic()
            if number == signal.SIGINT:
                os.write(terminal, b"\x03")
            else:
                os.kill(pid, number)
    else:
        os.kill(pid, signal.SIGKILL)
        fail(f"{command}: does not end; it said {shown[-500:]}")
    _, status = os.waitpid(pid, 0)
    ended = time.monotonic()
    os.close(terminal)
    if not sent:
        fail(f"{command}: never said {word!r}: {shown.decode(errors='replace')[-1500:]}")
    status = os.waitstatus_to_exitcode(status)
    return shown, 128 - status if status < 0 else status, ended - sent


def interrupted(name, word, *command, kept=(), number=signal.SIGINT, after_s=0.0, line=True):
    if not any(part in name for part in ONLY):
        return
    before = tree(HERE, STATE, TEMPORARY)
    shown, status, seconds = in_terminal(word.encode(), [ONEBYTE, *command], after_s, number)
    after = tree(HERE, STATE, TEMPORARY)
    if status != 128 + number:
        fail(f"{name} at {word}: status {status}: {shown.decode(errors='replace')[-1500:]}")
    if line and (b" a second" not in shown or b"%" not in shown):
        fail(f"{name} at {word}: no share or rate: {shown}")
    for path in kept:  # a whole output of several
        if after.pop(f"{HERE}/{path}", None) is None:
            fail(f"{name} at {word}: {path} is gone")
        os.unlink(f"{HERE}/{path}")
    if before != after:
        fail(f"{name} at {word} left {sorted(set(after.items()) ^ set(before.items()))}")
    took.append((name, word, seconds))
    print(f"{name:30} {word:26} ended after {seconds:5.2f} s", flush=True)


def export(*options):
    return ("export", STATE, "--manifest", f"{WORK}/run.json", "--model", MODEL, *options)


def all_commands():
    base = "hashing the base model"
    rows = f"{WORK}/rows.jsonl"
    text = open(ROWS, "rb").read()
    with open(rows, "wb") as file:  # enough to be read for seconds
        for _ in range((256 << 20) // len(text)):
            file.write(text)
    interrupted("verify", base, "verify", STATE, "--manifest", f"{WORK}/run.json", "--model", MODEL)
    os.mkdir(f"{HERE}/empty")
    for name, format, out in (("export", "safetensors", "out"), ("export into a folder", "safetensors", "empty"), ("export GGUF", "gguf", "out")):
        for word in ("writing", "reading back"):
            interrupted(name, word, *export("--out", out, "--format", format))
    os.rmdir(f"{HERE}/empty")
    interrupted("export, SIGTERM", "writing", *export("--out", "out"), number=signal.SIGTERM)
    interrupted("export PEFT", base, *export("--out", "out", "--format", "peft"))
    interrupted("export a delta", base, *export("--delta", "run.delta"))
    interrupted("export with a delta", "writing", *export("--delta", "run.delta", "--out", "out"), kept=["run.delta"])
    run(*export("--delta", f"{HERE}/run.delta"))
    for word in (base, "writing", "reading back"):
        interrupted("apply", word, "apply", "--model", MODEL, "--delta", "run.delta", "--out", "out")
    interrupted("eval", "evaluating", "eval", "--model", MODEL, "--data", ROWS, "--batch", "32")
    interrupted("audit", "evaluating", "audit", STATE, "--manifest", f"{WORK}/run.json", "--model", MODEL, "--data", ROWS)
    interrupted("probe", "measuring the curvature", "probe", "--manifest", f"{WORK}/run.json", "--model", MODEL, "--data", ROWS)
    interrupted("data check", "reading the rows", "data", "check", rows, "--model", SMALL)
    create = ("run", "create", "--model", MODEL, "--out", "new.json")
    interrupted("run create", base, *create, "--adapters", "none", "--lr", "1e-5")
    interrupted("run create, basis", "calibrating", *create, "--data", ROWS, "--lr", "1e-5")
    shutil.copy(f"{WORK}/run.authority", f"{HERE}/new.authority")
    interrupted("run create, --lr auto", "measuring the curvature", *create, "--calibrate-rows", "8", "--data", ROWS, "--lr", "auto")
    interrupted("run create, an old key", base, *create, "--adapters", "none", "--lr", "1e-5")
    os.unlink(f"{HERE}/new.authority")
    interrupted("generate", "generating", "generate", "--model", MODEL, "--prompt", "In the", "--tokens", "1000")
    interrupted("bench", "measuring", "bench", "--model", MODEL)


def daemons(place):
    """Numbers of the processes that keep a state directory."""
    found = []
    for number in filter(str.isdigit, os.listdir("/proc")):
        try:
            if f"{place}/onebyte.conf".encode() in open(f"/proc/{number}/cmdline", "rb").read().split(b"\0"):
                found.append(int(number))
        except OSError:
            pass
    return found


def commands_with_a_daemon():
    """up, wait, top and join, which fetches the base model meanwhile."""
    alice, bob = f"{WORK}/alice", f"{WORK}/bob"
    up = ("up", "--model", MODEL, "--data", ROWS, "--state", alice, "--share-model", "--listen", f"tcp://127.0.0.1:{free_port()}")
    interrupted("up", "calibrating", *up)
    left = [path for path in tree(alice) if os.path.basename(path) not in ("identity", "identity.pub", "lock")]
    if left:
        fail(f"an interrupted up leaves {left}")
    run(*up, "--adapters", "none", "--lr", "1e-5")
    interrupted("wait", "", "wait", alice, "--for", "round=1000000", line=False, after_s=2)
    interrupted("top", "machine", "top", alice, line=False)
    interrupted("status --watch", "machine", "status", alice, "--watch", line=False)
    token = [word for word in run("invite", "bob", "--state", alice).split() if word.startswith("ob1.")][0]
    join = ("join", token, "--observer", "--state", bob, "--listen", f"tcp://127.0.0.1:{free_port()}")
    interrupted("join", "fetching the base model", *join)
    if daemons(bob):
        fail("an interrupted join leaves its daemon behind")
    said = run(*join)  # goes on where it was
    if "up to date" not in said and "in step" not in said:
        fail(f"join after an interrupted one: {said}")
    if not any("kept=" in line and "kept=0" not in line for line in open(f"{bob}/onebyted.log")):
        print("note: the second join fetched everything again")


def main():
    for folder in (HERE, TEMPORARY):
        os.mkdir(folder)
    make_model()
    make_run()
    all_commands()
    run("verify", STATE, "--manifest", f"{WORK}/run.json", "--model", MODEL)
    if ONLY == [""] or set(ONLY) & {"up", "wait", "top", "status", "join"}:
        commands_with_a_daemon()
    print(f"the slowest of {len(took)}: {max(took, key=lambda t: t[2])}")


signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # daemons end with us, whatever ends us
try:
    main()
finally:
    for place in ("alice", "bob"):
        for number in daemons(f"{WORK}/{place}"):
            os.kill(number, signal.SIGKILL)
    shutil.rmtree(WORK, ignore_errors=True)
