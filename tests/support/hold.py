#!/usr/bin/env python3
"""hold.py PORT COUNT - holds so many streams of the page's news and reads them, until it is killed. Says `held` when all are open."""
import select
import socket
import sys

held = []
for _ in range(int(sys.argv[2])):
    s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    s.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert b" 200 " in s.recv(4096)
    held.append(s)
print("held", flush=True)
while held:
    for s in select.select(held, [], [])[0]:
        if not s.recv(65536):
            held.remove(s)
