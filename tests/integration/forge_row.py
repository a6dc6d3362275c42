#!/usr/bin/env python3
"""forge_row.py LOG MACHINE [N] - flips a bit of a sample in the N-th record (from 0; default 2) of a machine in a log that no daemon
has open, and makes the row's check right again: what somebody who reads docs/files.md can do with sqlite3."""
import hashlib
import sqlite3
import struct
import sys

path, machine, number = sys.argv[1], bytes.fromhex(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 2
db = sqlite3.connect(path)
row = db.execute("SELECT number FROM machine WHERE key = ?", (machine,)).fetchone()
first, data = db.execute("SELECT first, data FROM record WHERE machine = ? ORDER BY first LIMIT 1 OFFSET ?",
                         (row[0], number)).fetchone()
data = bytearray(data[:-4])
data[-65] ^= 1  # the last sample's byte, before the signature
check = hashlib.blake2b(machine + struct.pack("<Q", first) + data, digest_size=32).digest()[:4]
db.execute("UPDATE record SET data = ? WHERE machine = ? AND first = ?", (bytes(data) + check, row[0], first))
db.commit()
print(first)
