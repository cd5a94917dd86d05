# SPDX-License-Identifier: BSD-2-Clause
"""A FastCGI responder that keeps what a web server sends it: what nginx, lighttpd and Apache pass on."""

import contextlib
import os
import queue
import socket
import struct
import threading

BEGIN_REQUEST, END_REQUEST, PARAMS, STDIN, STDOUT = 1, 3, 4, 5, 6


class Request:
    """
    One request: params as a list of pairs, in the order in which they came, the body, and whether the connection is
    to be kept.
    """

    def __init__(self, number, params, body, is_kept):
        self.number = number
        self.params = params
        self.body = body
        self.is_kept = is_kept

    def names(self):
        return [name for name, _ in self.params]

    def __getitem__(self, name):
        """The value of a parameter that came exactly once."""
        values = [value for key, value in self.params if key == name]
        assert len(values) == 1, f"{name}: {values}"
        return values[0]


class Recorder:
    """
    Listens on a unix socket, and counts `connections`. Each request is put into `requests`, and answered by
    answer(request, write), which calls write(bytes) with pieces of the CGI answer.
    """

    def __init__(self, path, answer=None):
        self.requests = queue.Queue()
        self.connections = 0
        self.answer = answer or self.say_ok
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(512)
        threading.Thread(target=self._run, daemon=True).start()

    @staticmethod
    def say_ok(_, write):
        write(b"Status: 200 OK\r\nContent-Type: application/json\r\n\r\n{}")

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self._listener.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _run(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection, contextlib.suppress(OSError, EOFError):
            request = read_request(connection.makefile("rb"))
            self.requests.put(request)
            self.answer(request, lambda data: connection.sendall(stdout_records(request.number, data)))
            connection.sendall(record(STDOUT, request.number, b""))
            connection.sendall(record(END_REQUEST, request.number, b"\0" * 8))


def record(kind, number, content):
    return struct.pack("!BBHHBx", 1, kind, number, len(content), 0) + content


def stdout_records(number, data):
    return b"".join(record(STDOUT, number, data[i : i + 65535]) for i in range(0, len(data), 65535))


def read_exactly(file, length):
    data = file.read(length)
    if len(data) < length:
        raise EOFError
    return data


def read_request(file):
    params, body, number, is_kept = b"", b"", 0, False
    while True:
        _, kind, number, length, padding = struct.unpack("!BBHHBx", read_exactly(file, 8))
        content = read_exactly(file, length)
        read_exactly(file, padding)
        if kind == BEGIN_REQUEST:
            is_kept = bool(content[2] & 1)
        elif kind == PARAMS:
            params += content
        elif kind == STDIN:
            body += content
            if not content:
                return Request(number, list(pairs(params)), body, is_kept)


def pairs(data):
    """FastCGI 1.0, section 3.4."""
    at = 0

    def length():
        nonlocal at
        if data[at] < 128:
            at += 1
            return data[at - 1]
        at += 4
        return struct.unpack("!I", data[at - 4 : at])[0] & 0x7FFFFFFF

    while at < len(data):
        name_length, value_length = length(), length()
        name = data[at : at + name_length].decode("latin-1")
        at += name_length
        yield name, data[at : at + value_length].decode("latin-1")
        at += value_length
