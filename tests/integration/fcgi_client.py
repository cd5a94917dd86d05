# SPDX-License-Identifier: BSD-2-Clause
"""A FastCGI client over a plain unix socket, polite or hostile.

call() is a whole request and its answer. Where a test wants to misbehave, the pieces are public:
record(), pair(), params() and Connection.send() put any bytes on the wire, in any portions.
"""

import json
import socket
import struct
import time

BEGIN_REQUEST, ABORT_REQUEST, END_REQUEST = 1, 2, 3
PARAMS, STDIN, STDOUT, STDERR, DATA = 4, 5, 6, 7, 8
GET_VALUES, GET_VALUES_RESULT, UNKNOWN_TYPE = 9, 10, 11
RESPONDER = 1
KEEP_CONN = 1


def record(kind, content=b"", request_id=1, padding=0):
    header = struct.pack("!BBHHBx", 1, kind, request_id, len(content), padding)
    return header + content + b"\0" * padding


def begin(role=RESPONDER, flags=0, request_id=1):
    return record(BEGIN_REQUEST, struct.pack("!HB5x", role, flags), request_id)


def length(n):
    return bytes([n]) if n < 128 else struct.pack("!I", n | 0x80000000)


def pair(name, value):
    name, value = as_bytes(name), as_bytes(value)
    return length(len(name)) + length(len(value)) + name + value


def params(pairs):
    """The name-value block of a mapping or of a list of pairs (which may repeat a name)."""
    items = pairs.items() if hasattr(pairs, "items") else pairs
    return b"".join(pair(name, value) for name, value in items)


def stream(kind, content, request_id=1, size=65535):
    """Content as records of at most `size` bytes and the empty one that ends the stream."""
    parts = [content[i : i + size] for i in range(0, len(content), size)]
    return b"".join(record(kind, part, request_id) for part in parts) + record(kind, b"", request_id)


def as_bytes(value):
    return value if isinstance(value, bytes) else str(value).encode()


def cgi_params(method, uri, headers=None, body=b"", **extra):
    """The parameters that a web server makes of an HTTP request."""
    path, _, query = uri.partition("?")
    out = {
        "REQUEST_METHOD": method,
        "REQUEST_URI": uri,
        "DOCUMENT_URI": path,
        "QUERY_STRING": query,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTPS": "on",
    }
    if body:
        out["CONTENT_LENGTH"] = str(len(body))
    for name, value in (headers or {}).items():
        name = name.upper().replace("-", "_")
        out[name if name in ("CONTENT_TYPE", "CONTENT_LENGTH") else "HTTP_" + name] = value
    out.update(extra)
    return out


class Response:
    def __init__(self, stdout, stderr, app_status, protocol_status):
        self.stderr, self.app_status, self.protocol_status = stderr, app_status, protocol_status
        head, _, self.body = stdout.partition(b"\r\n\r\n")
        self.headers = []
        for line in head.split(b"\r\n") if head else []:
            name, _, value = line.decode("latin-1").partition(":")
            self.headers.append((name.strip().lower(), value.strip()))
        self.status = int((self.header("status") or "200").split()[0])

    def header(self, name):
        return next((value for key, value in self.headers if key == name.lower()), None)

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return "<%d %r>" % (self.status, self.body[:300])


class Closed(Exception):
    """The server closed the connection before the answer was complete."""


class Connection:
    def __init__(self, path, timeout=10.0):
        self.timeout = timeout
        self.buffer = b""
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        self.socket.connect(path)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def send_in_portions(self, data, size=1):
        for i in range(0, len(data), size):
            self.socket.sendall(data[i : i + size])

    def request(self, pairs, body=b"", flags=0):
        self.send(begin(flags=flags) + stream(PARAMS, params(pairs)) + stream(STDIN, body))

    def receive_some(self, deadline):
        self.socket.settimeout(max(0.001, deadline - time.monotonic()))
        data = self.socket.recv(65536)
        if not data:
            raise Closed()
        self.buffer += data

    def receive_record(self, deadline):
        """(type, request id, content) of the next record."""
        while len(self.buffer) < 8:
            self.receive_some(deadline)
        _, kind, request_id, size, padding = struct.unpack("!BBHHBx", self.buffer[:8])
        while len(self.buffer) < 8 + size + padding:
            self.receive_some(deadline)
        content = self.buffer[8 : 8 + size]
        self.buffer = self.buffer[8 + size + padding :]
        return kind, request_id, content

    def response(self):
        deadline = time.monotonic() + self.timeout
        out, err = b"", b""
        while True:
            kind, _, content = self.receive_record(deadline)
            if kind == STDOUT:
                out += content
            elif kind == STDERR:
                err += content
            elif kind == END_REQUEST:
                app_status, protocol_status = struct.unpack("!IB3x", content)
                return Response(out, err, app_status, protocol_status)

    def wait_closed(self):
        """Reads until the server closes; the bytes that were left. TimeoutError if it does not."""
        deadline = time.monotonic() + self.timeout
        try:
            while True:
                self.receive_some(deadline)
        except (Closed, ConnectionResetError):
            return self.buffer


def call(path, method, uri, token=None, body=None, headers=None, timeout=10.0, **extra):
    """One request on a connection of its own. A body that is not bytes is sent as JSON."""
    headers = dict(headers or {})
    if token is not None:
        headers.setdefault("Authorization", "Bearer " + token)
    data = b""
    if body is not None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers.setdefault("Content-Type", "application/json")
    with Connection(path, timeout) as connection:
        connection.request(cgi_params(method, uri, headers, data, **extra), data)
        return connection.response()
