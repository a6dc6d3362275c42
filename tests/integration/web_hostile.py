#!/usr/bin/env python3
"""web_hostile.py PORT - clients of the page that are slow, many, or send what is no request. Each is refused or ended, and
an honest one is answered meanwhile."""
import os
import socket
import sys
import time
import urllib.request

PORT = int(sys.argv[1])
LIMIT = 16  # connections of one address (web/server.h)
STREAMS = 8  # web/streams.h


def connect():
    return socket.create_connection(("127.0.0.1", PORT), timeout=90)


def honest():
    with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/metrics", timeout=30) as answer:
        assert b"onebyte_round" in answer.read()


def first_line(data):
    """Sends it all; what comes back, empty when the connection just ends."""
    with connect() as s:
        try:
            s.sendall(data)
            return s.recv(4096).split(b"\r\n")[0]
        except (ConnectionResetError, BrokenPipeError):
            return b""


def ended(s):
    """It is closed by the other side, whatever comes before that."""
    try:
        while s.recv(4096):
            pass
    except ConnectionResetError:
        pass
    return True


def listen(receive_bytes=None):
    """A stream of news, and the first line of the answer."""
    s = socket.socket()
    s.settimeout(90)
    if receive_bytes:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    s.connect(("127.0.0.1", PORT))
    s.sendall(b"GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    return s, s.recv(64).split(b"\r\n")[0]


def until_accepted():
    """A stream, as soon as there is a place for one."""
    end = time.monotonic() + 180
    while time.monotonic() < end:
        s, line = listen()
        if b" 200 " in line:
            return s
        s.close()
        time.sleep(0.5)
    sys.exit("the places of streams are never free again")


def streams():
    # all places are taken: the next is refused, and everything else is answered
    held = [listen() for _ in range(STREAMS)]
    assert all(b" 200 " in line for _, line in held), [line for _, line in held]
    extra, line = listen()
    assert b" 503 " in line, line
    honest()
    for s, _ in held:
        s.close()
    extra.close()

    # who comes and goes leaves no place taken
    for _ in range(50):
        until_accepted().close()

    # who never reads costs its place for a while, and nobody else anything
    deaf = []
    while len(deaf) < STREAMS:
        s, line = listen(4096)
        if b" 200 " in line:
            deaf.append(s)
        else:
            s.close()
            time.sleep(0.2)
    assert b" 503 " in listen()[1]
    honest()
    until_accepted().close()
    honest()
    for s in deaf:
        s.close()

    # what comes after the request is not read
    s, line = listen()
    s.sendall(b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 1000)
    text = b""
    while text.count(b"event: status") < 2:
        part = s.recv(65536)
        if not part:
            break
        text += part
    assert b"onebyte_round" not in text
    s.close()


def main():
    host = b"Host: 127.0.0.1\r\n"
    for data in [b"GET /metrics HTTP/1.1\r\n" + host + b"X: " + b"a" * (1 << 20) + b"\r\n\r\n",
                 b"GET /" + b"a" * (1 << 20) + b" HTTP/1.1\r\n" + host + b"\r\n",
                 b"GET / HTTP/1.1\r\n" + host + b"X: a\r\n" * 100000 + b"\r\n",
                 b"\0" * 100000 + b"\r\n\r\n",
                 os.urandom(50000) + b"\r\n\r\n",
                 b"GET / HTTP/1.1\r\n\r\n",  # no host
                 b"POST / HTTP/1.1\r\n" + host + b"Content-Length: 99999999999999999999\r\n\r\n",
                 b"POST / HTTP/1.1\r\n" + host + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
                 b"CONNECT a:1 HTTP/1.1\r\n" + host + b"\r\n"]:
        line = first_line(data)
        assert b" 200 " not in line, (data[:40], line)
        honest()

    # one request a connection: what follows it is not served
    with connect() as s:
        s.sendall((b"GET /nothing HTTP/1.1\r\n" + host + b"\r\n") * 50)
        text = b""
        try:
            while part := s.recv(65536):
                text += part
        except ConnectionResetError:
            pass
        assert text.count(b"HTTP/1.1 404") <= 1, text.count(b"HTTP/1.1 404")

    # idle, half a request, a byte now and then, an answer that is not read: all but one of the places of this address
    held = [connect() for _ in range(LIMIT - 1)]
    for s in held[::3]:
        s.sendall(b"GET / HTTP/1.1\r\nX: ")
    held[1].sendall(b"GET / HTTP/1.1\r\n" + host + b"\r\n")
    began = time.monotonic()
    honest()
    more = [connect() for _ in range(3 * LIMIT)]  # too many of one address: ended at once
    assert sum(ended(s) for s in more[1:]) == len(more) - 1
    trickling = True
    while trickling and time.monotonic() - began < 90:
        try:
            held[0].sendall(b"a")
            time.sleep(0.5)
        except (ConnectionResetError, BrokenPipeError):
            trickling = False
    assert not trickling, "a client that sends a byte now and then is never ended"
    assert all(ended(s) for s in held)
    for s in held + more:
        s.close()
    honest()
    streams()


main()
