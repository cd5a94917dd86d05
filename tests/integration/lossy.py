# SPDX-License-Identifier: BSD-2-Clause
"""A way to PostgreSQL or Redis on which answers get lost."""

import contextlib
import select
import socket
import threading
import urllib.parse


class Lossy:
    """
    A way to a store that loses the answers to the next `times` statements or commands that have `lose` in them.
    And rewrite=(old, new) has the store say something else, of the same length.
    """

    def __init__(self, url):
        self.store = urllib.parse.urlsplit(url)
        self.lose, self.times = None, 1
        self.lost = 0
        self.rewrite = None
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
        server = socket.create_connection((self.store.hostname, self.store.port))
        is_marked = False
        with client, server, contextlib.suppress(OSError):
            while True:
                for ready in select.select([client, server], [], [])[0]:
                    data = ready.recv(65536)
                    if not data:
                        return
                    if ready is client and self.times and self.lose and self.lose in data:
                        is_marked = True
                        self.times -= 1
                    if ready is server and is_marked:
                        self.lost += 1
                        return
                    if ready is server and self.rewrite:
                        data = data.replace(*self.rewrite)
                    (server if ready is client else client).sendall(data)

    def close(self):
        self.listener.close()
