"""ports.py - ports of loopback for daemons that a test starts."""
import os
import socket

RANGE = range(20000, 32000)  # below those that the kernel gives to outgoing connections


def free_port():
    """The first of three in a row; each process looks from another place on."""
    start = RANGE.start + 3 * (os.getpid() % 3000)
    for first in range(start, RANGE.stop, 3):
        sockets = [socket.socket() for _ in range(3)]
        try:
            for i, s in enumerate(sockets):
                s.bind(("127.0.0.1", first + i))
            return first
        except OSError:
            continue
        finally:
            for s in sockets:
                s.close()
    raise SystemExit("FAILED: no free port")
