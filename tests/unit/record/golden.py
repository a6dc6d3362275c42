"""Makes the vectors of golden.h with Python's hashlib and OpenSSL's Ed25519: nothing of onebyte takes part.

Run: python3 golden.py > golden.h"""
import hashlib
import os
import struct
import subprocess
import tempfile

SEED = bytes(range(32))
PKCS8 = bytes.fromhex("302e020100300506032b657004220420")


def openssl(*words, data):
    return subprocess.run(["openssl", *words], input=data, check=True, capture_output=True).stdout


def blake2b(data):
    return hashlib.blake2b(data, digest_size=32).digest()


def sign(folder, message):
    path = os.path.join(folder, "message")
    with open(path, "wb") as file:
        file.write(message)
    return openssl("pkeyutl", "-sign", "-inkey", os.path.join(folder, "key"), "-rawin", "-in", path, data=b"")


def define(name, data):
    text = data.hex()
    lines = [text[i : i + 80] for i in range(0, len(text), 80)]
    print(f"#define {name}" + "".join(f" \\\n    \"{line}\"" for line in lines))


def main():
    with tempfile.TemporaryDirectory() as folder:
        pem = openssl("pkey", "-inform", "DER", data=PKCS8 + SEED)
        with open(os.path.join(folder, "key"), "wb") as file:
            file.write(pem)
        machine = openssl("pkey", "-pubout", "-outform", "DER", data=pem)[-32:]
        run, prev = blake2b(b"golden run"), blake2b(b"golden prev")
        record = machine + struct.pack("<QIHHbB", 1000, 77, 3, 4, -2, 0) + prev + bytes([0x01, 0x80, 0xFF, 0x60])
        body = b"onebyte/record/1" + run + record
        control = bytes([1, 0]) + struct.pack("<H", 8) + machine + machine + struct.pack("<QQ", 5, 1004)
        heartbeat = run + machine + struct.pack("<QQQBQI", 0x1122334455667788, 9, 0x99AA, 1, 1004, 78)
        heartbeat += b"".join(bytes([byte]) * 32 for byte in (0x11, 0x22, 0x33, 0x44))
        print("/* golden - vectors made by golden.py: the seed is 00 01 … 1f. */")
        print("/* clang-format off */")
        define("GOLDEN_MACHINE", machine)
        define("GOLDEN_RUN", run)
        define("GOLDEN_PREV", prev)
        define("GOLDEN_RECORD", record + sign(folder, body))
        define("GOLDEN_RECORD_HASH", blake2b(body))
        define("GOLDEN_CONTROL", control + sign(folder, b"onebyte/control1" + run + control))
        define("GOLDEN_HEARTBEAT", bytes([2, 2]) + heartbeat + sign(folder, b"onebyte/heartb/1" + heartbeat))


main()
