# SPDX-License-Identifier: BSD-2-Clause
"""What happens to the stack during a walk: everything that may, and none of it may be noticed."""

import os
import signal

from client import DEADLINE, wait_for
from stack import SOURCE

from model.senders import Said

LIBRARY = max(path.stem for path in (SOURCE / "sql" / "redis").glob("bellhop_[0-9]*.lua"))


class Faults:
    """
    Some faults last: the walk goes on without Redis, or without the archiver, until look() mends it. While
    PostgreSQL is away little can be asked; that is done in one step.
    """

    def __init__(self, walk):
        self.walk, self.stack, self.random = walk, walk.stack, walk.random
        self.away = None  # what is away, and what mends it
        self.mender = None
        self.mend_at = 0
        self.is_harmed = False  # by hand, which `verify` reports and `rebuild` mends
        quick = [
            (1, self.wipe_redis), (1, self.trim), (1, self.cut_window), (1, self.delete_key),
            (1, self.kill_push), (1, self.replace_push), (1, self.kill_worker), (0.7, self.kill_backends),
            (0.5, self.restart_redis), (0.3, self.wipe_and_restart_redis), (0.3, self.restart_postgres),
            (0.3, self.kill_postgres), (0.3, self.restart_api), (0.3, self.restart_push),
        ]  # fmt: skip
        self.quick = quick
        self.steps = [
            *((weight, self.mended(fault)) for weight, fault in quick),
            *((weight, self.mended(fault)) for weight, fault in [
                (1.5, self.amid_sends), (0.5, self.archive_is_away), (0.5, self.redis_is_away),
                (0.7, self.redis_is_frozen), (0.5, self.postgres_is_frozen), (0.3, self.postgres_is_away),
                (0.7, self.purge), (0.5, self.rebuild), (0.5, self.verify),
            ]),
        ]  # fmt: skip

    def mended(self, fault):
        """The step for a fault: one at a time."""

        def step():
            self.mend()
            fault()

        step.__name__ = fault.__name__
        return step

    # ---- faults that last

    def look(self):
        if self.away and self.walk.number >= self.mend_at:
            self.mend()

    def last(self, name, mender):
        self.away, self.mender = name, mender
        self.mend_at = self.walk.number + self.random.randint(1, 30)

    def mend(self):
        if self.away:
            mender, self.away, self.mender = self.mender, None, None
            mender()

    def archive_is_away(self):
        self.stack.kill("archive")
        self.last("archive", self.stack.start)

    def redis_is_away(self):
        self.stack.kill("redis")
        self.last("redis", self.stack.start)

    def redis_is_frozen(self):
        self.stack.freeze("redis")
        self.last("redis", lambda: self.stack.thaw("redis"))

    # ---- PostgreSQL

    def restart_postgres(self):
        self.restart("postgres")

    def kill_postgres(self):
        """Without a word to its clients, and with recovery, as after a crash."""
        self.stack.kill("postgres", signal.SIGQUIT)
        self.stack.start()

    def kill_backends(self):
        self.stack.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )

    def postgres_is_frozen(self):
        self.stack.freeze("postgres")
        self.without_record(lambda: self.stack.thaw("postgres"))

    def postgres_is_away(self):
        self.stack.stop("postgres")
        self.without_record(self.stack.start)

    def without_record(self, mender):
        """Reads are right or refused; what was refused may have been stored, and is said again."""
        walk, said = self.walk, []
        self.last("postgres", mender)
        for _ in range(self.random.randint(1, 4)):
            if self.random.random() < 0.5:
                self.read_without_record()
            else:
                user = walk.reader()
                one = Said(user, walk.some_kind(user), walk.text(), walk.new_uid())
                answer = walk.apis[user].send(walk.ticket, one.content, kind=one.kind, client_msg_id=one.uid)
                assert answer.status_code in (202, 503), answer.text
                said.append(one)
        self.mend()
        for one in said:
            body = {"content": one.content, "kind": one.kind, "client_msg_id": one.uid}
            one.answer = walk.call(one.user, "POST", "/messages", json=body)
        walk.senders.take(said)

    def read_without_record(self):
        walk, user = self.walk, self.walk.reader()
        query = {"limit": self.random.choice([2, 50])}
        bound = self.random.choice([None, "before", "after"])
        if bound:
            query[bound] = walk.some_seq()
        answer = walk.apis[user].call("GET", f"/v1/tickets/{walk.ticket}/messages", params=query)
        if answer.status_code != 503:
            assert answer.status_code == 200, answer.text
            walk.compare_page(answer, query, user)

    # ---- Redis

    def restart_redis(self):
        self.restart("redis")

    def wipe_and_restart_redis(self):
        self.stack.kill("redis")
        self.stack.wipe("redis")
        self.stack.start()

    def wipe_redis(self):
        self.stack.redis().flushall()

    def keys(self):
        """The ticket's stream, what is known of it, and of its people; nothing without a stream."""
        found = self.stack.redis().keys(f"bellhop:*:chat:{self.walk.ticket}")
        return [found[0].replace(b":chat:", b":%s:" % kind) for kind in (b"chat", b"meta", b"who")] if found else []

    def delete_key(self):
        keys = self.keys()
        if keys:
            self.is_harmed = True
            keys.append(keys[0].split(b":chat:")[0] + b":swept")
            self.stack.redis().delete(self.random.choice(keys))

    def cut_window(self):
        """By hand, which nothing is told of: at the beginning, or somewhere."""
        keys = self.keys()
        if not keys:
            return
        r, self.is_harmed = self.stack.redis(), True
        if self.random.random() < 0.5:
            r.xtrim(keys[0], maxlen=self.random.randint(0, 20), approximate=False)
        else:
            r.xdel(keys[0], f"{self.random.randint(1, self.walk.model.last)}-0")

    def trim(self):
        """The oldest half of the window goes, as bellhop-archive takes it."""
        keys, model = self.keys(), self.walk.model
        if keys:
            limits = [model.last, max(model.last // 2, 1), 86400000, 1 << 20, 1, 86400000, model.first]
            wait_for(lambda: self.try_trim(keys, limits), "the function library")

    def try_trim(self, keys, limits):
        try:
            self.stack.redis().fcall(f"{LIBRARY}_trim", len(keys), *keys, *limits)
        except Exception as error:  # it comes back within a sweep
            assert "unction not found" in str(error), error
            return False
        return True

    # ---- the daemons

    def restart(self, *names):
        for name in names:
            self.stack.stop(name)
        self.stack.start()

    def restart_api(self):
        self.restart("api")

    def restart_push(self):
        self.restart("push")

    def kill_worker(self):
        os.kill(self.random.choice(self.stack.children("api")), signal.SIGKILL)

    def kill_push(self):
        before = self.stack.children("push")
        os.kill(before[0], signal.SIGKILL)
        wait_for(lambda: self.stack.children("push") not in ([], before), "another push process")

    def replace_push(self):
        """One that serves: another that is just starting would be left to it."""
        self.walk.poll_now()
        before = self.stack.children("push")
        os.kill(self.stack.pid("push"), signal.SIGUSR2)
        wait_for(lambda: self.stack.children("push") and not set(self.stack.children("push")) & set(before), "the successor")

    # ---- what operators do

    def amid_sends(self):
        weights = [weight for weight, _ in self.quick]
        fault = self.random.choices(self.quick, weights)[0][1]
        self.walk.trail[-1] += f", {fault.__name__}"
        try:
            self.walk.senders.send_together(fault, count=8)
        except AssertionError as error:
            raise AssertionError(f"{fault.__name__}: {error}") from error

    def purge(self):
        """Makes the oldest events old, has them erased, and waits until the window is cut."""
        walk = self.walk
        if walk.model.last == 0:
            return
        last = min(walk.model.first + self.random.randint(0, 60), walk.model.last)
        self.age(last, "-")
        done = self.stack.bellhop("purge", "--older-than", "90d", timeout=DEADLINE)
        assert done.returncode == 0, done.stderr
        if walk.model.erase(last):
            wait_for(lambda: self.window_first() >= walk.model.first, "the window to be cut")
        else:
            self.age(last, "+")
        kept = self.stack.sql("SELECT first_seq FROM bellhop.ticket WHERE ticket_id = %s", walk.ticket)
        assert kept == [(walk.model.first,)]

    def age(self, last, sign):
        self.stack.sql(
            f"UPDATE bellhop.event SET sent_at = sent_at {sign} interval '100 days' WHERE ticket_id = %s AND seq <= %s",
            self.walk.ticket, last,
        )  # fmt: skip

    def window_first(self):
        keys = self.keys()
        oldest = self.stack.redis().xrange(keys[0], count=1) if keys else []
        return int(oldest[0][0].split(b"-")[0]) if oldest else self.walk.model.first

    def rebuild(self):
        if self.walk.model.last:
            done = self.stack.bellhop("rebuild", self.walk.ticket, timeout=DEADLINE)
            assert done.returncode == 0, done.stderr
            self.is_harmed = False

    def verify(self):
        if self.is_harmed:
            self.rebuild()
        if self.walk.model.last:
            done = self.stack.bellhop("verify", self.walk.ticket, timeout=60)
            assert done.returncode == 0, done.stdout + done.stderr
