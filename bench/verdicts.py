#!/usr/bin/env python3
"""What runs are said to be (docs/health.md): for each verdict a run that earns it, with real daemons on loopback, several times
over; each time is another run with other directions. Prints a table: at which own round the word was first said, how often it was
what the status said from then on, and which other words came.

    bench/verdicts.py BUILD [--seeds N] [--only NAME,NAME]"""
import argparse
import collections
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DATA = os.path.join(ROOT, "examples", "jargon")
ROWS = "batch = 4\nlength = 32\n"
LONE = "batch = 1\nlength = 8\n"
HELD_OUT = "held_out = %s/held_out.jsonl\nheld_out_interval = 16\nheld_out_share = 10\n" % DATA
SCALES = ["--exponents", "6"]


class Case:
    """machines: [training section of each]; rounds: own ones of the first machine until the end; stop: machines to stop once
    the first has half of them; wanted: the word, and None for none at all."""

    def __init__(self, wanted, what, machines, rounds, rate="3e-5", create=(), stop=(), seconds=120):
        self.wanted, self.what, self.machines, self.rounds = wanted, what, machines, rounds
        self.rate, self.create, self.stop, self.seconds = rate, list(create), stop, seconds


CASES = {
    "learning": Case("learning", "the rate that suits the model, held-out rows", [ROWS + HELD_OUT], 200),
    "diverging": Case("diverging", "ten times that rate", [ROWS], 120, "3e-4"),
    "unstable": Case("diverging", "a hundred times that rate: no trend, but rate times curvature", [ROWS], 60, "3e-3"),
    "noise": Case("noise", "no rate to speak of, samples of 8 tokens", [LONE + "exponent = 5\n"], 250, "1e-9", SCALES),
    "flat": Case("flat", "no rate to speak of, samples of 4 rows of 32 tokens", [ROWS + "exponent = 5\n"], 250, "1e-9", SCALES),
    "flat-held-out": Case("flat", "no rate to speak of, samples of 8 tokens, held-out rows", [LONE + "exponent = 5\n" + HELD_OUT], 150, "1e-9", SCALES),
    "saturated": Case("saturated", "the same, estimates scaled so that many are beyond the code's end", [LONE + "exponent = -3\n"], 250, "1e-9", SCALES),
    "starved": Case("starved", "a machine whose mini-batches are six times as large as ours", ["batch = 2\nlength = 16\nproducts = float32\n",
                    "batch = 12\nlength = 16\nproducts = float32\n"], 200),
    "one-of-four": Case(None, "one of four machines is stopped: no split", [LONE] * 4, 200, "1e-7", stop=(3,)),
    "split": Case("split", "two of four machines are stopped", [LONE] * 4, 200, "1e-7", stop=(2, 3)),
}


def run_case(build, case):
    """[(own round, verdict)] of the first machine."""
    folder = tempfile.mkdtemp(prefix="onebyte-verdicts-")
    port = random.randrange(20000, 32000)
    at = lambda name: os.path.join(folder, name)  # noqa: E731
    tool = lambda *words: subprocess.run([os.path.join(build, "onebyte"), *words], check=True, capture_output=True, text=True).stdout  # noqa: E731
    model = os.path.join(ROOT, "examples", "kjv-1m")
    processes, seen = [], []
    try:
        tool("run", "create", "--model", model, "--adapters", "none", "--out", at("run.json"), "--rounds", "100000", "--samples-per-round", "8", "--schedule",
             "constant", "--warm-up", "0", "--lr", case.rate, *case.create)
        keys = []
        for i in range(len(case.machines)):
            os.mkdir(at("p%d" % i), 0o700)
            keys.append(tool("keygen", at("p%d/identity" % i)).strip())
            tool("invite", "--authority", at("run.authority"), "--manifest", at("run.json"), "--machine", keys[i], "--name", "peer%d" % i,
                 "--out", at("p%d/certificate" % i))
        for i, training in enumerate(case.machines):
            with open(at("p%d.conf" % i), "w", encoding="utf-8") as file:
                file.write("[machine]\nstate_dir = %s\nthreads = 1\ndigest_interval = 16\n[run]\nmanifest = %s\nmodel = %s\n[network]\nlisten = tcp://127.0.0.1:%d\n" % (
                    at("p%d" % i), at("run.json"), model, port + 3 * i))
                file.write("[training]\ndata = %s/train.jsonl\nshard = %d\nshards = %d\n%s[swarm]\nrejoin_wait_s = 2\n[peers]\n" % (
                    DATA, i, len(case.machines), training))
                file.writelines("peer%d = %s@tcp://127.0.0.1:%d\n" % (k, key, port + 3 * k) for k, key in enumerate(keys))
            processes.append(subprocess.Popen([os.path.join(build, "onebyted"), "--config", at("p%d.conf" % i)],
                                              stderr=open(at("p%d.log" % i), "w", encoding="utf-8")))
        end, stopped = time.monotonic() + case.seconds, not case.stop
        while time.monotonic() < end:
            time.sleep(0.5)
            asked = subprocess.run([os.path.join(build, "onebyte"), "status", at("p0"), "--json"], capture_output=True, text=True, check=False)
            if asked.returncode != 0:
                if processes[0].poll() is not None:
                    sys.exit("".join(open(at("p0.log"), encoding="utf-8").readlines()[-5:]))
                continue
            status = json.loads(asked.stdout)
            if stopped:
                seen.append((status["own_rounds"], status["health"]["verdict"]))
            elif status["own_rounds"] >= case.rounds // 2 and status["live"] == len(case.machines):
                for i in case.stop:
                    processes[i].send_signal(signal.SIGSTOP)
                stopped, end = True, time.monotonic() + 30
            if stopped and status["own_rounds"] >= case.rounds and not case.stop:
                break
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)
    return seen


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", default=",".join(CASES))
    a = parser.parse_args()
    print("| word | run | first said at round | said from then on | other words meanwhile |\n| --- | --- | --- | --- | --- |", flush=True)
    for name in a.only.split(","):
        case, firsts, kept, others = CASES[name], [], [], collections.Counter()
        for _ in range(a.seeds):
            seen = run_case(a.build, case)
            words = [word for _, word in seen]
            if case.wanted in words:
                first = words.index(case.wanted)
                firsts.append(seen[first][0])
                kept.append(words[first:].count(case.wanted) / len(words[first:]))
            others.update(set(words) - {case.wanted, "starting"})
        print("| %s | %s | %s | %s | %s |" % (
            case.wanted or "(none)", case.what, ", ".join(map(str, firsts)) or "never",
            "%.0f %%" % (100 * statistics.mean(kept)) if kept else "–",
            ", ".join("%s (%d of %d)" % (word, count, a.seeds) for word, count in others.items()) or "none"), flush=True)


main()
