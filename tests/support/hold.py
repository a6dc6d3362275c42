#!/usr/bin/env python3
"""hold.py PORT COUNT - holds so many streams of the page's news and reads them, until it is killed. Says `held` when all are open;
those of somebody before may keep their places for a while."""
import select
import socket
import sys
import time

held = []
while len(held) < int(sys.argv[2]):
    s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    s.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    if b" 200 " in s.recv(4096):
        held.append(s)
    else:
        s.close()
        time.sleep(0.2)
print("held", flush=True)
while held:
    for s in select.select(held, [], [])[0]:
        if not s.recv(65536):
            held.remove(s)
