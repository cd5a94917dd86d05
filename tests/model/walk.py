# SPDX-License-Identifier: BSD-2-Clause
"""A random walk of the real stack beside the model; every answer is compared."""

import random

from client import DEADLINE, until, wait_for

from model.model import Ticket

TEXTS = ["a", "b", "two words", "ä€😀", '"quoted" \\ and\nmore', "x" * 2000]


class Walk:
    """Steps on one ticket, decided by `seed` alone. `stack` may be broken, and is mended again."""

    def __init__(self, stack, ticket, seed):
        self.stack = stack
        self.ticket = ticket
        self.random = random.Random(seed)
        self.model = Ticket()
        self.open_apis()
        self.uids = 0
        self.number = 0
        self.cursors = []  # (staff?, cursor, number of events told before it)
        self.steps = [
            (30, self.send), (6, self.repeat), (6, self.send_if_match), (12, self.edit), (5, self.delete),
            (12, self.read_page), (6, self.read_one), (6, self.read_all), (8, self.poll),
            (1, self.wipe_redis), (1, self.trim), (1, self.restart_redis), (1, self.restart_postgres),
            (1, self.restart_api), (1, self.rebuild),
        ]  # fmt: skip

    def open_apis(self):
        site = self.stack.site
        self.apis = {
            "alice": site.api("alice"),
            "bob": site.api("bob"),
            "rita": site.api("rita", "requester", tickets=[self.ticket]),
        }

    def run(self, count):
        weights = [weight for weight, _ in self.steps]
        for self.number in range(1, count + 1):
            step = self.random.choices(self.steps, weights)[0][1]
            try:
                step()
            except AssertionError as error:
                raise AssertionError(f"{self.ticket}, step {self.number}, {step.__name__}: {error}") from error
        self.read_all()
        self.check_stores()

    # ---- who and what

    def anybody(self):
        user = self.random.choice(sorted(self.apis))
        return user, self.apis[user], user != "rita"

    def some_seq(self):
        return self.random.randint(1, len(self.model.events) + 1)

    def new_uid(self):
        self.uids += 1
        return f"uid-{self.uids}"

    def call(self, api, method, path, **options):
        """Says it again while a store is on its way back; what is said can be said twice."""
        return until(
            lambda: api.call(method, f"/v1/tickets/{self.ticket}{path}", **options),
            lambda answer: answer.status_code not in (202, 503),
            f"an answer to {method} {path}",
        )

    def compare(self, message, shown, is_staff):
        due = {
            "ticket_id": self.ticket,
            "seq": message.seq,
            "n": message.n if is_staff else message.n_public,
            "rev": message.rev,
            "kind": message.kind,
            "sender_id": message.sender,
            "content": message.content,
            "client_msg_id": message.uid,
            "deleted_by": message.deleted_by,
        }
        assert {name: shown[name] for name in due} == due
        assert (shown["edited_at"] is not None) == (message.rev > 1)
        assert (shown["deleted_at"] is not None) == (message.deleted_by is not None)

    def check(self, answer, due, is_staff):
        status, message = due
        assert answer.status_code == status, f"{answer.status_code}, not {status}: {answer.text}"
        if message is not None:
            self.compare(message, answer.json(), is_staff)

    # ---- steps

    def post(self, user, kind, content, uid, if_match=None):
        body = {"content": content, "kind": kind, "client_msg_id": uid}
        headers = {} if if_match is None else {"If-Match": f'"{if_match}"'}
        is_staff = user != "rita"
        answer = self.call(self.apis[user], "POST", "/messages", json=body, headers=headers)
        due = self.model.send(user, kind, content, uid, if_match, is_staff)
        self.check(answer, due, is_staff)

    def send(self):
        user, _, is_staff = self.anybody()
        kind = "note" if is_staff and self.random.random() < 0.25 else "text"
        self.post(user, kind, self.random.choice(TEXTS), self.new_uid())

    def repeat(self):
        if self.model.messages:
            message = self.random.choice(list(self.model.messages.values()))
            content = message.first if self.random.random() < 0.7 else "something else"
            self.post(message.sender, message.kind, content, message.uid)

    def send_if_match(self):
        user, _, _ = self.anybody()
        newest = len(self.model.events)
        self.post(user, "text", "guarded", self.new_uid(), self.random.randint(max(newest - 3, 0), newest))

    def edit(self):
        user, api, is_staff = self.anybody()
        seq, content = self.some_seq(), self.random.choice(TEXTS)
        message = self.model.messages.get(seq)
        if_match, headers = None, {}
        if message and self.random.random() < 0.3:
            if_match = self.random.randint(1, message.rev)
            headers = {"If-Match": f'"{if_match}"'}
        answer = self.call(api, "PATCH", f"/messages/{seq}", json={"content": content}, headers=headers)
        self.check(answer, self.model.edit(user, seq, content, is_staff, if_match), is_staff)

    def delete(self):
        user, api, is_staff = self.anybody()
        seq = self.some_seq()
        self.check(
            self.call(api, "DELETE", f"/messages/{seq}"), self.model.delete(user, seq, is_staff), is_staff
        )

    def read_one(self):
        _, api, is_staff = self.anybody()
        seq = self.some_seq()
        message = self.model.find(seq, is_staff)
        self.check(
            self.call(api, "GET", f"/messages/{seq}"), (200, message) if message else (404, None), is_staff
        )

    def read_page(self):
        _, api, is_staff = self.anybody()
        bounds = {"limit": self.random.choice([1, 2, 7, 50, 200])}
        bound = self.random.choice([None, "before", "after"])
        if bound:
            bounds[bound] = self.some_seq()
        shown = self.call(api, "GET", "/messages", params=bounds).json()
        page, more_before, more_after = self.model.page(is_staff, **bounds)
        assert [message["seq"] for message in shown["messages"]] == [message.seq for message in page]
        for message, one in zip(page, shown["messages"]):
            self.compare(message, one, is_staff)
        if page:
            assert (shown["oldest_seq"], shown["newest_seq"]) == (page[0].seq, page[-1].seq)
            assert (shown["has_more_before"], shown["has_more_after"]) == (more_before, more_after)

    def read_all(self):
        for user in ("alice", "rita"):
            self.read_events(self.apis[user], user != "rita", {"since": 0}, 0)

    def poll(self):
        """Goes on from a cursor that was given earlier."""
        if self.cursors:
            is_staff, cursor, told = self.random.choice(self.cursors)
            self.read_events(self.apis["alice" if is_staff else "rita"], is_staff, {"cursor": cursor}, told)

    def read_events(self, api, is_staff, begin, told):
        """
        Everything from there on, by long polls that do not wait. A text that was deleted while Redis could
        not be told may be replayed, before its deletion, until the next sweep: so it is read again then.
        """
        due = self.model.told(is_staff)
        events, cursor = [], None

        def read():
            nonlocal cursor
            events[:], cursor = self.read_on(api, begin)
            return not any(self.is_deleted(data) and data["content"] is not None for _, data in events)

        wait_for(read, "a replay without deleted texts")
        seen = [(name, data["event_seq"], data["prev"], data["seq"]) for name, data in events]
        assert seen == due[told:], f"{begin}: told {seen[-3:]}, due {due[-3:]}"
        for _, data in events:
            self.compare_event(self.model.messages[data["seq"]], data)
        self.cursors.append((is_staff, cursor, len(due)))
        del self.cursors[:-20]

    def read_on(self, api, where):
        """(name, data) of each event from there on, and the cursor behind them."""
        events, has_more = [], True
        while has_more:
            answer = self.call(api, "GET", "/poll", params={"wait": 0, **where})
            assert answer.status_code == 200, answer.text
            page = answer.json()
            for event in page["events"]:
                assert event["event"] in ("message", "message-edited", "message-deleted"), event
                events.append((event["event"], event["data"]))
            where, has_more = {"cursor": page["cursor"]}, page["has_more"]
        return events, where["cursor"]

    def is_deleted(self, data):
        return self.model.messages[data["seq"]].deleted_by is not None

    def compare_event(self, message, data):
        """A state that the message had at the event or later."""
        assert data["rev"] <= message.rev
        if data["rev"] == message.rev and message.deleted_by is None:
            assert data["content"] == message.content

    # ---- faults

    def wipe_redis(self):
        self.stack.redis().flushall()

    def trim(self):
        """The oldest half of the window goes, as bellhop-archive takes it."""
        keys = self.keys()
        if keys:
            limits = [len(self.model.events), max(len(self.model.events) // 2, 1), 86400000, 1 << 20, 1, 86400000]
            wait_for(lambda: self.try_trim(keys, limits), "the function library")

    def try_trim(self, keys, limits):
        try:
            self.stack.redis().fcall("bellhop_2_trim", len(keys), *keys, *limits)
        except Exception as error:  # it comes back within a sweep
            assert "unction not found" in str(error), error
            return False
        return True

    def keys(self):
        found = self.stack.redis().keys(f"bellhop:*:chat:{self.ticket}")
        return [found[0].replace(b":chat:", b":%s:" % kind) for kind in (b"chat", b"meta", b"who")] if found else []

    def restart(self, *names):
        for name in names:
            self.stack.stop(name)
        self.stack.start()
        self.open_apis()

    def restart_redis(self):
        self.restart("redis")

    def restart_postgres(self):
        self.restart("postgres")

    def restart_api(self):
        self.restart("api")

    def rebuild(self):
        if self.model.events:
            done = self.stack.bellhop("rebuild", self.ticket, timeout=DEADLINE)
            assert done.returncode == 0, done.stderr

    def check_stores(self):
        if self.model.events:
            done = self.stack.bellhop("verify", self.ticket, timeout=60)
            assert done.returncode == 0, done.stdout + done.stderr
