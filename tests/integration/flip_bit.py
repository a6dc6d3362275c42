#!/usr/bin/env python3
"""Flips one bit of a weight in a running daemon's memory, as a cosmic ray would: nothing in the daemon helps.

flip_bit.py PID MANIFEST CHECKPOINT BIT

CHECKPOINT is an F32 export of the log that the daemon holds at rest: its values, as the integers that they stand for,
are looked for in the process. Exit code 77: this system does not let us touch another process."""
import json
import struct
import sys

WINDOW = 32
LARGEST = 1 << 30  # of a region that can hold them: a sanitizer reserves terabytes


def windows(manifest, checkpoint):
    """Runs of integers that a float32 holds exactly, tensor by tensor."""
    with open(checkpoint, "rb") as file:
        size = struct.unpack("<Q", file.read(8))[0]
        header = json.loads(file.read(size))
        for tensor in manifest["tensors"]:
            entry = header[tensor["name"]]
            assert entry["dtype"] == "F32"
            file.seek(8 + size + entry["data_offsets"][0])
            count = min(4096, (entry["data_offsets"][1] - entry["data_offsets"][0]) // 4)
            values = struct.unpack(f"<{count}f", file.read(4 * count))
            whole = [value * 2.0 ** tensor["exponent"] for value in values]
            for at in range(0, count - WINDOW, WINDOW):
                part = whole[at:at + WINDOW]
                if all(0 < abs(value) < 2**24 and value == int(value) for value in part):
                    yield tensor["name"], at, struct.pack(f"<{WINDOW}i", *map(int, part))


def regions(pid):
    for line in open(f"/proc/{pid}/maps"):
        fields = line.split()
        if fields[1].startswith("rw") and (len(fields) == 5 or fields[5] == "[heap]"):
            first, end = (int(end, 16) for end in fields[0].split("-"))
            if end - first <= LARGEST:
                yield first, end


def find(memory, pid, pattern):
    places = []
    for first, end in regions(pid):
        try:
            memory.seek(first)
            data = memory.read(end - first)
        except OSError:
            continue
        at = data.find(pattern)
        while at >= 0:
            places.append(first + at)
            at = data.find(pattern, at + 1)
    return places


def main():
    pid, bit = int(sys.argv[1]), int(sys.argv[4])
    name, at, pattern = next(windows(json.load(open(sys.argv[2])), sys.argv[3]))
    try:
        memory = open(f"/proc/{pid}/mem", "r+b", buffering=0)
    except PermissionError as error:
        print(f"skipped: {error}")
        sys.exit(77)
    places = find(memory, pid, pattern)
    if len(places) != 1:
        sys.exit(f"the weights were found {len(places)} times")
    memory.seek(places[0])
    value = struct.unpack("<I", memory.read(4))[0]
    memory.seek(places[0])
    memory.write(struct.pack("<I", value ^ 1 << bit))
    print(f"bit {bit} of {name}[{at}] flipped")


main()
