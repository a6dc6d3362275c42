#!/usr/bin/env python3
"""What a swarm of real daemons costs on this machine, loopback, with a model too small to matter: rounds a second by
number of daemons, bytes of TCP payload a sample to one subscriber, and the time from a record's being durable to its
being in the weights of an idle observer. Prints one JSON object.

    bench/daemons.py BUILD [--seconds S] [--counts 2,4,8,16]"""
import argparse
import json
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TICKS = os.sysconf("SC_CLK_TCK")


class Swarm:
    """Daemons in a temporary folder, each with every other in its configuration."""

    def __init__(self, build, count, samples_per_round, settings=None):
        self.build, self.count = build, count
        self.folder = tempfile.mkdtemp(prefix="onebyte-bench-")
        self.port = random.randrange(20000, 40000)
        self.processes = []
        self.make_model()
        self.tool("run", "create", "--model", self.path("model"), "--out", self.path("run.json"), "--rounds", "1000000",
                  "--samples-per-round", str(samples_per_round), "--lr", "1e-6", "--adapters", "none")
        keys = []
        for i in range(count):
            os.mkdir(self.path("p%d" % i), 0o700)
            keys.append(self.tool("keygen", self.path("p%d/identity" % i)).strip())
            self.tool("invite", "--authority", self.path("run.authority"), "--manifest", self.path("run.json"), "--machine",
                      keys[i], "--name", "peer%d" % i, "--out", self.path("p%d/certificate" % i))
        for i in range(count):
            self.configure(i, keys, (settings or {}).get(i, ""))

    def path(self, name):
        return os.path.join(self.folder, name)

    def tool(self, *arguments):
        return subprocess.run([os.path.join(self.build, "onebyte"), *arguments], check=True, capture_output=True,
                              text=True).stdout

    def make_model(self):
        subprocess.run([os.path.join(self.build, "bench", "checkpoint"), self.path("model"), "1", "16", "2", "1024", "128"],
                       check=True)
        shutil.copy(os.path.join(ROOT, "examples", "kjv-1m", "tokenizer.json"), self.path("model"))

    def configure(self, i, keys, training):
        peers = "\n".join("peer%d = %s tcp://127.0.0.1:%d" % (k, key, self.port + 3 * k) for k, key in enumerate(keys))
        with open(self.path("p%d.conf" % i), "w", encoding="utf-8") as file:
            file.write("""[machine]
state_dir = %s
threads = 1
log_level = debug
[run]
manifest = %s
model = %s
[network]
listen = tcp://127.0.0.1:%d
[training]
data = %s
batch = 1
length = 8
shard = %d
shards = %d
%s
[swarm]
rejoin_wait_s = 2
[peers]
%s
""" % (self.path("p%d" % i), self.path("run.json"), self.path("model"), self.port + 3 * i,
                os.path.join(ROOT, "examples", "jargon", "held_out.jsonl"), i, self.count, training, peers))

    def __enter__(self):
        for i in range(self.count):
            log = open(self.path("p%d.log" % i), "w", encoding="utf-8")
            self.processes.append(subprocess.Popen(
                [os.path.join(self.build, "onebyted"), "--config", self.path("p%d.conf" % i)], stderr=log))
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def status(self, i):
        try:
            return json.loads(self.tool("status", self.path("p%d" % i), "--json"))
        except (subprocess.CalledProcessError, json.JSONDecodeError):
            return None

    def wait_until_live(self, i, live):
        end = time.monotonic() + 60
        while time.monotonic() < end:
            status = self.status(i)
            if status and status["live"] >= live and status["round"] > 20:
                return
            time.sleep(0.3)
        with open(self.path("p%d.log" % i), encoding="utf-8") as file:
            sys.exit("the swarm did not start:\n" + "".join(file.readlines()[-5:]))

    def processor_seconds(self):
        user = system = 0
        for process in self.processes:
            with open("/proc/%d/stat" % process.pid, encoding="ascii") as file:
                fields = file.read().rsplit(")", 1)[1].split()
            user, system = user + int(fields[11]), system + int(fields[12])
        return user / TICKS, system / TICKS

    def payload_bytes(self, i):
        """TCP payload that daemon i has sent from its records' port."""
        text = subprocess.run(["ss", "-tinH", "state", "established", "sport = :%d" % (self.port + 3 * i + 1)],
                              capture_output=True, text=True, check=True).stdout
        return sum(int(n) for n in re.findall(r"bytes_sent:(\d+)", text))

    def times(self, i, event, machine):
        """Sample number → nanoseconds, from a daemon's log."""
        pattern = re.compile(r" %s %s first=(\d+) at_ns=(\d+)" % (event, machine))
        with open(self.path("p%d.log" % i), encoding="utf-8") as file:
            return {int(m.group(1)): int(m.group(2)) for m in map(pattern.search, file) if m}


def rounds(build, count, seconds):
    with Swarm(build, count, 1) as swarm:
        swarm.wait_until_live(0, count)
        before, cpu, start = swarm.status(0), swarm.processor_seconds(), time.monotonic()
        time.sleep(seconds)
        after, cpu_after, end = swarm.status(0), swarm.processor_seconds(), time.monotonic()
        work = after["work"]
        return {"daemons": count, "rounds_per_second": (after["round"] - before["round"]) / (end - start),
                "user_processors": (cpu_after[0] - cpu[0]) / (end - start),
                "system_processors": (cpu_after[1] - cpu[1]) / (end - start),
                "sample_seconds": work["sample_seconds"], "replay_ratio": work["replay_ratio"]}


def wire(build, samples_per_round, seconds):
    """One machine trains, one subscriber listens."""
    with Swarm(build, 2, samples_per_round, {1: "observer = yes"}) as swarm:
        swarm.wait_until_live(0, 1)
        before, sent = swarm.status(0), swarm.payload_bytes(0)
        time.sleep(seconds)
        after, sent_after = swarm.status(0), swarm.payload_bytes(0)
        samples = after["own_samples"] - before["own_samples"]
        return {"samples_per_round": samples_per_round, "samples": samples,
                "tcp_payload_bytes_per_sample": (sent_after - sent) / max(1, samples)}


def latency(build, seconds):
    with Swarm(build, 2, 8, {1: "observer = yes"}) as swarm:
        swarm.wait_until_live(0, 1)
        time.sleep(seconds)
        durable = swarm.times(0, "durable", "machine=peer0")
        handed, replayed = swarm.times(1, "apply", "machine=peer0"), swarm.times(1, "replayed", "key=[0-9a-f]+")

    def way(ends):
        times = sorted((ends[s] - durable[s]) / 1e6 for s in ends if s in durable)
        return {"records": len(times), "median_ms": statistics.median(times), "p99_ms": times[int(0.99 * (len(times) - 1))]}
    return {"to_replay": way(handed), "to_the_weights": way(replayed)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--counts", default="2,4,8,16")
    arguments = parser.parse_args()
    print(json.dumps({"rounds": [rounds(arguments.build, int(n), arguments.seconds) for n in arguments.counts.split(",")],
                      "wire": [wire(arguments.build, n, arguments.seconds) for n in (1, 8, 128, 256, 1024)],
                      "latency": latency(arguments.build, arguments.seconds)}))


if __name__ == "__main__":
    main()
