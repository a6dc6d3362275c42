#!/usr/bin/env python3
"""events.py FILE RUN STATE_DIR [KIND MACHINE] - what on_event was told: each line of FILE is one event as JSON, whole and valid, of
this run and daemon. Ends with 0 when that is so and, if they are named, an event of this kind and machine is among them; with 1 when
there is none (yet), with 2 when a line is not what it should be."""
import json
import sys
import time

KINDS = {"joined", "left", "silent", "back", "expires", "disk", "diverging", "split", "saturated", "starved", "finished", "halted", "isolated",
         "fork", "disagree", "proven", "healed", "twin", "cut", "expelled", "rotated", "recovered own", "slow", "outlier", "audit"}
TYPES = {"time": float, "event": str, "machine": str, "text": str, "run": str, "state_dir": str}


def check(line, run, state_dir):
    event = json.loads(line)
    if {key: type(value) for key, value in event.items()} != TYPES:
        raise ValueError("other keys or types")
    if event["run"] != run or event["state_dir"] != state_dir:
        raise ValueError("another run or daemon")
    if abs(event["time"] - time.time()) > 3600:
        raise ValueError("another time")
    if event["event"] not in KINDS or not event["text"].isprintable():
        raise ValueError("an unknown kind, or a text of several lines")
    return event


def main():
    path, run, state_dir, *wanted = sys.argv[1:]
    try:
        text = open(path, encoding="utf-8").read()
    except FileNotFoundError:
        sys.exit(1)
    events = []
    for line in text.splitlines():
        try:
            events.append(check(line, run, state_dir))
        except ValueError as why:
            print(f"{why}: {line}", file=sys.stderr)
            sys.exit(2)
    sys.exit(0 if not wanted or any([e["event"], e["machine"]] == wanted and e["text"] for e in events) else 1)


main()
