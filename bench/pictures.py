#!/usr/bin/env python3
"""The pictures of docs/operations.md, from a real swarm on loopback: four machines train with held-out rows, one of them is stopped,
one's certificate expires soon. Needs Chromium, pyte and Pillow (Debian: chromium, python3-pyte, python3-pil, fonts-dejavu-core).

    bench/pictures.py BUILD FOLDER [--seconds S]"""
import argparse
import html
import json
import os
import pty
import random
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
import fcntl

import pyte
from PIL import Image

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests", "support"))
from browser import Browser  # noqa: E402

NAMES = ["alice", "bob", "carol", "dave"]
COLOURS = {"default": "#d8dee6", "green": "#7ad992", "red": "#ff8a80", "brown": "#f2c14e", "yellow": "#f2c14e", "blue": "#7fb2ff", "cyan": "#7fd8e0",
           "magenta": "#d9a0ff", "black": "#14171b", "white": "#e6e9ed"}


class Swarm:
    def __init__(self, build):
        self.build, self.folder, self.port = build, tempfile.mkdtemp(prefix="onebyte-pictures-"), random.randrange(20000, 32000)
        self.page = self.port + 20
        self.processes = []

    def at(self, name):
        return os.path.join(self.folder, name)

    def tool(self, *words):
        return subprocess.run([os.path.join(self.build, "onebyte"), *words], check=True, capture_output=True, text=True).stdout

    def __enter__(self):
        model, data = os.path.join(ROOT, "examples", "kjv-1m"), os.path.join(ROOT, "examples", "jargon")
        self.tool("run", "create", "--name", "jargon", "--model", model, "--adapters", "none", "--out", self.at("run.json"), "--rounds", "20000", "--samples-per-round", "8",
                  "--schedule", "constant", "--lr", "3e-5")
        keys = []
        for name in NAMES:
            os.mkdir(self.at(name), 0o700)
            keys.append(self.tool("keygen", self.at(name + "/identity")).strip())
            self.tool("invite", "--authority", self.at("run.authority"), "--manifest", self.at("run.json"), "--machine", keys[-1], "--name", name,
                      "--out", self.at(name + "/certificate"), *(["--expiry", "2d"] if name == "carol" else []))
        for i, name in enumerate(NAMES):
            with open(self.at(name + ".conf"), "w", encoding="utf-8") as file:
                file.write("[machine]\nstate_dir = %s\nthreads = 1\ndigest_interval = 16\n[run]\nmanifest = %s\nmodel = %s\n" % (
                    self.at(name), self.at("run.json"), model))
                file.write("[network]\nlisten = tcp://127.0.0.1:%d\n[training]\ndata = %s/train.jsonl\nshard = %d\nshards = 4\nheld_out = %s/held_out.jsonl\n"
                           "held_out_interval = 16\nheld_out_share = 10\nbatch = 4\nlength = 32\n[swarm]\nrejoin_wait_s = 2\n" % (self.port + 3 * i, data, i, data))
                if i == 0:
                    file.write("[status]\nhttp = 127.0.0.1:%d\n" % self.page)
                file.write("[peers]\n" + "".join("%s = %s@tcp://127.0.0.1:%d\n" % (n, k, self.port + 3 * j) for j, (n, k) in enumerate(zip(NAMES, keys))))
            self.processes.append(subprocess.Popen([os.path.join(self.build, "onebyted"), "--config", self.at(name + ".conf")],
                                                   stderr=open(self.at(name + ".log"), "w", encoding="utf-8")))
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
            process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def status(self):
        return json.loads(self.tool("status", self.at("alice"), "--json"))


def wait(what, until, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if until():
                return
        except subprocess.CalledProcessError:
            pass
        time.sleep(0.5)
    sys.exit("never: " + what)


def terminal(command, columns, rows, seconds, keys=b""):
    """What stands on a terminal of that size after some seconds."""
    screen = pyte.Screen(columns, rows)
    stream = pyte.ByteStream(screen)
    pid, fd = pty.fork()
    if pid == 0:
        os.execvpe(command[0], command, dict(os.environ, TERM="xterm-256color", LC_ALL="C.UTF-8", COLUMNS=str(columns), LINES=str(rows)))
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if select.select([fd], [], [], 0.2)[0]:
            try:
                stream.feed(os.read(fd, 65536))
            except OSError:
                break
    shown = [[screen.buffer[y][x] for x in range(columns)] for y in range(rows)]
    if keys:
        os.write(fd, keys)
    os.kill(pid, signal.SIGTERM)
    os.waitpid(pid, 0)
    os.close(fd)
    while len(shown) > 1 and all(c.data == " " for c in shown[-1]):
        shown.pop()
    return shown


def as_page(shown):
    lines = []
    for row in shown:
        text = ""
        for c in row:
            front, back = COLOURS.get(c.fg, "#d8dee6"), None
            if c.reverse:
                front, back = "#14171b", "#d8dee6"
            style = "color:%s;" % front + ("background:%s;" % back if back else "") + ("font-weight:bold;" if c.bold else "")
            text += '<span style="%s">%s</span>' % (style, html.escape(c.data))
        lines.append(text)
    return ('<!doctype html><meta charset="utf-8"><body style="margin:0;background:#14171b"><pre style="margin:0;padding:14px;display:inline-block;'
            'font:14px/1.3 DejaVu Sans Mono,monospace">%s</pre>' % "\n".join(lines))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("folder")
    parser.add_argument("--seconds", type=float, default=120)
    a = parser.parse_args()
    os.makedirs(a.folder, exist_ok=True)
    out = lambda name: os.path.join(a.folder, name)  # noqa: E731
    with Swarm(a.build) as swarm, Browser() as browser:
        wait("four train and were evaluated", lambda: swarm.status()["live"] == 4 and swarm.status()["held_out"]["machines"] == 4, 120)
        time.sleep(a.seconds)
        swarm.processes[3].send_signal(signal.SIGSTOP)
        wait("dave is silent", lambda: any(p["kind"] == "silent" for p in swarm.status()["problems"]), 120)
        url = "http://127.0.0.1:%d/" % swarm.page
        for name, shape in {"page.png": (1200, 800, False, False), "page-dark.png": (1200, 800, False, True), "page-phone.png": (390, 844, True, True)}.items():
            browser.shape(*shape)
            browser.open(url)
            browser.wait("document.body.innerText.includes('live') && /d=\"M[0-9]/.test(document.getElementById('bytes').innerHTML)")
            browser.picture(out(name), full=not shape[2])
        state = swarm.at("alice")
        program = os.path.join(a.build, "onebyte")
        for name, shown in {"status.png": terminal([program, "status", state], 110, 30, 5), "top.png": terminal([program, "top", state], 110, 24, 5, b"q")}.items():
            with open(swarm.at("terminal.html"), "w", encoding="utf-8") as file:
                file.write(as_page(shown))
            browser.shape(1000, 300)
            browser.open("file://" + swarm.at("terminal.html"))
            browser.wait("document.querySelector('pre') !== null")
            width, height = browser.evaluate("(r => [Math.ceil(r.width), Math.ceil(r.height)])(document.querySelector('pre').getBoundingClientRect())")
            browser.shape(width, height)
            browser.picture(out(name))
    for name in sorted(os.listdir(a.folder)):
        Image.open(out(name)).convert("RGB").quantize(128, dither=Image.Dither.NONE).save(out(name), optimize=True)
        print("%s: %d kB" % (name, os.path.getsize(out(name)) // 1000))


main()
