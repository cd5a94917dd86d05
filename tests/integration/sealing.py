# SPDX-License-Identifier: BSD-2-Clause
"""A site whose texts are sealed, for the tests of that."""

import os
import shutil
import signal
import tempfile
import urllib.parse

import psycopg2
from client import wait_for
from stack import Stack

WORKERS = 2


class Sealed(Stack):
    """A site that had no keys at first, and then got some. Its first ticket was written before that."""

    def __init__(self, directory):
        super().__init__(directory, env={"BELLHOP_API_WORKERS": str(WORKERS)})
        self.keys = self.dir / "seal.keys"
        self.plain = "T-plain"

    def begin(self):
        self.start()
        alice = self.site.api("alice")
        alice.sent(self.plain, marker(self.plain, "first"))
        edit(alice, self.plain, 1, marker(self.plain, "second"))
        alice.sent(self.plain, "short")
        self.add_key()
        self.extra_env["BELLHOP_SEAL_KEYS_FILE"] = str(self.keys)
        self.restart("api", "push")
        return self

    def restart(self, *names):
        for name in names:
            self.stop(name)
        self.start()

    def bellhop(self, *arguments, env=None, **options):
        keys = {"BELLHOP_SEAL_KEYS_FILE": str(self.keys)}
        return super().bellhop(*arguments, env={**keys, **(env or {})}, **options)

    def add_key(self):
        done = self.bellhop("keygen", "--seal", str(self.keys))
        assert done.returncode == 0, done.stderr
        assert f"BELLHOP_SEAL_KEYS_FILE={self.keys}\n" in done.stdout
        return self.key_ids()[-1]

    def key_ids(self):
        lines = self.keys.read_text().splitlines()
        return [line.split(":")[0] for line in lines if not line.startswith("#")]

    def drop_key(self, key_id):
        """Takes a key out of the file. Returns what the file was."""
        before = self.keys.read_text()
        self.keys.write_text("".join(x for x in before.splitlines(True) if not x.startswith(key_id)))
        return before

    def reload(self, *names):
        """SIGHUP to those who have keys, or of them; returns when each of their processes has read them."""
        expected = {name: {"api": 1 + WORKERS, "push": 2}[name] for name in names or ("api", "push")}
        before = {name: self.reloads(name) for name in expected}
        for name in expected:
            os.kill(self.pid(name), signal.SIGHUP)
        for name, count in expected.items():
            wait_for(lambda n=name, c=count: self.reloads(n) >= before[n] + c, f"the reload of {name}")

    def reloads(self, name):
        return self.log(name).count("settings reloaded")

    def contents(self, ticket):
        """What the record holds, seq to bytes."""
        rows = self.sql(
            "SELECT seq, content FROM bellhop.event WHERE ticket_id = %s AND kind = 'm' ORDER BY seq", ticket
        )
        return {seq: None if content is None else bytes(content) for seq, content in rows}

    def window(self, ticket):
        """What Redis holds: the stream's entries, oldest first."""
        store = self.redis()
        names = store.keys(f"bellhop:*:chat:{ticket}")
        return [fields for _, fields in store.xrange(names[0])] if names else []

    def forget(self, ticket):
        store = self.redis()
        for name in store.keys(f"bellhop:*{ticket}"):
            store.delete(name)

    def refresh(self, ticket):
        """Redis holds what the record holds now: the sweep may have been about to bring what it held before."""

        def is_fresh():
            texts = {int(fields[b"n"]): fields.get(b"content") for fields in self.window(ticket)}
            fresh = list(texts.values()) == list(self.contents(ticket).values())
            if not fresh:
                assert self.bellhop("rebuild", ticket).returncode == 0
            return fresh

        wait_for(is_fresh, "the window")

    def admin(self, statement):
        url = urllib.parse.urlsplit(self.env["DATABASE_URL"])
        connection = psycopg2.connect(
            host=url.hostname, port=url.port, user="admin", password=self.admin_password, dbname=url.path[1:]
        )
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
        connection.close()


def marker(ticket, what):
    """A text that is like no other, short enough to be compressed by nobody."""
    return f"plaintext-{ticket}-{what}"


def edit(api, ticket, seq, content, **headers):
    path = f"/v1/tickets/{ticket}/messages/{seq}"
    return api.call("PATCH", path, json={"content": content}, headers=headers)


def message(api, ticket, seq):
    return api.get(f"/v1/tickets/{ticket}/messages/{seq}").json()


def is_sealed(content, key_id=None):
    return content[:1] == b"\x01" and (key_id is None or content[1:5].hex() == key_id)


def running(request):
    """A generator for fixtures."""
    failed_before = request.session.testsfailed
    site = Sealed(tempfile.mkdtemp(prefix="bellhop-test-"))
    try:
        yield site.begin()
    finally:
        site.stop()
        if request.session.testsfailed == failed_before:
            shutil.rmtree(site.dir, ignore_errors=True)
