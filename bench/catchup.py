#!/usr/bin/env python3
"""A newcomer's catch-up over loopback: real daemons, observers, serve a log of signed records; another one with an empty
log joins. Seconds from its start until it says the same digest of the weights at the same log, and until its status
answers (the base model is hashed and loaded); its memory at the most; with --kill, it is killed at half of the log and
started again. Also the log at rest at 1, 8 and 128 samples a record (--rest). Prints one JSON object.

    bench/catchup.py BUILD [--model FOLDER] [--records N] [--samples N] [--machines N] [--servers N] [--kill] [--rest]

By default GPT-2 small's shape and 10,000 records of one sample each of one machine, from one server. A million samples:
    bench/checkpoint /tmp/tiny 1 32 2 512 64
    bench/catchup.py BUILD --model /tmp/tiny --records 125000 --samples 1 --machines 8 --servers 3"""
import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Bench:
    def __init__(self, arguments, folder):
        self.build, self.model, self.folder = arguments.build, arguments.model, folder
        self.end = time.monotonic() + arguments.seconds
        self.port, self.servers, self.processes, self.set = random.randrange(20000, 40000), arguments.servers, {}, arguments.set

    def tool(self, *arguments):
        return subprocess.run([os.path.join(self.build, "onebyte"), *arguments], check=True, capture_output=True,
                              text=True).stdout

    def place(self, name):
        return os.path.join(self.folder, name)

    def machine(self, name):
        os.mkdir(self.place(name), 0o700)
        key = self.tool("keygen", self.place(name) + "/identity").strip()
        self.tool("invite", "--authority", self.place("run.authority"), "--manifest", self.place("run.json"), "--machine", key,
                  "--name", name, "--out", self.place(name) + "/certificate")
        return key

    def fill(self, name, records, samples, machines=()):
        done = subprocess.run([os.path.join(self.build, "bench", "fill_log"), self.place("run.json"), self.place(name), str(records),
                               str(samples), *[self.place(m) for m in machines]], check=True, capture_output=True, text=True)
        return json.loads(done.stdout)

    def configure(self, i, keys):
        name = "p%d" % i
        with open(self.place(name + ".conf"), "w", encoding="utf-8") as file:
            file.write("[machine]\nstate_dir = %s\n[run]\nmanifest = %s\nmodel = %s\n[network]\nlisten = tcp://127.0.0.1:%d\n"
                       "[training]\nobserver = yes\n[swarm]\nrejoin_wait_s = 2\n[peers]\n" %
                       (self.place(name), self.place("run.json"), self.model, self.port + 3 * i))
            file.writelines("p%d = %s tcp://127.0.0.1:%d\n" % (k, key, self.port + 3 * k) for k, key in enumerate(keys))

    def start(self, i):
        name = "p%d" % i
        settings = [word for value in self.set for word in ("--set", value)]
        with open(self.place(name + ".log"), "a", encoding="utf-8") as log:
            self.processes[i] = subprocess.Popen([os.path.join(self.build, "onebyted"), "--config",
                                                  self.place(name + ".conf"), *settings], stderr=log)

    def status(self, i):
        try:
            return json.loads(self.tool("status", self.place("p%d" % i), "--json"))
        except (subprocess.CalledProcessError, json.JSONDecodeError):
            return None

    def wait(self, i, ready):
        while time.monotonic() < self.end:
            said = self.status(i)
            if said and ready(said):
                return said
            time.sleep(0.25)
        sys.exit("p%d: not in time: %s\n%s" % (i, self.status(i), open(self.place("p%d.log" % i), encoding="utf-8").read()[-2000:]))

    def memory(self, i):
        with open("/proc/%d/status" % self.processes[i].pid, encoding="utf-8") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))

    def stop(self):
        for process in self.processes.values():
            process.kill()
            process.wait()

    def catch_up(self, kill):
        newcomer, result, begun = self.servers, {}, time.monotonic()
        for i in range(self.servers):
            self.start(i)
        first = [self.wait(i, lambda s: s["weights_digest_current"]) for i in range(self.servers)][0]
        result["servers_start_seconds"] = time.monotonic() - begun
        begun = time.monotonic()
        self.start(newcomer)
        self.wait(newcomer, lambda s: True)
        result["load_seconds"] = time.monotonic() - begun
        if kill:
            self.wait(newcomer, lambda s: s["log"]["samples"] * 2 >= first["log"]["samples"])
            self.processes[newcomer].send_signal(signal.SIGKILL)
            self.processes[newcomer].wait()
            self.start(newcomer)
            result["held_after_kill"] = self.wait(newcomer, lambda s: True)["log"]["samples"]
            result["answers_after_kill_seconds"] = time.monotonic() - begun
        self.wait(newcomer, lambda s: s["log_digest"] == first["log_digest"])
        result["log_seconds"] = time.monotonic() - begun
        last = self.wait(newcomer, lambda s: s["weights_digest_current"] and s["log_digest"] == first["log_digest"])
        result["catch_up_seconds"] = time.monotonic() - begun
        assert last["weights_digest"] == first["weights_digest"]
        result.update(samples=last["log"]["samples"], peak_memory_bytes=self.memory(newcomer), fetches=last["peer"]["fetches"],
                      served=[self.status(i)["traffic"]["sent_bytes"] for i in range(self.servers)],
                      wait_records_left=last["work"]["waiting_records"], snapshot=last.get("snapshot"))
        return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("--model", default="/tmp/onebyte-bench/gpt2-small")
    parser.add_argument("--records", type=int, default=10000, help="records of each machine")
    parser.add_argument("--samples", type=int, default=1, help="samples of each record")
    parser.add_argument("--machines", type=int, default=1)
    parser.add_argument("--servers", type=int, default=1)
    parser.add_argument("--kill", action="store_true")
    parser.add_argument("--rest", action="store_true")
    parser.add_argument("--set", action="append", default=[], help="set section.key=value in every daemon")
    parser.add_argument("--keep", action="store_true", help="keep the working folder and print its path")
    parser.add_argument("--seconds", type=float, default=150)
    arguments = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="onebyte-catchup-")
    bench = Bench(arguments, folder)
    try:
        if not os.path.exists(os.path.join(arguments.model, "tokenizer.json")):
            shutil.copy(os.path.join(ROOT, "examples", "kjv-1m", "tokenizer.json"), arguments.model)
        bench.tool("run", "create", "--model", arguments.model, "--out", bench.place("run.json"), "--rounds", "1000000",
                   "--samples-per-round", "128", "--lr", "1e-5", "--adapters", "none")
        keys = [bench.machine("p%d" % i) for i in range(arguments.servers + 1)]
        signers = ["m%d" % i for i in range(arguments.machines)]
        for name in signers:
            bench.machine(name)
        for i in range(arguments.servers + 1):
            bench.configure(i, keys)
        result = {"log": [bench.fill("p%d" % i, arguments.records, arguments.samples, signers) for i in range(arguments.servers)][:1]}
        if arguments.rest:
            for samples in (8, 128):
                bench.machine("n%d" % samples)
                result["log"].append(bench.fill("n%d" % samples, arguments.records, samples))
        result["catch_up"] = bench.catch_up(arguments.kill)
        print(json.dumps(result))
    finally:
        bench.stop()
        if arguments.keep:
            print(folder, file=sys.stderr)
        else:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
