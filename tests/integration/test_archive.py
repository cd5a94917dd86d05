# SPDX-License-Identifier: BSD-2-Clause
"""
bellhop-archive against a real Redis and PostgreSQL. Events are committed here by the send function alone,
with nobody to push them: the sweep is what brings them to Redis.
"""

import os
import signal
import subprocess

import pytest
from client import wait_for


class Stores:
    """What a stack holds, seen from behind."""

    def __init__(self, stack):
        self.stack = stack
        self.r = stack.redis(decode_responses=True)
        self.prefix = "bellhop:"

    @property
    def epoch(self):
        return self.stack.sql("SELECT epoch FROM bellhop.deployment")[0][0]

    def commit(self, ticket, *uids, content="x", sender="ann"):
        outcomes = self.stack.sql(
            "SELECT (bellhop.send(%s, %s, 'Ann', 'agent', 't', %s, uid, '\\x00', 1, NULL)).outcome"
            " FROM unnest(%s) AS uid",
            ticket,
            sender,
            content.encode(),
            list(uids),
        )
        assert outcomes == [("c",)] * len(uids)

    def key(self, kind, ticket):
        found = self.r.keys(f"{self.prefix}{self.epoch}:{{*}}:{kind}:{ticket}")
        assert len(found) <= 1
        return found[0] if found else None

    def uids(self, ticket):
        key = self.key("chat", ticket)
        return [entry[1]["uid"] for entry in self.r.xrange(key)] if key else []

    def mark(self, partition=0):
        return self.r.hgetall(f"{self.prefix}{self.epoch}:{{{partition}}}:swept")

    def is_swept(self, epoch):
        """Does every partition have a mark that readers believe?"""
        with self.r.pipeline(transaction=False) as pipeline:
            pipeline.time()
            for p in range(256):
                pipeline.hget(f"{self.prefix}{epoch}:{{{p}}}:swept", "at")
            (seconds, micros), *marks = pipeline.execute()
        now = seconds * 1000 + micros // 1000
        return all(at and now - int(at) < 3000 for at in marks)

    def wait_swept(self):
        epoch = self.epoch
        wait_for(lambda: self.is_swept(epoch), "marks of all partitions")


@pytest.fixture
def stores(breakable):
    stores = Stores(breakable)
    stores.wait_swept()
    return stores


def numbered(first, last):
    return [f"u{n}" for n in range(first, last + 1)]


def test_what_nobody_pushed_is_brought(stores, ticket):
    stores.commit(ticket, *numbered(1, 3))
    wait_for(lambda: stores.uids(ticket) == numbered(1, 3), "the sweep")
    stores.commit(ticket, *numbered(4, 5))
    wait_for(lambda: stores.uids(ticket) == numbered(1, 5), "the sweep")
    meta = stores.r.hgetall(stores.key("meta", ticket))
    assert (meta["last_seq"], meta["n"], meta["status"]) == ("5", "5", "open")
    assert stores.r.hgetall(stores.key("who", ticket)) == {"*": "all", "ann": "agent"}


def test_more_than_a_load_is_missing(stores, ticket):
    stores.commit(ticket, *numbered(1, 250))
    wait_for(lambda: stores.uids(ticket)[-1:] == ["u250"], "the sweep")
    assert len(stores.uids(ticket)) >= 200


def test_marks_move_on(stores):
    before = int(stores.mark(17)["until"])
    wait_for(lambda: int(stores.mark(17)["until"]) > before, "the next mark")


def test_flushall(stores, ticket):
    stores.commit(ticket, *numbered(1, 3))
    wait_for(lambda: len(stores.uids(ticket)) == 3, "the sweep")
    stores.r.flushall()
    stores.wait_swept()
    stores.commit(ticket, "u4")
    wait_for(lambda: stores.uids(ticket) == numbered(1, 4), "the sweep")
    assert stores.r.hget(f"{stores.prefix}deployment", "epoch") == str(stores.epoch)


def test_function_flush(stores, ticket):
    stores.r.execute_command("FUNCTION", "FLUSH")
    stores.commit(ticket, "u1")
    wait_for(lambda: stores.uids(ticket) == ["u1"], "the sweep")


def test_library_is_loaded_while_postgres_is_away(stores):
    stores.stack.stop("postgres")
    stores.r.execute_command("FUNCTION", "FLUSH")
    wait_for(lambda: stores.r.execute_command("FUNCTION", "LIST"), "the function library")


def test_a_lost_mark_is_written_only_after_comparing(stores, ticket):
    stores.commit(ticket, *numbered(1, 3))
    wait_for(lambda: len(stores.uids(ticket)) == 3, "the sweep")
    stores.stack.freeze("archive")
    try:
        # An old stream whose end is missing, and no mark.
        key, meta = stores.key("chat", ticket), stores.key("meta", ticket)
        stores.r.xdel(key, "3-0")
        stores.r.hset(meta, "last_seq", "2")
        stores.r.delete(*stores.r.keys(f"{stores.prefix}{stores.epoch}:{{*}}:swept"))
        stores.stack.sql("UPDATE bellhop.event SET sent_at = sent_at - interval '1 hour' WHERE ticket_id = %s", ticket)
        # XADD refuses to go back behind what was deleted: as after a restart with older data.
        stores.r.execute_command("XSETID", key, "2-0")
    finally:
        stores.stack.thaw("archive")
    stores.wait_swept()
    assert stores.uids(ticket) == numbered(1, 3)


def test_redis_restarts_with_its_data(stores, ticket):
    stores.commit(ticket, "u1")
    wait_for(lambda: stores.uids(ticket) == ["u1"], "the sweep")
    stores.stack.kill("redis")
    stores.commit(ticket, "u2")
    stores.stack.start()
    wait_for(lambda: stores.uids(ticket) == ["u1", "u2"], "the sweep")
    stores.wait_swept()


def test_redis_restarts_without_its_data(stores, ticket):
    stores.stack.kill("redis")
    stores.stack.wipe("redis")
    stores.commit(ticket, "u1")
    stores.stack.start()
    stores.wait_swept()
    wait_for(lambda: stores.uids(ticket) == ["u1"], "the sweep")


def test_a_stream_ahead_of_the_record_raises_the_epoch(stores, ticket):
    epoch = stores.epoch
    stores.commit(ticket, *numbered(1, 3))
    wait_for(lambda: len(stores.uids(ticket)) == 3, "the sweep")
    # As after a restore from a backup: the last two are gone.
    stores.stack.sql("DELETE FROM bellhop.event WHERE ticket_id = %s AND seq > 1", ticket)
    stores.stack.sql("UPDATE bellhop.ticket SET last_seq = 1, n = 1, n_public = 1, last_public = 1 WHERE ticket_id = %s", ticket)
    wait_for(lambda: stores.epoch == epoch + 1, "a new epoch")
    wait_for(lambda: stores.r.hget(f"{stores.prefix}deployment", "epoch") == str(epoch + 1), "the copy")
    stores.wait_swept()
    stores.commit(ticket, "v2")
    wait_for(lambda: stores.uids(ticket) == ["u1", "v2"], "the sweep")
    wait_for(lambda: not stores.r.keys(f"{stores.prefix}{epoch}:*"), "the end of the old epoch's keys", 40)


def test_a_clash_raises_the_epoch(stores, ticket):
    epoch = stores.epoch
    stores.commit(ticket, *numbered(1, 2))
    wait_for(lambda: len(stores.uids(ticket)) == 2, "the sweep")
    stores.stack.sql("UPDATE bellhop.event SET uid = 'other' WHERE ticket_id = %s AND seq = 2", ticket)
    wait_for(lambda: stores.epoch > epoch, "a new epoch")
    stores.wait_swept()
    stores.commit(ticket, "u3")
    wait_for(lambda: stores.uids(ticket) == ["u1", "other", "u3"], "the sweep")


def test_a_later_epoch_in_redis_is_overtaken(stores):
    epoch = stores.epoch
    stores.r.hset(f"{stores.prefix}deployment", "epoch", epoch + 3)
    wait_for(lambda: stores.epoch == epoch + 4, "an epoch above")
    stores.wait_swept()


def test_a_foreign_key_is_left_alone_and_holds_nothing_up(stores, ticket):
    stores.commit(ticket, "u1")
    wait_for(lambda: stores.uids(ticket) == ["u1"], "the sweep")
    key = stores.key("who", ticket)
    stores.r.delete(key)
    stores.r.set(key, "mine")
    stores.commit(f"{ticket}-b", "u1")
    wait_for(lambda: stores.uids(f"{ticket}-b") == ["u1"], "the other ticket")
    stores.r.delete(key)
    stores.commit(ticket, "u2")
    wait_for(lambda: stores.uids(ticket) == ["u1", "u2"], "the sweep")
    stores.wait_swept()


# ---- trim


def test_the_window_is_a_thousand_events(stores, ticket):
    for first in range(1, 1200, 200):
        stores.commit(ticket, *numbered(first, first + 199))
        wait_for(lambda last=first + 199: stores.uids(ticket)[-1:] == [f"u{last}"], "the sweep")
    wait_for(lambda: stores.uids(ticket) == numbered(201, 1200), "the trim")


def test_the_window_is_a_mebibyte(stores, ticket):
    uids = numbered(1, 120)
    for first in range(0, 120, 40):
        stores.commit(ticket, *uids[first : first + 40], content="x" * 16000)
        wait_for(lambda last=first: stores.uids(ticket)[-1:] == [uids[last + 39]], "the sweep")
    wait_for(lambda: int(stores.r.hget(stores.key("meta", ticket), "bytes")) <= 1 << 20, "the trim")
    assert stores.uids(ticket)[-1] == "u120" and len(stores.uids(ticket)) in range(60, 66)


def test_an_idle_ticket_leaves_and_comes_back(stores, ticket):
    stores.commit(ticket, "u1")
    wait_for(lambda: stores.uids(ticket) == ["u1"], "the sweep")
    # Long enough ago for the walk, and for the sweep not to see it as new.
    stores.stack.sql("UPDATE bellhop.event SET sent_at = sent_at - interval '2 hours' WHERE ticket_id = %s", ticket)
    meta = stores.key("meta", ticket)
    stores.r.hset(meta, "used", int(stores.r.hget(meta, "used")) - 7_200_000)
    wait_for(lambda: not stores.key("chat", ticket), "the idle ticket to leave", 40)
    assert not stores.key("meta", ticket) and not stores.key("who", ticket)
    stores.commit(ticket, "u2")
    wait_for(lambda: stores.uids(ticket) == ["u1", "u2"], "the sweep")


def test_nothing_is_trimmed_while_postgres_is_away(stores, ticket):
    stores.commit(ticket, "u1")
    wait_for(lambda: stores.uids(ticket) == ["u1"], "the sweep")
    key, meta = stores.key("chat", ticket), stores.key("meta", ticket)
    stores.stack.stop("postgres")
    until = stores.r.hget(key.split(":chat:")[0] + ":swept", "until")
    stores.r.hset(meta, "used", int(stores.r.hget(meta, "used")) - 7_200_000)
    # It is at work: what it can do without PostgreSQL it does.
    stores.r.execute_command("FUNCTION", "FLUSH")
    wait_for(lambda: stores.r.execute_command("FUNCTION", "LIST"), "a tick")
    assert stores.r.xlen(key) == 1
    assert stores.r.hget(key.split(":chat:")[0] + ":swept", "until") == until


# ---- the program


def archive(stack, **options):
    return subprocess.Popen(
        [stack.program("bellhop-archive"), "-c", stack.config],
        env={**os.environ, **stack.extra_env},
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def test_several_archivers(stores, ticket):
    others = [archive(stores.stack) for _ in range(2)]
    try:
        stores.commit(ticket, *numbered(1, 3))
        wait_for(lambda: stores.uids(ticket) == numbered(1, 3), "the sweep")
        stores.stack.freeze("archive")
        try:
            stores.commit(ticket, "u4")
            wait_for(lambda: stores.uids(ticket) == numbered(1, 4), "another's sweep")
            stores.wait_swept()
        finally:
            stores.stack.thaw("archive")
    finally:
        for other in others:
            other.terminate()
    for other in others:
        _, log = other.communicate(timeout=10)
        assert other.returncode == 0
        assert "error" not in log


def test_signals_and_a_store_that_is_away(stores):
    other = archive(stores.stack)
    try:
        stores.stack.kill("redis")
        lines = []
        while not any("store is away" in line for line in lines):
            lines.append(other.stderr.readline())
        other.send_signal(signal.SIGHUP)
        stores.stack.start()
        while not any("store is back" in line for line in lines):
            lines.append(other.stderr.readline())
        assert sum("store is away" in line for line in lines) == 1
    finally:
        other.send_signal(signal.SIGTERM)
    assert other.wait(5) == 0


def test_a_missing_library_is_told(stores, tmp_path):
    done = subprocess.run(
        [stores.stack.program("bellhop-archive"), "-c", stores.stack.config, "-t"],
        env={**os.environ, "BELLHOP_SQL_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert done.returncode == 1 and "bellhop_2.lua" in done.stderr
