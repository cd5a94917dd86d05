# SPDX-License-Identifier: BSD-2-Clause
"""Ways to PostgreSQL or Redis: on which all goes by, and on which answers get lost."""

import contextlib
import select
import socket
import threading
import urllib.parse


class Way:
    """A way to a store. What passes by may be changed or kept by those who inherit it; all of it is let through here."""

    def __init__(self, url):
        self.store = urllib.parse.urlsplit(url)
        self.listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self.accept, daemon=True).start()

    @property
    def url(self):
        name = f"{self.store.username}:{self.store.password}"
        port = self.listener.getsockname()[1]
        return self.store._replace(netloc=f"{name}@127.0.0.1:{port}").geturl()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self.carry, args=(client,), daemon=True).start()

    def carry(self, client):
        server, marks = socket.create_connection((self.store.hostname, self.store.port)), set()
        with client, server, contextlib.suppress(OSError):
            while True:
                for ready in select.select([client, server], [], [])[0]:
                    data = ready.recv(65536)
                    if data:
                        data = self.asked(data, marks) if ready is client else self.answered(data, marks)
                    if not data:
                        return
                    (server if ready is client else client).sendall(data)

    def asked(self, data, marks):
        """What of it goes to the store; nothing ends the connection, to which `marks` belong."""
        return data

    def answered(self, data, marks):
        return data

    def close(self):
        self.listener.close()


class Lossy(Way):
    """
    Loses the answers to the next `times` statements or commands that have `lose` in them.
    And rewrite=(old, new) has the store say something else, of the same length.
    """

    def __init__(self, url):
        self.lose, self.times = None, 1
        self.lost = 0
        self.rewrite = None
        super().__init__(url)

    def asked(self, data, marks):
        if self.times and self.lose and self.lose in data:
            marks.add("lose")
            self.times -= 1
        return data

    def answered(self, data, marks):
        if "lose" in marks:
            self.lost += 1
            return None
        return data.replace(*self.rewrite) if self.rewrite else data
