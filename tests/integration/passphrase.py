#!/usr/bin/env python3
"""passphrase.py BINARIES SOURCES: asking for a passphrase in a terminal. It is never shown, and whatever ends or stops the question,
the terminal shows again what is typed: a signal (Ctrl-C and Ctrl-\\ typed, SIGTERM, SIGHUP, two at once), Ctrl-Z, the end of the
input. One that was stopped asks anew and hides the answer. No time is asserted."""
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import termios
import time

BIN, ROOT = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
WORK = tempfile.mkdtemp(prefix="onebyte-passphrase-")
ONEBYTE, KEY = BIN + "/onebyte", WORK + "/run.authority"
LIMIT_S = 60  # against hanging, not a time that is asserted
NEW, PROMPT, AGAIN, SECRET = b"New passphrase: ", b"authority key: ", b"again: ", b"correct horse"
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith(("ONEBYTE_", "XDG_"))} | {"HOME": WORK, "TERM": "xterm"}


def fail(message):
    raise SystemExit(f"FAILED: {message}")


class Terminal:
    """A terminal that outlives the command in it: we keep its other side open and are no process of its session."""

    def __init__(self, *command):
        self.master, self.slave = pty.openpty()
        self.shown, self.taken = b"", 0
        self.pid = os.fork()
        if self.pid == 0:
            os.setsid()
            os.close(self.master)
            os.close(os.open(os.ttyname(self.slave), os.O_RDWR))  # ours from now on
            for fd in (0, 1, 2):
                os.dup2(self.slave, fd)
            if os.fork() == 0:  # a leader of a session, whose group is orphaned, could not be stopped
                os.setpgid(0, 0)
                signal.signal(signal.SIGTTOU, signal.SIG_IGN)
                os.tcsetpgrp(0, os.getpid())
                signal.signal(signal.SIGTTOU, signal.SIG_DFL)
                os.execve(ONEBYTE, [ONEBYTE, *command], ENVIRONMENT)
            self.be_shell()

    @staticmethod
    def be_shell():
        """Says on its output what became of the command."""
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        while True:
            _, status = os.waitpid(-1, os.WUNTRACED)
            if os.WIFSTOPPED(status):
                os.write(1, b"[stopped]\n")
                continue
            code = os.waitstatus_to_exitcode(status)
            os.write(1, b"[ended %d]\n" % code)
            while True:  # so that the terminal stays as it is
                signal.pause()

    def command(self):
        children = open(f"/proc/{self.pid}/task/{self.pid}/children").read().split()
        return int(children[0])

    def wait_for(self, word):
        end = time.monotonic() + LIMIT_S
        while time.monotonic() < end:
            at = self.shown.find(word, self.taken)
            if at >= 0:
                self.taken = at + len(word)
                return
            if select.select([self.master], [], [], 0.05)[0]:
                self.shown += os.read(self.master, 4096)
        fail(f"never says {word!r}: {self.shown}")

    def type(self, text):
        os.write(self.master, text)

    def echoes(self):
        return bool(termios.tcgetattr(self.slave)[3] & termios.ECHO)

    def wait_hidden(self):
        """After a prompt; a process that goes on may need a moment."""
        end = time.monotonic() + LIMIT_S
        while self.echoes():
            if time.monotonic() > end:
                fail(f"what is typed is shown: {self.shown}")
            time.sleep(0.01)

    def close(self, name):
        if not self.echoes():
            fail(f"{name}: the terminal no longer shows what is typed")
        if SECRET in self.shown or b"correct" in self.shown:
            fail(f"{name}: the passphrase is shown: {self.shown}")
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.master)
        os.close(self.slave)


def asked():
    terminal = Terminal("authority", "protect", KEY, "--off")
    terminal.wait_for(PROMPT)
    terminal.wait_hidden()
    terminal.type(b"correct")
    return terminal


def ends_by(name, code, *how):
    terminal = asked()
    for one in how:
        if isinstance(one, bytes):
            terminal.type(one)
        else:
            os.kill(terminal.command(), one)
    terminal.wait_for(b"[ended ")
    terminal.wait_for(b"]")
    got = int(terminal.shown[terminal.shown.rindex(b"[ended ") + 7 : terminal.shown.rindex(b"]")])
    if got not in code:
        fail(f"{name}: ended with {got}: {terminal.shown}")
    terminal.close(name)


def stopped(name, how):
    terminal = asked()
    for _ in range(2):
        if isinstance(how, bytes):
            terminal.type(how)
        else:
            os.kill(terminal.command(), how)
        terminal.wait_for(b"[stopped]")
        if how != signal.SIGSTOP and not terminal.echoes():
            fail(f"{name}: a stopped question leaves the terminal silent")
        attributes = termios.tcgetattr(terminal.slave)
        attributes[3] |= termios.ECHO  # as shells do
        termios.tcsetattr(terminal.slave, termios.TCSANOW, attributes)
        os.kill(terminal.command(), signal.SIGCONT)
        terminal.wait_for(PROMPT)
        terminal.wait_hidden()
    terminal.type(SECRET + b"\n")
    terminal.wait_for(b"a plain key again")
    terminal.wait_for(b"[ended 0]")
    terminal.close(name)
    protect()


def protect():
    terminal = Terminal("authority", "protect", KEY)
    for prompt in (NEW, AGAIN):
        terminal.wait_for(prompt)
        terminal.wait_hidden()
        terminal.type(SECRET + b"\n")
    terminal.wait_for(b"[ended 0]")
    terminal.close("a new passphrase")


def main():
    made = subprocess.run([ONEBYTE, "run", "create", "--model", ROOT + "/examples/kjv-1m", "--out", WORK + "/run.json", "--adapters",
                           "none", "--lr", "1e-5"], env=ENVIRONMENT, capture_output=True, text=True, timeout=LIMIT_S)
    if made.returncode != 0:
        fail(f"run create: {made.stderr}")
    protect()
    ends_by("Ctrl-C", [-signal.SIGINT], b"\x03")
    ends_by("Ctrl-\\", [-signal.SIGQUIT], b"\x1c")
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGALRM):
        ends_by(number.name, [-number], number)
    ends_by("two signals", [-signal.SIGTERM, -signal.SIGINT], signal.SIGTERM, signal.SIGINT)
    ends_by("the end of the input", [1, 2], b"\x15\x04")
    ends_by("a wrong passphrase", [1, 2], b" donkey\n")
    stopped("Ctrl-Z", b"\x1a")
    stopped("SIGTSTP", signal.SIGTSTP)
    stopped("SIGSTOP", signal.SIGSTOP)


try:
    main()
finally:
    shutil.rmtree(WORK, ignore_errors=True)
