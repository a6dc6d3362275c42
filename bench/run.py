#!/usr/bin/env python3
"""Runs onebyte's benchmark and its peers in turn on this machine, a few times over, and prints the table of
docs/performance.md with medians and spreads; writes results.json, table.md and plot.svg into its folder.

    bench/run.py BUILD [--python PYTHON] [--cache FOLDER] [--repeats N] [--more] [--quick]
        [--gguf FILE [--llamacpp PYTHON] [--manifest RUN --rows ROWS]]

PYTHON has torch and transformers (a virtual environment outside the tree); without it the peers are left out. The
random GPT-2-small-shaped checkpoint is made in FOLDER (/tmp/onebyte-bench) once. The second PYTHON has llama-cpp-python:
its forward pass over 512 tokens of FILE's model beside ours on the same file, both with the weights' own type in memory.
RUN is a run of FILE's model as `onebyte run create` writes it, ROWS its rows: samples a second as a machine of it makes
them, and rows a second with two losses each, 64 in a pass."""
import argparse
import json
import os
import platform
import statistics
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SHAPES = [(16, 64), (8, 32), (1, 512)]


def run(command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit("%s failed: %s" % (" ".join(command), done.stderr.strip()[-400:]))
    return json.loads(done.stdout.strip().splitlines()[-1])


WAYS = ["bfloat16-native", "bfloat16-onednn", "bfloat16x2"]


def processor():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    return "%s, %d processors" % (names[0] if names else platform.machine(), os.cpu_count())


def checkpoint(build, cache):
    folder = os.path.join(cache, "gpt2-small")
    if not os.path.exists(os.path.join(folder, "model.safetensors")):
        os.makedirs(cache, exist_ok=True)
        subprocess.run([os.path.join(build, "bench", "checkpoint"), folder], check=True)
    return folder


def earlier(arguments):
    path = os.path.join(arguments.cache, "results.json")
    if not arguments.more or not os.path.exists(path):
        return {}
    with open(path, encoding="utf-8") as file:
        return json.load(file)["results"]


def collect_rows(arguments, results):
    """A run's own passes: as [training] rows = 0 makes them with a basis, over new rows and over rows of before; 64 rows with two
    losses each."""
    program = [os.path.join(arguments.build, "bench", "samples"), "--manifest", arguments.manifest, "--model", arguments.gguf, "--data",
               arguments.rows]
    default = ["--rows", "8", "--directions", "8", "--one-sided"]
    for name, words in {"samples": default + ["--passes", "6"], "samples again": default + ["--passes", "6", "--again"],
                        "samples float32": default + ["--passes", "2", "--products", "float32"],
                        "rows": ["--rows", "64", "--passes", "2"]}.items():
        results.setdefault(name, []).append(run(program + words))


def save(arguments, results):
    with open(os.path.join(arguments.cache, "results.json"), "w", encoding="utf-8") as file:
        json.dump({"machine": processor(), "results": results}, file, indent=1)


def collect(arguments):
    """Each round runs everything once, ours and the peers in turn: what the machine does meanwhile hits them alike."""
    folder = checkpoint(arguments.build, arguments.cache)
    onebyte = os.path.join(arguments.build, "onebyte")
    results = earlier(arguments)
    for _ in range(arguments.repeats):
        for batch, length in SHAPES[:1] if arguments.quick else SHAPES:
            ours = run([onebyte, "bench", "--model", folder, "--batch", str(batch), "--length", str(length), "--seconds",
                        "1", "--json"])
            results.setdefault("onebyte %dx%d" % (batch, length), []).append(ours)
        if arguments.manifest:
            collect_rows(arguments, results)
        for way in ours["products_peak_flops"]: # those that this machine has
            if way != "float32":
                results.setdefault(way, []).append(run([onebyte, "bench", "--model", folder, "--batch", "16", "--length", "64",
                                                        "--seconds", "1", "--products", way, "--json"]))
        if arguments.llamacpp:
            script = os.path.join(ROOT, "bench", "llamacpp_forward.py")
            results.setdefault("llama.cpp", []).append(run([arguments.llamacpp, script, arguments.gguf, "--repeats", "3"]))
            results.setdefault("onebyte gguf", []).append(run([onebyte, "bench", "--model", arguments.gguf, "--batch", "1",
                                                               "--length", "512", "--seconds", "1", "--json"]))
        if arguments.python:
            script = os.path.join(ROOT, "bench", "mezo_torch.py")
            results.setdefault("mezo", []).append(run([arguments.python, script, "16", "64", "2"]))
            results.setdefault("mezo bfloat16", []).append(run([arguments.python, script, "16", "64", "2", "2", "bfloat16"]))
            script = os.path.join(ROOT, "bench", "transformers_forward.py")
            results.setdefault("transformers", []).append(run([arguments.python, script, folder, "16", "64", "3"]))
        save(arguments, results)  # a later round may be interrupted; --repeats 0 --more shows what is there
    return results


def spread(runs, value):
    values = sorted(value(r) if callable(value) else r[value] for r in runs)
    return statistics.median(values), values[0], values[-1]


def show(runs, value, form="%.3g", scale=1.0):
    middle, low, high = (scale * v for v in spread(runs, value))
    return (form + " (" + form + " … " + form + ")") % (middle, low, high)


def rows_of_samples(results):
    """What a run's machine makes of its rows."""
    rows = []
    for name, text in {"samples": "samples (row, direction) a second of the run, 8 rows with 8 one-sided directions",
                       "samples again": "the same over rows of before, the states of the frozen layers kept",
                       "samples float32": "the first in float32"}.items():
        if name in results:
            rows.append((text, show(results[name], "samples_a_second")))
            rows.append(("the same a second of processor time", show(results[name], "samples_a_processor_second")))
    if "rows" in results:
        rows.append(("rows a second, two losses each, 64 rows in a pass", show(results["rows"], "samples_a_second")))
        rows.append(("peak memory of the run's passes, 8 × 8, MB", show(results["samples"], "peak_memory_bytes", "%.0f", 1e-6)))
        rows.append(("of that activations and scratch, MB", show(results["samples"], lambda r: r["forward_mb"] * 1.048576, "%.0f")))
    return rows


def table(results):
    main = results["onebyte 16x64"]
    first = main[0]
    rows = [("one sample, 16 × 64, loss on every token, seconds", show(main, "sample_seconds")),
            ("matrix efficiency at 16 × 64 (at least 0.85)", show(main, "matrix_efficiency"))]
    if "mezo" in results:
        ratio = statistics.median(r["sample_seconds"] for r in results["mezo"]) / spread(main, "sample_seconds")[0]
        rows.insert(1, ("eager PyTorch MeZO, one step, seconds", show(results["mezo"], "sample_seconds")))
        rows.insert(2, ("times faster (at least 4)", "%.2f" % ratio))
        rows.insert(3, ("peak memory of PyTorch MeZO, MB", show(results["mezo"], "peak_memory_bytes", "%.0f", 1e-6)))
    if "transformers" in results:
        rows.append(("forward pass of transformers, seconds", show(results["transformers"], "forward_seconds")))
        rows.append(("forward pass of ours, frozen weights, seconds", show(main, "frozen_forward_seconds")))
    for way in WAYS:
        if way in results:
            seconds = spread(results[way], "sample_seconds")[0]
            rows.append(("one sample, %s, seconds" % way, show(results[way], "sample_seconds")))
            rows.append(("times faster than in float32", "%.2f" % (spread(main, "sample_seconds")[0] / seconds)))
            rows.append(("share of its peak", show(results[way], "matrix_efficiency")))
            if "mezo bfloat16" in results:
                peer = statistics.median(r["sample_seconds"] for r in results["mezo bfloat16"])
                rows.append(("times faster than PyTorch MeZO under bfloat16 autocast", "%.2f" % (peer / seconds)))
    if "mezo bfloat16" in results:
        rows.append(("PyTorch MeZO, bfloat16 autocast, one step, seconds", show(results["mezo bfloat16"], "sample_seconds")))
    if "llama.cpp" in results:
        rows.append(("llama.cpp, 512 tokens of the GGUF file, seconds", show(results["llama.cpp"], "seconds")))
        rows.append(("ours, the same, frozen weights, seconds", show(results["onebyte gguf"], "frozen_forward_seconds")))
    rows += rows_of_samples(results)
    rows.append(("forward pass of ours, exact weights, seconds", show(main, "forward_seconds")))
    rows.append(("sample over two plain passes, exact weights", show(main, "sample_over_two_forwards")))
    rows.append(("sample over two plain passes, frozen weights (at most 1.05)", show(main, "sample_over_two_frozen_forwards")))
    for name in ("8x32", "1x512"):
        if "onebyte " + name in results:
            rows.append(("matrix efficiency at %s (at least 0.7)" % name, show(results["onebyte " + name], "matrix_efficiency")))
    rows.append(("sample with a loss on %d of %d tokens, seconds" % (first["completion_targets"], first["tokens"]),
                 show(main, "completion_sample_seconds")))
    rows.append(("replay, 64 records a pass, 10⁹ param·records/s, one core (at least 6)",
                 show(main, "replay_64_param_records_per_second_one_thread", "%.1f", 1e-9)))
    for kernel in first.get("replay_64_by_kernels_one_thread", {}):
        rows.append(("the same with %s%s" % (kernel, " (at least 4)" if kernel == "avx2" else ""), show(
            main, lambda r, k=kernel: r["replay_64_by_kernels_one_thread"][k], "%.1f", 1e-9)))
    rows.append(("the first, both cores", show(main, "replay_64_param_records_per_second", "%.1f", 1e-9)))
    rows.append(("both cores over one (at least 1.9)", show(main, lambda r: r["replay_64_param_records_per_second"]
                 / r["replay_64_param_records_per_second_one_thread"])))
    rows.append(("replay of one record over the memory's read-modify-write (at least 0.8)", show(main, "replay_1_over_memory")))
    rows.append(("memory's read-modify-write, 10⁹ bytes/s", show(main, "memory_bytes_per_second", "%.1f", 1e-9)))
    rows.append(("peak memory less activations, over 4 bytes a parameter (at most 1.15)", show(
        main, lambda r: (r["peak_memory_bytes"] - r["activation_bytes"]) / (4 * r["parameters"]))))
    rows.append(("activations, MB", show(main, "activation_bytes", "%.0f", 1e-6)))
    rows.append(("sgemm's peak, 10⁹ operations/s, all threads", show(main, "sgemm_peak_flops", "%.0f", 1e-9)))
    lines = ["%s; OpenBLAS core %s; kernels %s; %d threads; %d repeats: median (lowest … highest)" % (
        processor(), first["blas_core"], first["kernels"], first["threads"], len(main)), "", "| what | figure |", "| --- | --- |"]
    return "\n".join(lines + ["| %s | %s |" % row for row in rows])


def plot(results):
    """Seconds of one training step, and of the forward passes in it."""
    bars = []
    if "mezo" in results:
        bars.append(("PyTorch MeZO, step", spread(results["mezo"], "sample_seconds")))
        bars.append(("PyTorch, one forward", spread(results["mezo"], "forward_seconds")))
    if "transformers" in results:
        bars.append(("transformers, one forward", spread(results["transformers"], "forward_seconds")))
    bars.append(("onebyte, sample", spread(results["onebyte 16x64"], "sample_seconds")))
    for way in WAYS:
        if way in results:
            bars.append(("onebyte, sample, " + way, spread(results[way], "sample_seconds")))
    if "mezo bfloat16" in results:
        bars.append(("PyTorch MeZO, bfloat16", spread(results["mezo bfloat16"], "sample_seconds")))
    bars.append(("onebyte, one forward", spread(results["onebyte 16x64"], "forward_seconds")))
    most, height = max(b[1][2] for b in bars), 30 * len(bars) + 50
    parts = ['<svg xmlns="http://www.w3.org/2000/svg" width="760" height="%d" font-family="sans-serif" font-size="13">' % height,
             '<text x="10" y="20">GPT-2 small, 16 × 64 tokens, seconds (median, lowest to highest)</text>']
    for i, (name, (middle, low, high)) in enumerate(bars):
        y, x = 35 + 30 * i, lambda seconds: 200 + 480 * seconds / most
        parts.append('<text x="10" y="%d">%s</text>' % (y + 15, name))
        parts.append('<rect x="200" y="%d" width="%.1f" height="20" fill="%s"/>' % (
            y, x(middle) - 200, "#2a6f97" if name.startswith("onebyte") else "#b0b0b0"))
        parts.append('<line x1="%.1f" x2="%.1f" y1="%d" y2="%d" stroke="black"/>' % (x(low), x(high), y + 10, y + 10))
        parts.append('<text x="%.1f" y="%d">%.2f</text>' % (x(high) + 6, y + 15, middle))
    return "\n".join(parts + ["</svg>", ""])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("--python")
    parser.add_argument("--cache", default="/tmp/onebyte-bench")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--more", action="store_true", help="add to existing results")
    parser.add_argument("--llamacpp")
    parser.add_argument("--gguf")
    parser.add_argument("--manifest")
    parser.add_argument("--rows")
    parser.add_argument("--quick", action="store_true", help="measure 16 × 64 tokens only")
    arguments = parser.parse_args()
    if (arguments.llamacpp or arguments.manifest) and not arguments.gguf or bool(arguments.manifest) != bool(arguments.rows):
        parser.error("--llamacpp and --manifest need --gguf, --manifest and --rows each other")
    results = collect(arguments)
    with open(os.path.join(arguments.cache, "plot.svg"), "w", encoding="utf-8") as file:
        file.write(plot(results))
    with open(os.path.join(arguments.cache, "table.md"), "w", encoding="utf-8") as file:
        file.write(table(results) + "\n")
    print(table(results))


if __name__ == "__main__":
    main()
