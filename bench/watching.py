#!/usr/bin/env python3
"""What it costs a daemon to be watched: processor time a second of its network thread and of its page's thread, by who watches: nobody;
a browser that listens to the page's events, five of them; a Prometheus that scrapes every 5 s; `onebyte status --json` every second;
all of these. Two daemons train on loopback (examples/kjv-1m); the first one has the history of a week. Processor time of threads,
not time on a clock, so that other work on the machine does not decide. Prints a table; with --perf also what the network thread spends in
history and verdict (perf).

    bench/watching.py BUILD [--whole-model] [--seconds S] [--perf]"""
import argparse
import http.client
import json
import os
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DATA = os.path.join(ROOT, "examples", "jargon")
MODEL = os.path.join(ROOT, "examples", "kjv-1m")
ROWS, LEVELS = 256, 12  # of a week at a round a second


class Swarm:
    def __init__(self, build, whole):
        self.build, self.folder, self.port = build, tempfile.mkdtemp(prefix="onebyte-watching-"), random.randrange(20000, 32000)
        self.page, self.processes = self.port + 20, []
        what = ["--adapters", "none"] if whole else ["--data", DATA + "/train.jsonl"]
        self.tool("run", "create", "--model", MODEL, "--out", self.at("run.json"), "--rounds", "1000000", "--schedule", "constant", "--lr", "1e-6", *what)
        keys = []
        for i in range(2):
            os.mkdir(self.at("p%d" % i), 0o700)
            keys.append(self.tool("keygen", self.at("p%d/identity" % i)).strip())
            self.tool("invite", "--authority", self.at("run.authority"), "--manifest", self.at("run.json"), "--machine", keys[i], "--name", "peer%d" % i,
                      "--out", self.at("p%d/certificate" % i))
        basis = [name for name in os.listdir(self.folder) if name.endswith(".safetensors")]
        for i in range(2):
            for name in basis:
                shutil.copy(self.at(name), self.at("p%d" % i))
            with open(self.at("p%d.conf" % i), "w", encoding="utf-8") as file:
                file.write("[machine]\nstate_dir = %s\nthreads = 1\n[run]\nmanifest = %s\nmodel = %s\n[network]\nlisten = tcp://127.0.0.1:%d\n" % (
                    self.at("p%d" % i), self.at("run.json"), MODEL, self.port + 3 * i))
                file.write("[training]\ndata = %s/train.jsonl\nlength = 64\nshard = %d\nshards = 2\n" % (DATA, i))
                file.write("[swarm]\nrejoin_wait_s = 2\n[status]\n%s[peers]\n" % ("http = 127.0.0.1:%d\n" % self.page if i == 0 else ""))
                file.writelines("peer%d = %s@tcp://127.0.0.1:%d\n" % (k, key, self.port + 3 * k) for k, key in enumerate(keys))

    def at(self, name):
        return os.path.join(self.folder, name)

    def tool(self, *words):
        return subprocess.run([os.path.join(self.build, "onebyte"), *words], check=True, capture_output=True, text=True).stdout

    def start(self, i):
        process = subprocess.Popen([os.path.join(self.build, "onebyted"), "--config", self.at("p%d.conf" % i)], stderr=open(self.at("p%d.log" % i), "a", encoding="utf-8"))
        self.processes.append(process)
        return process

    def status(self):
        try:
            return json.loads(self.tool("status", self.at("p0"), "--json"))
        except subprocess.CalledProcessError:
            return {}

    def wait(self, what, until):
        end = time.monotonic() + 180
        while time.monotonic() < end:
            if any(p.poll() is not None for p in self.processes):
                break
            status = self.status()
            if status and until(status):
                return
            time.sleep(0.5)
        sys.exit("never: %s\n%s" % (what, open(self.at("p0.log"), encoding="utf-8").read()[-600:]))

    def close(self):
        for process in self.processes:
            process.kill()
            process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def age(path):
    """The rows of a week, thinned as a daemon thins them, 1,000 frontiers and 512 events."""
    db = sqlite3.connect(path)
    columns = [row[1] for row in db.execute("PRAGMA table_info(round)")]
    newest = dict(zip(columns, db.execute("SELECT * FROM round ORDER BY id DESC LIMIT 1").fetchone()))
    db.execute("DELETE FROM round")
    now, identity, at = newest["time_ms"], 1, 0
    for level in range(LEVELS - 1, -1, -1):
        for _ in range(ROWS):
            at += 1 << level
            row = dict(newest, id=identity, round=identity, rounds=1 << level, level=level, seconds=1 << level, time_ms=now - 1000 * ((ROWS << LEVELS) - at))
            db.execute("INSERT INTO round VALUES (%s)" % ",".join("?" * len(columns)), [row[c] for c in columns])
            identity += 1
    blob = bytes(range(32))
    for i in range(1000):
        db.execute("INSERT OR REPLACE INTO frontier VALUES (?, ?, ?, ?, 200, 12000, 0, 0, 36000, 6500000, 2160000, 720000, 2, NULL)", (i, now - 600000 + i, blob, blob))
    for i in range(512):
        db.execute("INSERT INTO event VALUES (?, ?, 'joined', 'peer1', 'first message since our start')", (identity + i, now - 600 + i))
    db.commit()
    db.close()


def names(pid):
    return sorted(int(t) for t in os.listdir("/proc/%d/task" % pid))


def spent(pid):
    """Seconds of processor time by thread."""
    return {t: int(open("/proc/%d/task/%d/schedstat" % (pid, t)).read().split()[0]) * 1e-9 for t in names(pid)}


class Watchers:
    def __init__(self, swarm, browsers=0, scrape=False, ask=False):
        self.swarm, self.over, self.threads = swarm, threading.Event(), []
        self.add(self.listen, browsers)
        self.add(self.scrape, scrape)
        self.add(self.ask, ask)

    def add(self, work, count):
        for _ in range(count):
            thread = threading.Thread(target=work, daemon=True)
            self.threads.append(thread)
            thread.start()

    def get(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.swarm.page, timeout=10)
        connection.request("GET", path)
        return connection.getresponse()

    def listen(self):  # as the page does: all at first, then what is new
        for path in ("/", "/history.csv", "/frontiers.csv"):
            self.get(path).read()
        answer = self.get("/events")
        assert answer.status == 200, answer.status
        while not self.over.is_set():
            answer.readline()

    def scrape(self):
        while not self.over.wait(5):
            self.get("/metrics").read()

    def ask(self):
        while not self.over.wait(1):
            self.swarm.status()

    def end(self):
        self.over.set()
        for thread in self.threads:
            thread.join(5)


def find_page_thread(swarm, pid):
    """The thread whose time grows when the page is asked for."""
    watchers, before = Watchers(swarm), spent(pid)
    for _ in range(60):
        watchers.get("/history.csv").read()
        time.sleep(0.02)
    after = spent(pid)
    grown = {t: after[t] - before.get(t, 0) for t in after if t != pid}
    asleep = [t for t in grown if re.search(r"State:\s+S", open("/proc/%d/task/%d/status" % (pid, t)).read())]
    return asleep, grown


def measure(swarm, pid, seconds, page, **who):
    watchers = Watchers(swarm, **who)
    time.sleep(3)
    before, start, rounds = spent(pid), time.monotonic(), swarm_rounds(swarm)
    time.sleep(seconds)
    after, elapsed = spent(pid), time.monotonic() - start
    rounds = swarm_rounds(swarm) - rounds
    watchers.end()
    used = {t: (after[t] - before.get(t, 0)) / elapsed for t in after}
    return used[pid], used[page], sum(used.values()), rounds / elapsed


def swarm_rounds(swarm):
    return swarm.status()["own_rounds"]


def report(pid, seconds, folder):
    """Share of the network thread's samples below each of these functions."""
    data = os.path.join(folder, "perf.data")
    subprocess.run(["perf", "record", "-q", "-e", "cpu-clock", "-F", "1999", "--call-graph", "dwarf,16384", "-o", data, "-t", str(pid), "--", "sleep", str(seconds)],
                   check=True, capture_output=True)
    text = subprocess.run(["perf", "report", "-i", data, "--children", "--no-demangle", "-g", "none", "--stdio", "--percent-limit", "0.05", "--sort", "symbol"],
                          check=True, capture_output=True, text=True).stdout
    shares = {}
    for line in text.splitlines():
        found = re.match(r"\s+([\d.]+)%\s+[\d.]+%\s+\[.\]\s+(\w+)", line)
        if found:
            shares[found.group(2)] = float(found.group(1)) / 100
    return {name: shares.get(name, 0) for name in ("ob_diary_round", "ob_diary_record", "ob_watch_tend", "ob_history_flush", "ob_health_of", "ob_daemon_status")}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--whole-model", action="store_true")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--perf", action="store_true")
    a = parser.parse_args()
    swarm = Swarm(a.build, a.whole_model)
    try:
        first = swarm.start(0)
        swarm.start(1)
        swarm.wait("two train", lambda s: s.get("live") == 2 and s["own_rounds"] >= 3)
        time.sleep(2)
        swarm.processes.remove(first)
        first.terminate()
        first.wait()
        age(swarm.at("p0/history.sqlite"))
        first = swarm.start(0)
        swarm.wait("it trains again", lambda s: s.get("live") == 2 and s["own_rounds"] >= 3)
        if len(swarm.tool("history", swarm.at("p0"), "--csv").splitlines()) < 3000:
            sys.exit("it does not take the history of a week: " + open(swarm.at("p0.log"), encoding="utf-8").read()[-600:])
        asleep, grown = find_page_thread(swarm, first.pid)
        page = max(asleep, key=lambda t: grown[t])
        print("| who watches | network thread | the page's thread | rounds a second |\n| --- | --- | --- | --- |")
        for name, who in (("nobody", {}), ("a browser", {"browsers": 1}), ("five browsers", {"browsers": 5}), ("Prometheus, every 5 s", {"scrape": True}),
                          ("`onebyte status`, every second", {"ask": True}), ("five browsers, Prometheus, status", {"browsers": 5, "scrape": True, "ask": True})):
            network, web, _, rate = measure(swarm, first.pid, a.seconds, page, **who)
            print("| %s | %.2f %% | %.2f %% | %.2f |" % (name, 100 * network, 100 * web, rate), flush=True)
        if a.perf:
            network, _, _, _ = measure(swarm, first.pid, a.seconds, page)
            shares = report(first.pid, a.seconds, swarm.folder)
            print("\nof the network thread's %.2f %%: %s" % (100 * network, ", ".join("%s %.3f %%" % (k, 100 * v * network) for k, v in shares.items())))
    finally:
        swarm.close()


main()
