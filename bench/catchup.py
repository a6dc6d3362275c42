#!/usr/bin/env python3
"""A newcomer's catch-up on a GPT-2-small-shaped model over loopback: one real daemon, an observer, serves a log of signed
records; a second one with an empty log joins. Seconds from its start until both say the same digest of the weights at
the same log, and until its status answers (the base model is hashed and loaded). Also the log at rest at 1, 8 and 128
samples a record. Prints one JSON object.

    bench/catchup.py BUILD [--model FOLDER] [--records N] [--seconds S]"""
import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def tool(build, *arguments):
    return subprocess.run([os.path.join(build, "daemon", "onebyte"), *arguments], check=True, capture_output=True, text=True).stdout


def fill(build, manifest, folder, records, samples):
    done = subprocess.run([os.path.join(build, "bench", "fill_log"), manifest, folder, str(records), str(samples)], check=True,
                          capture_output=True, text=True)
    return json.loads(done.stdout)


def status(build, folder):
    try:
        return json.loads(tool(build, "status", folder, "--json"))
    except (subprocess.CalledProcessError, json.JSONDecodeError):
        return None


def start(build, folder, place, keys, port, i):
    with open(os.path.join(folder, "p%d.conf" % i), "w", encoding="utf-8") as file:
        file.write("[machine]\nstate_dir = %s/p%d\n[run]\nmanifest = %s/run.json\nmodel = %s\n[network]\n"
                   "listen = tcp://127.0.0.1:%d\n[training]\nobserver = yes\n[swarm]\nrejoin_wait_s = 2\n[peers]\n" % (
                       folder, i, folder, place, port + 3 * i))
        file.writelines("peer%d = %s tcp://127.0.0.1:%d\n" % (k, key, port + 3 * k) for k, key in enumerate(keys))
    with open(os.path.join(folder, "p%d.log" % i), "w", encoding="utf-8") as log:
        return subprocess.Popen([os.path.join(build, "daemon", "onebyted"), "--config",
                                 os.path.join(folder, "p%d.conf" % i)], stderr=log)


def wait(build, folder, end, ready):
    while time.monotonic() < end:
        said = status(build, folder)
        if said and ready(said):
            return said
        time.sleep(0.1)
    return sys.exit("%s: not in time: %s" % (folder, status(build, folder)))


def catch_up(arguments, folder, keys):
    port, end, processes = random.randrange(20000, 40000), time.monotonic() + arguments.seconds, []
    try:
        processes.append(start(arguments.build, folder, arguments.model, keys, port, 0))
        first = wait(arguments.build, os.path.join(folder, "p0"), end, lambda s: s["weights_digest_current"])
        begun = time.monotonic()
        processes.append(start(arguments.build, folder, arguments.model, keys, port, 1))
        place = os.path.join(folder, "p1")
        wait(arguments.build, place, end, lambda s: True)
        loaded = time.monotonic()
        last = wait(arguments.build, place, end, lambda s: s["weights_digest_current"] and
                    s["log_digest"] == first["log_digest"])
        done = time.monotonic()
        assert last["weights_digest"] == first["weights_digest"]
        return {"load_seconds": loaded - begun, "catch_up_seconds": done - begun, "samples": last["log"]["samples"]}
    finally:
        for process in processes:
            process.kill()
            process.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("--model", default="/tmp/onebyte-bench/gpt2-small")
    parser.add_argument("--records", type=int, default=10000)
    parser.add_argument("--seconds", type=float, default=150)
    arguments = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="onebyte-catchup-")
    try:
        if not os.path.exists(os.path.join(arguments.model, "tokenizer.json")):
            shutil.copy(os.path.join(ROOT, "examples", "kjv-1m", "tokenizer.json"), arguments.model)
        manifest = os.path.join(folder, "run.json")
        tool(arguments.build, "run", "create", "--model", arguments.model, "--out", manifest, "--rounds", "1000000",
             "--samples-per-round", "128", "--lr", "1e-5")
        keys, result = [], {"log": []}
        for i, name in enumerate(("p0", "p1", "n8", "n128")):
            os.mkdir(os.path.join(folder, name), 0o700)
            key = tool(arguments.build, "keygen", os.path.join(folder, name, "identity")).strip()
            keys += [key] if i < 2 else []
        for name, samples in (("p0", 1), ("n8", 8), ("n128", 128)):
            result["log"].append(fill(arguments.build, manifest, os.path.join(folder, name), arguments.records, samples))
        result["catch_up"] = catch_up(arguments, folder, keys)
        print(json.dumps(result))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
