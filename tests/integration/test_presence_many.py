# SPDX-License-Identifier: BSD-2-Clause
"""
Presence of many users with several streams each, over two push processes, through random opens and closes and the
kill of one process. BELLHOP_PRESENCE_USERS users (40), each with up to three streams.
"""

import asyncio
import contextlib
import os
import random
import signal
import time
import urllib.parse

import pytest
from client import wait_for
from conftest import running_stack

COUNT = int(os.environ.get("BELLHOP_PRESENCE_USERS", "40"))
EACH = 3
GRACE, LEASE = 10, 30  # seconds


@pytest.fixture(scope="module")
def stack(request):
    yield from running_stack(request, pushes=2)


class Listener:
    """One stream of a user, which is read and thrown away."""

    def __init__(self, crowd, user, ticket):
        self.crowd, self.user, self.ticket = crowd, user, ticket
        self.is_open = False
        self.task = None
        self.writer = None

    async def open(self):
        url = urllib.parse.urlsplit(self.crowd.site.plain_url)
        async with self.crowd.door:
            reader, self.writer = await asyncio.open_connection(url.hostname, url.port)
            self.writer.write(
                f"GET {url.path}/v1/tickets/{self.ticket}/stream HTTP/1.1\r\nHost: {url.netloc}\r\nConnection: close\r\n"
                f"Authorization: Bearer {self.crowd.tokens[self.user]}\r\n\r\n".encode()
            )
            head = await asyncio.wait_for(reader.readuntil(b"event: hello"), 30)
            assert b" 200 " in head.split(b"\r\n")[0], head
        self.is_open = True
        self.task = asyncio.ensure_future(self.drain(reader))

    async def drain(self, reader):
        with contextlib.suppress(OSError):
            while await reader.read(65536):
                pass
        self.is_open = False
        self.writer.close()

    async def close(self):
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.task
        self.is_open = False


class Crowd:
    def __init__(self, stack, dice):
        self.stack, self.site, self.dice = stack, stack.site, dice
        self.users = [f"many-{dice.randrange(10**6)}-{number}" for number in range(COUNT)]
        self.tokens = {user: self.site.token(user) for user in self.users}
        tickets = [f"many-{dice.randrange(10**6)}-{number}" for number in range(max(COUNT // 5, 8))]
        self.listeners = [Listener(self, user, dice.choice(tickets)) for user in self.users for _ in range(EACH)]
        self.tickets = sorted({listener.ticket for listener in self.listeners})
        self.door = asyncio.Semaphore(50)
        self.seen = set()

    async def turn(self, listeners, is_open):
        """Opens or closes them all."""
        todo = [one for one in listeners if one.is_open != is_open]
        await asyncio.gather(*(one.open() if is_open else one.close() for one in todo))

    async def stir(self, share):
        """A random share of all changes its mind, in a random order."""
        some = self.dice.sample(self.listeners, int(len(self.listeners) * share))
        await asyncio.gather(*(one.close() if one.is_open else one.open() for one in some))

    def present(self):
        return {one.user for one in self.listeners if one.is_open}

    def looking(self):
        found = {ticket: set() for ticket in self.tickets}
        for one in self.listeners:
            if one.is_open:
                found[one.ticket].add(one.user)
        return found

    def differences(self, me):
        """What the site says otherwise than the sockets."""
        expected, found = self.present(), []
        for at in range(0, len(self.users), 200):
            answer = me.get("/v1/presence", users=",".join(self.users[at : at + 200]))
            assert answer.status_code == 200, answer.text
            for one in answer.json()["users"]:
                if one["status"] != ("online" if one["user_id"] in expected else "offline"):
                    found.append((one["user_id"], one["status"]))
                elif one["status"] == "offline" and one["last_seen"] is None and one["user_id"] in self.seen:
                    found.append((one["user_id"], "never seen"))
        online = {one["user_id"] for one in me.get("/v1/presence/online").json()["users"]}
        found += [(user, "in the list") for user in (online & set(self.users)) ^ expected]
        if found:
            return found
        for ticket, users in self.looking().items():
            there = {one["user_id"] for one in me.get(f"/v1/tickets/{ticket}/presence").json()["users"]}
            found += [(ticket, user) for user in there ^ users]
        return found

    async def settle(self, seconds, what):
        """Waits until all is right, and returns how long that took, the look at it not counted."""
        me = self.site.api("alice")
        began = time.monotonic()
        left, took = [], 0
        while took < seconds:
            took = time.monotonic() - began
            left = await asyncio.to_thread(self.differences, me)
            if not left:
                self.seen |= self.present()
                return took
            await asyncio.sleep(0.2)
        raise AssertionError(f"{what}: {len(left)} differences after {seconds} s: {left[:10]}")


async def walk(crowd):
    took = {}
    await crowd.turn(crowd.listeners, True)
    took["opened"] = await crowd.settle(10, "all open")
    for number in range(4):
        await crowd.stir(0.4)
        if number % 2:
            took[f"stirred {number}"] = await crowd.settle(GRACE + 10, "random opens and closes")
    stack = crowd.stack
    child = stack.children("push2")[0]
    open_before = [one for one in crowd.listeners if one.is_open]
    os.kill(child, signal.SIGKILL)
    killed_at = time.monotonic()
    await asyncio.to_thread(wait_for, lambda: stack.children("push2") not in ([], [child]), "a new child")
    await asyncio.sleep(1)
    lost = [one for one in open_before if not one.is_open]
    assert lost, "the process that was killed served nobody"
    again = crowd.dice.sample(lost, len(lost) // 2)
    await crowd.turn(again, True)
    back = time.monotonic() - killed_at
    after = await crowd.settle(LEASE + 5, "after the kill of a process")
    took[f"killed {len(lost)} streams, {len(again)} came back in {back:.1f} s"] = back + after
    assert back + after < LEASE + 5
    await crowd.stir(0.4)
    took["stirred"] = await crowd.settle(GRACE + 10, "random opens and closes afterwards")
    await crowd.turn(crowd.listeners, False)
    took["closed"] = await crowd.settle(GRACE + 10, "all closed")
    return took


def test_presence_of_many_is_right_after_anything(stack):
    seed = int(os.environ.get("BELLHOP_PRESENCE_SEED", time.time_ns() % 10**6))
    print(f"BELLHOP_PRESENCE_USERS={COUNT} BELLHOP_PRESENCE_SEED={seed}")

    async def run():
        return await walk(Crowd(stack, random.Random(seed)))

    for what, seconds in asyncio.run(run()).items():
        print(f"{what}: right after {seconds:.1f} s")
    assert stack.sql("SELECT count(*) FROM bellhop.user_seen WHERE user_id LIKE 'many-%%'")[0][0] > 0
