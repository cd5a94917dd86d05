# SPDX-License-Identifier: BSD-2-Clause
"""
Peers that mean harm, on the daemons' own FastCGI sockets and on the web server's port: single attacks as bytes,
floods, and crowds of those who send or read too slowly. What they do to a site is judged by others; here it is done.
"""

import os
import pathlib
import random
import select
import socket
import struct
import threading
import urllib.parse

import fcgi_client as fcgi
from client import DEADLINE

NAMES = ("api", "push")
ROUTES = {"api": "/chat/v1/healthz", "push": "/chat/v1/tickets/T-1/poll?wait=0"}


def socket_of(stack, name):
    return str(stack.dir / "run" / f"{name}.sock")


# ---- one peer


class Peer:
    """A connection that does not mind what becomes of it."""

    def __init__(self, address, timeout=DEADLINE):
        self.socket = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
        self.socket.settimeout(timeout)
        self.socket.connect(address)

    def send(self, data):
        """False once the other side has closed."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def half_close(self):
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def read_to_end(self):
        """What comes until the other side closes; TimeoutError if it does not within the deadline."""
        data = b""
        try:
            while part := self.socket.recv(65536):
                data += part
        except ConnectionResetError:
            pass
        return data

    def close(self):
        self.socket.close()

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


# ---- bytes


def pairs_of(name, **extra):
    return fcgi.params(fcgi.cgi_params("GET", ROUTES[name], {"X-Request-Id": "hostile"}, **extra))


def whole(name, **extra):
    return fcgi.begin() + fcgi.stream(fcgi.PARAMS, pairs_of(name, **extra)) + fcgi.record(fcgi.STDIN)


def header(version=1, kind=fcgi.PARAMS, request_id=1, size=0, padding=0, reserved=0):
    return struct.pack("!BBHHBB", version, kind, request_id, size, padding, reserved)


def attacks(name):
    """name → bytes. None of them is a request, or all of it is; none may harm."""
    pairs, good = pairs_of(name), whole(name)
    begin, params = fcgi.begin(), fcgi.stream(fcgi.PARAMS, pairs)
    found = {
        "nothing": b"",
        "http": b"GET /chat/v1/healthz HTTP/1.1\r\nHost: x\r\n\r\n",
        "tls": bytes.fromhex("1603010200010001fc0303") + bytes(500),
        "zeros": bytes(70000),
        "ones": b"\xff" * 70000,
        "no begin": params + fcgi.record(fcgi.STDIN),
        "stdin before params": begin + fcgi.record(fcgi.STDIN, b"x") + params,
        "params after their end": begin + params + fcgi.record(fcgi.PARAMS, b"x"),
        "stdin after its end": good + fcgi.record(fcgi.STDIN, b"x" * 1000),
        "two begins": begin + begin + params,
        "no params": begin + fcgi.record(fcgi.PARAMS) + fcgi.record(fcgi.STDIN),
        "begin of id 0": fcgi.begin(request_id=0) + good,
        "begin too short": fcgi.record(fcgi.BEGIN_REQUEST, b"\0\1\0") + good,
        "begin too long": fcgi.record(fcgi.BEGIN_REQUEST, bytes([0, 1]) + bytes(300)) + good,
        "aborted at once": begin + fcgi.record(fcgi.ABORT_REQUEST),
        "aborted after params": begin + params + fcgi.record(fcgi.ABORT_REQUEST),
        "aborted after all": good + fcgi.record(fcgi.ABORT_REQUEST) * 100,
        "abort of another": begin + fcgi.record(fcgi.ABORT_REQUEST, request_id=9) + params + fcgi.record(fcgi.STDIN),
        "a request after the request": good + good,
        "padded to the brim": fcgi.record(fcgi.BEGIN_REQUEST, b"\0\1\0\0\0\0\0\0", padding=255)
        + fcgi.record(fcgi.PARAMS, pairs, padding=255)
        + fcgi.record(fcgi.PARAMS, padding=255)
        + fcgi.record(fcgi.STDIN, padding=255),
        "get_values": fcgi.record(fcgi.GET_VALUES, fcgi.params({"FCGI_MAX_CONNS": "", "FCGI_MPXS_CONNS": ""}), 0) + good,
        "get_values of nothing": fcgi.record(fcgi.GET_VALUES, b"", 0) + good,
        "get_values cut": fcgi.record(fcgi.GET_VALUES, b"\x0fx", 0) + good,
        "get_values with lengths that lie": fcgi.record(fcgi.GET_VALUES, b"\xff\xff\xff\xff\xff\xff\xff\xffx", 0) + good,
        "get_values of one long name": fcgi.record(fcgi.GET_VALUES, fcgi.pair("x" * 5000, ""), 0) + good,
        "get_values of many": fcgi.record(fcgi.GET_VALUES, fcgi.pair("FCGI_MAX_CONNS", "") * 3000, 0) + good,
        "get_values within a request": begin + fcgi.record(fcgi.GET_VALUES, fcgi.pair("FCGI_MPXS_CONNS", ""), 0) + params,
        "management of a request": begin + fcgi.record(fcgi.GET_VALUES, fcgi.pair("FCGI_MPXS_CONNS", ""), 1) + params,
        "a name of 2 GiB": begin + fcgi.record(fcgi.PARAMS, b"\xff\xff\xff\xff\x00x"),
        "a value of 2 GiB": begin + fcgi.record(fcgi.PARAMS, b"\x01\xff\xff\xff\xffx"),
        "lengths whose sum wraps": begin + fcgi.record(fcgi.PARAMS, b"\xff\xff\xff\xff\xff\xff\xff\xff" + b"x" * 60000),
        "a length cut": begin + fcgi.record(fcgi.PARAMS, b"\x80\0") + fcgi.record(fcgi.PARAMS),
        "a pair cut": begin + fcgi.record(fcgi.PARAMS, pairs[:-1]) + fcgi.record(fcgi.PARAMS) + fcgi.record(fcgi.STDIN),
        "a value too long": whole(name, HTTP_COOKIE="x" * 20000),
        "a name too long": begin + fcgi.stream(fcgi.PARAMS, fcgi.pair("X" * 300, "") + pairs) + fcgi.record(fcgi.STDIN),
        "params of 64 KiB": begin + fcgi.stream(fcgi.PARAMS, pairs + fcgi.pair("HTTP_X", "x" * 8000) * 9),
        "params without end": begin + fcgi.record(fcgi.PARAMS, fcgi.pair("A", "x" * 100) * 600) * 40,
        "empty pairs": begin + fcgi.stream(fcgi.PARAMS, b"\0\0" * 40000),
        "names with zeros": begin + fcgi.stream(fcgi.PARAMS, fcgi.pair(b"REQUEST_URI\0X", "/x") + pairs) + fcgi.record(fcgi.STDIN),
        "values with zeros": whole(name, REQUEST_URI="/chat/v1/healthz\0/../../x"),
        "values with lines": whole(name, HTTP_X_REQUEST_ID="x\r\nSet-Cookie: a=b"),
        "values that are not text": whole(name, HTTP_AUTHORIZATION=bytes(range(128, 256))),
        "the same name often": begin + fcgi.stream(fcgi.PARAMS, fcgi.pair("REQUEST_METHOD", "GET") * 3000) + fcgi.record(fcgi.STDIN),
        "a body without a length": begin + params + fcgi.stream(fcgi.STDIN, b"x" * 1000),
        "a body longer than its length": whole(name, CONTENT_LENGTH="3")[:-8] + fcgi.stream(fcgi.STDIN, b"x" * 100),
        "a body shorter than its length": whole(name, CONTENT_LENGTH="300")[:-8] + fcgi.stream(fcgi.STDIN, b"x"),
        "a length that is no number": whole(name, CONTENT_LENGTH="0x10"),
        "a negative length": whole(name, CONTENT_LENGTH="-1"),
        "a length of 2^64": whole(name, CONTENT_LENGTH="18446744073709551616"),
        "an endless body": begin + params + fcgi.record(fcgi.STDIN, b"x" * 65535) * 40,
        "empty bodies": begin + params + fcgi.record(fcgi.STDIN) * 2000,
    }  # fmt: skip
    for role in (0, 2, 3, 65535):
        found[f"role {role}"] = fcgi.begin(role=role) + params
    for version in (0, 2, 255):
        found[f"version {version}"] = header(version=version) + good
    for kind in (0, *range(2, 16), 128, 255):
        found[f"type {kind} of nobody"] = fcgi.record(kind, b"x" * 8, 0) + good
        found[f"type {kind} of another"] = begin + fcgi.record(kind, b"x" * 8, 7) + params + fcgi.record(fcgi.STDIN)
    return found


def interleaved(name):
    """Records of ten requests, cut small and dealt like cards. One of them is served."""
    streams = []
    for request_id in range(1, 11):
        parts = [fcgi.begin(request_id=request_id)]
        pairs = pairs_of(name)
        parts += [fcgi.record(fcgi.PARAMS, pairs[i : i + 9], request_id) for i in range(0, len(pairs), 9)]
        streams.append([*parts, fcgi.record(fcgi.PARAMS, b"", request_id), fcgi.record(fcgi.STDIN, b"", request_id)])
    return b"".join(b"".join(cards) for cards in zip(*streams))


def floods(name):
    """Endless kinds of nothing: name → a portion to be sent again and again, after a beginning."""
    value = fcgi.record(fcgi.GET_VALUES, fcgi.pair("FCGI_MPXS_CONNS", ""), 0)
    return {
        "get_values": (b"", value * 200),
        "get_values in a request": (fcgi.begin(), value * 200),
        "unknown types": (b"", fcgi.record(99, b"", 0) * 500),
        "empty records of nobody": (b"", fcgi.record(fcgi.STDIN, b"", 5) * 2000),
        "empty data": (fcgi.begin(), fcgi.record(fcgi.DATA, b"") * 2000),
        "padding": (fcgi.begin(), fcgi.record(fcgi.DATA, b"", padding=255) * 200),
        "begins of others": (fcgi.begin(), b"".join(fcgi.begin(request_id=i) for i in range(2, 200))),
        "aborts of others": (fcgi.begin(), b"".join(fcgi.record(fcgi.ABORT_REQUEST, b"", i) for i in range(2, 200))),
        "empty pairs": (fcgi.begin(), fcgi.record(fcgi.PARAMS, b"\0\0" * 5000)),
        "a body": (whole(name)[:-8], fcgi.record(fcgi.STDIN, b"x" * 60000)),
    }


def mutations(name, number, seed):
    """Whole requests with a few bytes of them changed, always the same ones for a seed."""
    chance = random.Random(seed)
    for _ in range(number):
        data = bytearray(whole(name))
        for _ in range(chance.randint(1, 6)):
            data[chance.randrange(len(data))] = chance.choice((0, 1, 127, 128, 255, chance.randrange(256)))
        yield bytes(data[: chance.randint(1, len(data))] if chance.random() < 0.3 else data)


# ---- crowds


class Crowd:
    """
    Peers of one kind, kept up in number: whoever is thrown out comes again. Each gets `request` a byte every
    `pause_s` seconds, or all at once where that is 0, and reads nothing; a sender's request never ends.
    """

    def __init__(self, address, number, request, pause_s=1.0):
        self.address, self.request, self.pause_s = address, request, pause_s
        self.peers = [None] * number
        self.sent = [0] * number
        self.thrown_out = 0
        self.stop = threading.Event()
        self.full = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def connect(self, i):
        peer = socket.socket(socket.AF_UNIX if isinstance(self.address, str) else socket.AF_INET)
        # What is not read has to fill something.
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.settimeout(DEADLINE)
        peer.connect(self.address)
        peer.setblocking(False)
        self.peers[i], self.sent[i] = peer, 0

    def is_gone(self, peer):
        """A hang-up shows without reading; a half-read answer does not count."""
        poll = select.poll()
        poll.register(peer, 0)
        return any(event & (select.POLLHUP | select.POLLERR) for _, event in poll.poll(0))

    def move(self, i):
        if self.peers[i] is not None and self.is_gone(self.peers[i]):
            self.peers[i].close()
            self.peers[i] = None
            self.thrown_out += 1
        try:
            if self.peers[i] is None:
                self.connect(i)
            rest = self.request[self.sent[i] :]
            if rest:
                self.sent[i] += self.peers[i].send(rest[:1] if self.pause_s else rest)
        except BlockingIOError:
            pass
        except OSError:
            if self.peers[i] is not None:
                self.peers[i].close()
            self.peers[i] = None
            self.thrown_out += 1

    def run(self):
        while not self.stop.is_set():
            for i in range(len(self.peers)):
                self.move(i)
            self.full.set()
            self.stop.wait(self.pause_s or 0.2)

    def __enter__(self):
        self.thread.start()
        assert self.full.wait(DEADLINE), "the crowd did not come"
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()
        for peer in self.peers:
            if peer is not None:
                peer.close()


def crowds(stack, number, ticket):
    """Slow senders and slow readers, on both sockets and through the web server, `number` of each kind."""
    site = stack.site
    token = site.token("crowd", role="service")
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    stream = f"/chat/v1/tickets/{ticket}/stream?since=0"
    history = f"/chat/v1/tickets/{ticket}/messages?limit=200"
    body = b'{"content": "' + b"x" * 500
    post = fcgi.cgi_params("POST", f"/chat/v1/tickets/{ticket}/messages", headers, body + b"  ")
    slow_post = fcgi.begin() + fcgi.stream(fcgi.PARAMS, fcgi.params(post)) + fcgi.record(fcgi.STDIN, body)
    url = urllib.parse.urlsplit(site.plain_url)
    web = (url.hostname, url.port)
    api, push = socket_of(stack, "api"), socket_of(stack, "push")

    def get(uri):
        pairs = fcgi.cgi_params("GET", uri, headers)
        return fcgi.begin() + fcgi.stream(fcgi.PARAMS, fcgi.params(pairs)) + fcgi.record(fcgi.STDIN)

    def http(method, uri, tail=b""):
        head = f"{method} {uri} HTTP/1.1\r\nHost: {url.hostname}\r\nAuthorization: Bearer {token}\r\n"
        return head.encode() + tail

    return [
        # A byte a second of the head, and of the body with the head in one piece.
        Crowd(api, number, slow_post),
        Crowd(api, number, slow_post[:-400], pause_s=0),
        Crowd(push, number, get(stream)),
        Crowd(api, number, get(history), pause_s=0),
        Crowd(push, number, get(stream), pause_s=0),
        Crowd(web, number, http("POST", post["REQUEST_URI"], b"Content-Length: 600\r\n\r\n" + body)),
        Crowd(web, number, http("GET", history, b"\r\n"), pause_s=0),
        Crowd(web, number, http("GET", stream, b"\r\n"), pause_s=0),
    ]


# ---- what it did


def processes(stack):
    """(daemon, pid) of all masters and children."""
    return {(name, pid) for name in (*NAMES, "archive") for pid in [stack.pid(name), *stack.children(name)]}


def memory_kib(stack):
    """(daemon, pid) → its resident memory."""
    found = {}
    for name, pid in processes(stack):
        for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                found[name, pid] = int(line.split()[1])
    return found


def slack_kib(pid, kib):
    """`kib`, or what AddressSanitizer keeps of what is freed, up to 256 MiB, where it is in that process."""
    return 300 * 1024 if b"asan" in pathlib.Path(f"/proc/{pid}/maps").read_bytes() else kib


def descriptors(stack):
    """(daemon, pid) → how many it has open."""
    return {(name, pid): len(os.listdir(f"/proc/{pid}/fd")) for name, pid in processes(stack)}
