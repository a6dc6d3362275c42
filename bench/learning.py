#!/usr/bin/env python3
"""What methods of training learn, at equal forward passes of a row: runs bench/learning for each method, rate and seed, adds
what it prints to a results file, and makes the table and the plot of docs/learning.md from it.

    bench/learning.py run BUILD RESULTS --task kjv|sst2 [--method NAME]... [--seeds 1,2,3] [--passes N] [--threads N]
        [--model MODEL --data FILE --held-out FILE] [--products WAY]
    bench/learning.py table RESULTS            a table for each task: each method at its best rate
    bench/learning.py plot RESULTS OUT.svg [--method NAME]...     held-out loss against passes, samples, processor seconds
    bench/learning.py quick BUILD              a short run of each kind on the shipped model; fails if one does not learn

Task kjv trains examples/kjv-1m on the Jargon File; sst2 needs --model (SmolLM2-135M-Instruct) and rows with choices
(examples/make_sst2.py --review). What is in the results file is not run again. The rates of a
method are tried with the first seed; the other seeds have the best of them."""
import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
JARGON = ["--model", os.path.join(ROOT, "examples/kjv-1m"), "--data", os.path.join(ROOT, "examples/jargon/train.jsonl"),
          "--held-out", os.path.join(ROOT, "examples/jargon/held_out.jsonl"), "--length", "64"]
SST2 = ["--length", "96"]

ALL = ["--lora-target", "attention", "--lora-target", "mlp"]
UPPER = ["--lora-target", "upper-half"]
ONE_SIDED = ["--directions", "8", "--one-sided"]


def basis(rank, learning, kjv, sst2, rule="orthonormal", where=ALL, **more):
    """A method that trains adapters on a basis, in matrices of layers."""
    return dict(basis=["--rank", str(rank), "--basis-scale", rule] + where, learning=learning + where, kjv=kjv, sst2=sst2, **more)


def machines(count, staleness):
    """Equal samples by so many machines, 8 of each in a round, all at the full rate: what parallel samples cost."""
    return basis(4, ["--rows", "1", "--machines", str(count), "--staleness", str(staleness)] + ONE_SIDED, [1e-4], [3e-5])


# A method: what `onebyte run create` is given, what bench/learning is given, and the rates that are tried for each task with the
# first seed; the other seeds have the best of them. `quick`: it is tried in ./check, so.
METHODS = {
    "whole model, 8 rows a sample": dict(learning=["--rows-per-sample", "8"], kjv=[3e-5, 6e-5], sst2=[2.5e-6],
                                         quick=["--lr", "6e-5", "--samples", "192"]),
    "whole model, 1 row a sample": dict(learning=["--rows", "8"], kjv=[8e-6, 1.6e-5], sst2=[3e-7]),
    "random adapters R = 4": dict(learning=["--rows", "8", "--lora-rank", "4", "--lora-alpha", "8"] + ALL, kjv=[1.5e-4, 3e-4, 6e-4], sst2=[3e-4]),
    "basis R = 1": basis(1, ["--rows", "8"], [2e-4, 4e-4, 8e-4], [3e-5]),
    "basis R = 4": basis(4, ["--rows", "8"], [1e-4, 2e-4, 4e-4], [3e-5]),
    "basis R = 16": basis(16, ["--rows", "8"], [1e-4, 2e-4], [3e-5]),
    "basis R = 1, upper half": basis(1, ["--rows", "8"], [4e-4, 8e-4], [1e-4], where=UPPER),
    "basis R = 4, upper half": basis(4, ["--rows", "8"], [2e-4, 4e-4], [1e-4], where=UPPER),
    "basis R = 4, 8 rows a sample": basis(4, ["--rows-per-sample", "8"], [4e-4, 8e-4, 1.6e-3], [3e-4]),
    "basis R = 4, one-sided, 8 directions a row": basis(4, ["--rows", "8"] + ONE_SIDED, [1e-4, 2e-4], [3e-5]),
    "basis R = 1, upper half, one-sided, 8 directions a row": basis(1, ["--rows", "8"] + ONE_SIDED, [4e-4, 8e-4], [1e-4], where=UPPER,
                                                                    quick=["--lr", "8e-4", "--samples", "1536"]),
    "basis R = 4, upper half, one-sided, 8 directions a row": basis(4, ["--rows", "8"] + ONE_SIDED, [1e-4, 2e-4], [1e-4], where=UPPER),
    "basis R = 1, one-sided, 8 directions a row": basis(1, ["--rows", "8"] + ONE_SIDED, [1e-4, 2e-4], [3e-5]),
    "basis R = 4, tamed": basis(4, ["--rows", "8"], [2e-4, 4e-4], [3e-5], rule="tamed"),
    "basis R = 4, Gaussian": basis(4, ["--rows", "8", "--distribution", "gaussian"], [1e-4, 2e-4], [3e-5]),
    "basis R = 4, 64 rows a pass": basis(4, ["--rows", "64"], [1e-4, 2e-4], [3e-5]),
    "basis R = 4, 256 rows a pass": basis(4, ["--rows", "256"], [1e-4, 2e-4], [3e-5]),
}
METHODS["backpropagation in PyTorch, LoRA R = 4"] = dict(torch=["--lora-rank", "4"], learning=["--rows", "8"], kjv=[1e-3, 3e-3, 1e-2],
                                                        sst2=[3e-4, 1e-3])
METHODS.update({"%d machine%s, staleness %d" % (m, "" if m == 1 else "s", k): machines(m, k)
                for m in (1, 2, 4, 8, 16, 64) for k in (0, 1)})


def arguments_of(name, task):
    """Adapters want a wider step than the whole model: at their start one of 0.001 is lost in rounding (docs/performance.md)."""
    if "torch" in METHODS[name]:
        return METHODS[name]["learning"] + METHODS[name]["torch"]
    adapters = [] if "whole" in name else ["--epsilon", "0.004"]
    prefix = ["--prefix-mib", "512"] if task == "sst2" and not "whole" in name else []
    return METHODS[name]["learning"] + adapters + prefix


def passes_per_sample(name, arguments):
    def value(name, default):
        return int(arguments[arguments.index(name) + 1]) if name in arguments else default
    if "torch" in METHODS[name]:
        return 3 # forward and backward
    rows, directions = value("--rows-per-sample", 1), value("--directions", 1)
    return rows * ((directions + 1) / directions if "--one-sided" in arguments else 2)


def round_samples(arguments):
    def value(name, default):
        return int(arguments[arguments.index(name) + 1]) if name in arguments else default
    rows = value("--rows-per-sample", 1)
    return value("--rows", rows) // rows * value("--directions", 1) * value("--machines", 1)


def play(program, arguments):
    done = subprocess.run(program + arguments, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit("%s failed: %s" % (" ".join(program + arguments), done.stderr.strip()[-400:]))
    return [json.loads(line) for line in done.stdout.splitlines()]


def load(path):
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.strip()]


def basis_file(build, method, task, folder):
    """The basis that `onebyte run create` makes for this method, once for all its runs."""
    if "basis" not in method:
        return []
    stem = os.path.join(folder, "run")
    if not os.path.exists(stem + ".basis.safetensors"):
        done = subprocess.run([os.path.join(build, "onebyte"), "run", "create", "--model", task[task.index("--model") + 1], "--out", stem + ".json",
                               "--lr", "1e-4", "--rounds", "1", "--adapters", "basis", "--calibrate", task[task.index("--data") + 1]] + method["basis"],
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit("run create failed: %s" % done.stderr.strip()[-400:])
    return ["--basis", os.path.realpath(stem + ".basis.safetensors")]


def run(options):
    task = list(JARGON if options.task == "kjv" else SST2)
    for name in ("model", "data", "held_out"):
        if getattr(options, name):
            task += ["--" + name.replace("_", "-"), getattr(options, name)]
    results = load(options.results)
    seen = {(r["task"], r["method"], r["rate"], r["seed"], r["passes"]) for r in results}
    for name in options.method or METHODS:
        method = METHODS[name]
        with tempfile.TemporaryDirectory() as folder:
            given = arguments_of(name, options.task)
            if "torch" in method:
                program = [options.python, os.path.join(ROOT, "bench/lora_torch.py")]
            else:
                program = [os.path.join(options.build, "bench/learning"), "--products", options.products]
            unit = round_samples(given)
            samples = max(unit, int(options.passes / passes_per_sample(name, given)) // unit * unit)
            for first, seed in enumerate(int(s) for s in options.seeds.split(",")):
                rates = [float(r) for r in options.rates.split(",")] if options.rates else method[options.task]
                if first > 0:
                    rates = [best_rate(load(options.results), options.task, options.passes, name)]
                for rate in rates:
                    if (options.task, name, rate, seed, options.passes) in seen:
                        continue
                    lines = play(program, task + given + basis_file(options.build, method, task, folder) + [
                        "--lr", "%g" % rate, "--seed", str(seed), "--samples", str(samples), "--looks", str(options.looks),
                        "--threads", str(options.threads), "--held-out-rows", str(options.held_out_rows)])
                    with open(options.results, "a", encoding="utf-8") as file:
                        file.write(json.dumps(dict(task=options.task, method=name, rate=rate, seed=seed, passes=options.passes, lines=lines)) + "\n")
                    print("%s, %g, seed %d: %.4f -> %.4f" % (name, rate, seed, lines[0]["loss"], lines[-1]["loss"]), flush=True)


def mean_and_error(values):
    error = statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return statistics.fmean(values), error


def rates_of(results, task, passes):
    """The runs of each method, by rate."""
    methods = {}
    for r in results:
        if r["task"] == task and r["passes"] == passes:
            methods.setdefault(r["method"], {}).setdefault(r["rate"], []).append(r)
    return methods


def last_loss(runs):
    mean = statistics.fmean(r["lines"][-1].get("loss", math.inf) for r in runs)
    return mean if math.isfinite(mean) else math.inf


def best_rate(results, task, passes, method):
    """That of the first seed."""
    rates = rates_of(results, task, passes)[method]
    first = min(r["seed"] for runs in rates.values() for r in runs)
    return min(rates, key=lambda rate: last_loss([r for r in rates[rate] if r["seed"] == first] or rates[rate]))


def best(results, task, passes):
    """For each method its runs at the rate with the lowest mean of the last held-out losses, of those that most seeds have had."""
    chosen = {}
    for name, rates in rates_of(results, task, passes).items():
        most = max(len(runs) for runs in rates.values())
        chosen[name] = min((runs for runs in rates.values() if len(runs) == most), key=last_loss)
    return chosen


def tables(results):
    for task, passes in sorted({(r["task"], r["passes"]) for r in results}):
        print("\n%s, %d passes of a row\n" % (task, passes))
        print("| method | numbers trained | rate | seeds | samples | held-out loss | accuracy | samples a second |")
        print("| --- | --- | --- | --- | --- | --- | --- | --- |")
        for name, runs in best(results, task, passes).items():
            first, last = runs[0]["lines"][0], [r["lines"][-1] for r in runs]
            loss, error = mean_and_error([l["loss"] for l in last])
            accuracy = "%.1f → %.1f %%" % (100 * first["accuracy"], 100 * statistics.fmean(l["accuracy"] for l in last)) if "accuracy" in first else ""
            print("| %s | %s | %g | %d | %d | %.4f → %.4f%s | %s | %.1f |" % (
                name, "{:,}".format(first["trained"]), runs[0]["rate"], len(runs), last[0]["samples"], first["loss"], loss,
                " ± %.4f" % error if math.isfinite(error) else "", accuracy, statistics.fmean(l["samples"] / l["seconds"] for l in last)))


COLOURS = ["#1b6ca8", "#c1440e", "#2e8b57", "#8e44ad", "#b8860b", "#444444", "#008b8b", "#d81b60"]


def curve_panel(title, runs_by_method, colours, key, left):
    points = {name: [(l.get(key, 0), statistics.fmean(r["lines"][i]["loss"] for r in runs)) for i, l in enumerate(runs[0]["lines"])]
              for name, runs in runs_by_method.items()}
    most = max(x for p in points.values() for x, _ in p) or 1
    low, high = min(y for p in points.values() for _, y in p), max(y for p in points.values() for _, y in p)
    high += (high - low or 1) * 0.05
    parts = ['<text x="%d" y="20">%s</text>' % (left, title)]
    for name, p in points.items():
        line = " ".join("%.1f,%.1f" % (left + 360 * x / most, 330 - 290 * (y - low) / (high - low)) for x, y in p)
        parts.append('<polyline fill="none" stroke="%s" stroke-width="2" points="%s"/>' % (colours[name], line))
    parts.append('<path fill="none" stroke="#888" d="M%d 40V330H%d"/>' % (left, left + 360))
    parts.append('<text x="%d" y="348" text-anchor="end">%s</text><text x="%d" y="48">%.3f</text><text x="%d" y="326">%.3f</text>' % (
        left + 360, "{:,.0f}".format(most), left + 4, high, left + 4, low))
    return parts


def plot(results, path, methods):
    results = [r for r in results if not methods or r["method"] in methods]
    names = list(dict.fromkeys(r["method"] for r in results))
    colours = {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(names)} # of a method, the same for every task
    parts, top = [], 0
    for task, passes in sorted({(r["task"], r["passes"]) for r in results}):
        runs = best(results, task, passes)
        parts.append('<g transform="translate(0 %d)">' % top)
        parts += curve_panel("%s: held-out loss against passes of a row" % task, runs, colours, "passes", 20)
        parts += curve_panel("against samples (row, direction)", runs, colours, "samples", 420)
        if all("processor_seconds" in l for r in runs.values() for l in r[0]["lines"][1:]):
            parts += curve_panel("against seconds of training of one processor", runs, colours, "processor_seconds", 820)
        for i, name in enumerate(runs):
            parts.append('<text x="20" y="%d" fill="%s">%s</text>' % (372 + 18 * i, colours[name], name))
        parts.append("</g>")
        top += 400 + 18 * len(runs)
    with open(path, "w", encoding="utf-8") as file:
        file.write('<svg xmlns="http://www.w3.org/2000/svg" width="1220" height="%d" font-family="sans-serif" font-size="13">\n%s\n</svg>\n' % (
            top, "\n".join(['<rect width="100%" height="100%" fill="white"/>'] + parts)))


def quick(build):
    """The kinds that ./check tries learn the Jargon File: held-out loss falls by far more than seeds differ (docs/learning.md).
    The same run again gives the same bits."""
    for name, method in METHODS.items():
        if "quick" not in method:
            continue
        with tempfile.TemporaryDirectory() as folder:
            given = JARGON + arguments_of(name, "kjv") + basis_file(build, method, JARGON, folder)
            program = [os.path.join(build, "bench/learning")]
            lines = play(program, given + method["quick"] + ["--held-out-rows", "64"])
            again = [play(program, given + ["--lr", "1e-4", "--samples", "64", "--held-out-rows", "4"]) for _ in range(2)]
        print("%s: %.3f -> %.3f" % (name, lines[0]["loss"], lines[-1]["loss"]), flush=True)
        if not lines[-1]["loss"] < lines[0]["loss"] - 0.2:
            sys.exit("%s did not learn" % name)
        if again[0][-1]["loss"] != again[1][-1]["loss"] or again[0][-1]["loss"] == again[0][0]["loss"]:
            sys.exit("%s, twice with the same seed: %r and %r from %r" % (name, again[0][-1], again[1][-1], again[0][0]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("run")
    command.add_argument("build")
    command.add_argument("results")
    command.add_argument("--task", choices=["kjv", "sst2"], required=True)
    command.add_argument("--method", action="append", choices=list(METHODS))
    command.add_argument("--rates", help="instead of the method's own")
    command.add_argument("--seeds", default="1,2,3")
    command.add_argument("--passes", type=int, default=16384)
    command.add_argument("--looks", type=int, default=8)
    command.add_argument("--threads", type=int, default=0)
    command.add_argument("--held-out-rows", type=int, default=400)
    command.add_argument("--products", default="float32")
    command.add_argument("--python", default=sys.executable, help="with torch and transformers, for bench/lora_torch.py")
    for name in ("--model", "--data", "--held-out"):
        command.add_argument(name)
    for name in ("table", "plot"):
        command = commands.add_parser(name)
        command.add_argument("results")
        if name == "plot":
            command.add_argument("out")
            command.add_argument("--method", action="append", choices=list(METHODS))
    commands.add_parser("quick").add_argument("build")
    options = parser.parse_args()
    if options.command == "run":
        run(options)
    elif options.command == "table":
        tables(load(options.results))
    elif options.command == "plot":
        plot(load(options.results), options.out, options.method)
    else:
        quick(options.build)


main()
