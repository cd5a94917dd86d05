# SPDX-License-Identifier: BSD-2-Clause
"""A random walk of the real stack beside the model; every answer is compared."""

import collections
import random

from client import until, wait_for

from model.faults import Faults
from model.listener import Listener, check_told
from model.model import Ticket
from model.senders import Senders

TEXTS = ["a", "b", "two words", "ä€😀", '"quoted" \\ and\nmore', "x" * 2000]
TITLES = [None, "printer", "ä€😀 \"quoted\""]
ROLES = {"alice": "agent", "bob": "agent", "rita": "requester", "ada": "admin", "bot": "service"}
WRITERS = ["alice", "bob", "rita"]


class Walk:
    """Steps on one ticket, decided by `seed` alone. `stack` may be broken, and is mended again."""

    def __init__(self, stack, ticket, seed):
        self.stack = stack
        self.ticket = ticket
        self.random = random.Random(seed)
        self.model = Ticket()
        self.roles = ROLES
        self.epoch = stack.sql("SELECT epoch FROM bellhop.deployment")[0][0]
        self.apis = {user: self.open_api(user) for user in ROLES}
        self.uids = self.number = 0
        self.cursors = []  # (user, cursor)
        self.trail = collections.deque(maxlen=40)  # the last steps
        self.senders = Senders(self)
        self.faults = Faults(self)
        self.listeners = [Listener(self.open_api(user), self, user) for user in ("alice", "rita")]
        self.steps = [
            (22, self.send), (4, self.repeat), (5, self.send_if_match), (3, self.send_by_header),
            (2, self.send_system), (3, self.send_for_another), (2, self.send_without_id),
            (2, self.senders.send_together),
            (12, self.edit), (5, self.delete), (3, self.put_card), (1, self.put_hold),
            (2, self.put_person), (2, self.knock),
            (10, self.read_page), (4, self.read_around), (5, self.read_one), (2, self.read_revisions),
            (3, self.read_card), (4, self.read_all), (8, self.poll), (4, self.open_stream),
            (4, self.hear), *self.faults.steps,
        ]  # fmt: skip

    def open_api(self, user):
        return self.stack.site.api(user, ROLES[user], tickets=[self.ticket], name=user.title())

    def run(self, count):
        weights = [weight for weight, _ in self.steps]
        try:
            for self.number in range(1, count + 1):
                self.faults.look()
                self.run_step(self.random.choices(self.steps, weights)[0][1])
            for step in (self.faults.mend, self.read_all, self.hear, self.faults.verify):
                self.run_step(step)
        finally:
            self.faults.mend()
            for listener in self.listeners:
                listener.close()

    def run_step(self, step):
        away = f" without {self.faults.away}" if self.faults.away else ""
        self.trail.append(f"{self.number} {step.__name__}{away}, {self.model.last} events")
        try:
            step()
        except Exception as error:
            print(f"{self.ticket} kept from {self.model.first}", *self.trail, sep="\n")
            raise AssertionError(f"{self.ticket}, step {self.number}, {step.__name__}{away}: {error}") from error

    # ---- who and what

    def some(self, *users):
        """Those who have not been removed; alice never is."""
        return [user for user in users if user not in self.model.removed]

    def anybody(self):
        return self.random.choice(self.some(*WRITERS, *WRITERS, "ada"))

    def reader(self):
        return self.random.choice(self.some("alice", "rita"))

    def some_seq(self):
        return self.random.randint(max(1, self.model.first - 3), self.model.last + 1)

    def new_uid(self):
        self.uids += 1
        return f"uid-{self.uids}"

    def some_kind(self, user):
        return "note" if user != "rita" and self.random.random() < 0.25 else "text"

    def text(self):
        return self.random.choice(TEXTS)

    def call(self, user, method, path, **options):
        """
        Says it again while a store is on its way back; what is said can be said twice. The answer's
        `is_second` tells that it was.
        """
        tries = []

        def once():
            tries.append(self.apis[user].call(method, f"/v1/tickets/{self.ticket}{path}", **options))
            return tries[-1]

        answer = until(
            once, lambda answer: answer.status_code not in (202, 503), f"an answer to {method} {path}"
        )
        answer.is_second = len(tries) > 1
        return answer

    # ---- comparing

    def compare(self, message, shown, is_staff):
        due = {
            "ticket_id": self.ticket,
            "seq": message.seq,
            "n": message.n if is_staff else message.n_public,
            "epoch": self.epoch,
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

    def check(self, answer, due, user):
        status, message = due
        good = [status, 200] if status == 201 and answer.is_second else [status]
        assert answer.status_code in good, f"{answer.status_code}, not {status}: {answer.text}"
        if message is not None:
            self.compare(message, answer.json(), ROLES[user] != "requester")

    # ---- sending

    def post(self, user, content, uid, kind="text", path="/messages", body=None, headers=None, if_match=None):
        body = {"content": content, **({"kind": kind, "client_msg_id": uid} if body is None else body)}
        headers = dict(headers or {})
        if if_match is not None:
            headers["If-Match"] = f'"{if_match}"'
        answer = self.call(user, "POST", path, json=body, headers=headers)
        sender = body.get("sender_id", user)
        self.check(answer, self.model.send(sender, ROLES[user], kind, content, uid, if_match), user)
        if answer.status_code == 412:
            missed = [message["seq"] for message in answer.json()["messages"]]
            visible = self.model.visible(user != "rita")
            assert missed == [message.seq for message in visible if message.seq > if_match][:200]

    def send(self):
        user = self.anybody()
        self.post(user, self.text(), self.new_uid(), self.some_kind(user))

    def repeat(self):
        if not self.model.messages:
            return
        message = self.random.choice(list(self.model.messages.values()))
        content = message.texts[1] if self.random.random() < 0.7 else "something else"
        if message.sender in self.some(*WRITERS) and message.kind != "system" and (message.sender, message.kind) != ("rita", "note"):
            self.post(message.sender, content, message.uid, message.kind)

    def send_if_match(self):
        user, last = self.anybody(), self.model.last
        self.post(user, "guarded", self.new_uid(), if_match=self.random.randint(max(last - 3, 0), last))

    def send_by_header(self):
        user, uid = self.anybody(), self.new_uid()
        if self.random.random() < 0.3 and self.model.messages:
            uid = self.random.choice(list(self.model.messages.values())).uid
        body = self.random.choice([{}, {"client_msg_id": uid}, {"client_msg_id": "another"}])
        headers = {"Idempotency-Key": uid}
        if body.get("client_msg_id", uid) == uid:
            self.post(user, self.text(), uid, body=body, headers=headers)
        else:
            answer = self.call(user, "POST", "/messages", json={"content": "no", **body}, headers=headers)
            assert answer.status_code == 400, answer.text

    def send_system(self):
        user, uid = self.random.choice(self.some("alice", "bot", "rita")), self.new_uid()
        body = {"client_msg_id": uid}
        if user == "rita":
            answer = self.call(user, "POST", "/system-messages", json={"content": "no", **body})
            assert answer.status_code == 403, answer.text
        else:
            self.post(user, self.text(), uid, "system", "/system-messages", body)

    def send_for_another(self):
        """A service speaks for somebody else; also into a closed ticket."""
        kind, uid = self.some_kind("bot"), self.new_uid()
        sender = self.random.choice(["carol", "alice", "rita"])
        body = {"kind": kind, "client_msg_id": uid, "sender_id": sender, "sender_name": "Somebody"}
        self.post("bot", self.text(), uid, kind, body=body)
        answer = self.call("alice", "POST", "/messages", json={"content": "no", **body})
        assert answer.status_code == 403, answer.text

    def send_without_id(self):
        """Who gives no id and gets no answer has to look whether it was said."""
        user, content = self.anybody(), self.text()
        answer = self.apis[user].send(self.ticket, content)
        answer.is_second = False
        if answer.status_code in (202, 503):
            newest = self.call(user, "GET", "/messages", params={"limit": 1}).json()["messages"]
            if not newest or newest[0]["seq"] <= self.model.last:
                return
            uid = newest[0]["client_msg_id"]
            self.compare(self.model.send(user, ROLES[user], "text", content, uid)[1], newest[0], user != "rita")
        else:
            uid = answer.json().get("client_msg_id")
            self.check(answer, self.model.send(user, ROLES[user], "text", content, uid), user)

    # ---- changing

    def edit(self):
        user, seq, content = self.anybody(), self.some_seq(), self.text()
        message = self.model.messages.get(seq)
        if_match, headers = None, {}
        if message and self.random.random() < 0.3:
            if_match = self.random.randint(1, message.rev)
            headers = {"If-Match": f'"{if_match}"'}
        answer = self.call(user, "PATCH", f"/messages/{seq}", json={"content": content}, headers=headers)
        self.check(answer, self.model.edit(user, ROLES[user], seq, content, if_match), user)

    def delete(self):
        user, seq = self.anybody(), self.some_seq()
        answer = self.call(user, "DELETE", f"/messages/{seq}")
        self.check(answer, self.model.delete(user, ROLES[user], seq), user)

    def put_card(self):
        user = self.anybody()
        fields = {}
        if self.random.random() < 0.7:
            fields["status"] = self.random.choice(["open", "open", "open", "closed"])
        if self.random.random() < 0.5:
            fields["title"] = self.random.choice(TITLES)
        answer = self.call(user, "PUT", "", json=fields)
        if user == "rita":
            assert answer.status_code == 403, answer.text
        else:
            self.model.put_card(user, fields)
            self.check_card(answer, user)

    def put_hold(self):
        if self.model.last > 0:
            hold = self.random.random() < 0.3
            done = self.stack.bellhop("hold" if hold else "release", self.ticket)
            assert done.returncode == 0, done.stderr
            self.model.hold = hold

    def put_person(self):
        """Adds or removes; who is removed is kept out, whatever the token says."""
        by, user = self.random.choice(["alice", "ada"]), self.random.choice(["bob", "rita", "rita", "dora"])
        is_removal = user not in self.model.removed and self.random.random() < 0.6
        role = None if is_removal else self.random.choice(["agent", "requester"])
        path = f"/participants/{user}"
        if is_removal:
            answer = self.call(by, "DELETE", path)
            status = 204 if self.model.put_person(by, user, None) else 404
        else:
            answer = self.call(by, "PUT", path, json={"role": role})
            status = 200 if self.model.put_person(by, user, role) else None
        assert answer.status_code == status, answer.text

    def knock(self):
        for user in self.model.removed:
            if user in self.apis:
                method, path = self.random.choice(
                    [("GET", ""), ("GET", "/messages"), ("GET", "/messages/1"), ("GET", "/poll?wait=0&since=0")]
                    + [("POST", "/messages"), ("PATCH", "/messages/1"), ("DELETE", "/messages/1")]
                )
                body = {"json": {"content": "knock"}} if method in ("POST", "PATCH") else {}
                answer = self.call(user, method, path, **body)
                assert answer.status_code == 403, f"{user} {method} {path}: {answer.text}"

    # ---- reading

    def check_card(self, answer, user):
        assert answer.status_code == 200, answer.text
        shown, model = answer.json(), self.model
        people = {(person["user_id"], person["role"]) for person in shown["participants"]}
        assert (shown["ticket_id"], shown["title"], shown["status"]) == (self.ticket, model.title, model.status)
        assert (shown["newest_seq"], shown["hold"]) == (model.newest(user != "rita"), model.hold)
        assert people == model.people_shown(user != "rita")

    def read_card(self):
        user = self.anybody()
        answer = self.call(user, "GET", "")
        if self.model.newest(user != "rita") == 0:
            assert answer.status_code == 404, answer.text
        else:
            self.check_card(answer, user)

    def read_one(self):
        user, seq = self.anybody(), self.some_seq()
        message = self.model.find(seq, user != "rita")
        self.check(self.call(user, "GET", f"/messages/{seq}"), (200, message) if message else (404, None), user)

    def read_revisions(self):
        seq = self.some_seq()
        message = self.model.find(seq, True)
        answer = self.call("ada", "GET", f"/messages/{seq}/revisions")
        assert answer.status_code == (200 if message else 404), answer.text
        if message:
            shown = [(r["rev"], r["content"], r["edited_by"]) for r in answer.json()["revisions"]]
            due = [(rev, message.texts[rev], user) for rev, user in enumerate(message.editors, 1)]
            assert sorted(shown) == ([] if message.is_gone else due)
        assert self.call("bob", "GET", f"/messages/{seq}/revisions").status_code == 403

    def read_page(self, bounds=(None, "before", "after")):
        user, bound = self.anybody(), self.random.choice(bounds)
        query = {"limit": self.random.choice([1, 2, 7, 50, 200])}
        if bound:
            query[bound] = self.some_seq()
        answer = self.call(user, "GET", "/messages", params=query)
        if bound == "around" and answer.headers["Bellhop-Mode"] == "no-postgres":
            return  # as far as the window goes, to both sides of where
        assert answer.status_code == 200, answer.text
        self.compare_page(answer, query, user)

    def read_around(self):
        self.read_page(["around"])

    def compare_page(self, answer, query, user):
        shown, is_staff = answer.json(), user != "rita"
        page, has_more_before, has_more_after = self.model.page(is_staff, **query)
        more = (shown["has_more_before"], shown["has_more_after"])
        assert ("prev" in answer.links, "next" in answer.links) == more
        assert shown["cursor"] == f"{self.epoch}.{self.model.newest(is_staff)}"
        if answer.headers["Bellhop-Mode"] == "no-postgres":
            page = self.compare_short(page, shown, query)
        else:
            assert more == (has_more_before, has_more_after), f"{query}, kept from {self.model.first}: {more}"
        seqs = [message.seq for message in page]
        assert [message["seq"] for message in shown["messages"]] == seqs, query
        for message, one in zip(page, shown["messages"]):
            self.compare(message, one, is_staff)
        assert (shown["oldest_seq"], shown["newest_seq"]) == ((seqs[0], seqs[-1]) if seqs else (None, None))
        self.cursors.append((user, shown["cursor"]))

    @staticmethod
    def compare_short(page, shown, query):
        """
        Without the record a page ends where the window does, and says that there may be more; it does not
        know what was erased. Returns the part of the page that was shown.
        """
        count = len(shown["messages"])
        part = page[:count] if "after" in query else page[len(page) - count :]
        if len(part) < len(page):
            assert shown["has_more_after" if "after" in query else "has_more_before"], query
        return part

    # ---- listening

    def read_all(self):
        for user in self.some("alice", "rita"):
            self.read_events(user, {"since": 0}, 0)

    def poll(self):
        """Goes on from a cursor that was given earlier."""
        cursors = [(user, cursor) for user, cursor in self.cursors if user in self.some(user)]
        if cursors:
            user, cursor = self.random.choice(cursors)
            self.read_events(user, {"cursor": cursor}, int(cursor.split(".")[1]))

    def read_events(self, user, begin, after):
        """
        Everything from there on, by long polls that do not wait. A text that was deleted while Redis could
        not be told may be replayed, before its deletion, until the next sweep: so it is read again then.
        """
        due = self.model.told(user != "rita", after)
        events, cursor = [], None

        def read():
            nonlocal cursor
            events[:], cursor = self.read_on(user, begin)
            return not any(self.tells_what_is_gone(data) for _, data in events)

        try:
            wait_for(read, "a replay without deleted texts")
        except AssertionError:
            print(*(event for event in events if self.tells_what_is_gone(event[1])), sep="\n")
            raise
        self.compare_events(events, due, begin, user)
        self.cursors.append((user, cursor))
        del self.cursors[:-20]

    def poll_now(self):
        self.cursors.append(("alice", self.call("alice", "GET", "/poll").json()["cursor"]))

    def read_on(self, user, where):
        """(name, data) of each event from there on, and the cursor behind them."""
        events, has_more = [], True
        while has_more:
            answer = self.call(user, "GET", "/poll", params={"wait": 0, **where})
            assert answer.status_code == 200, answer.text
            page = answer.json()
            events += [(event["event"], event["data"]) for event in page["events"]]
            where, has_more = {"cursor": page["cursor"]}, page["has_more"]
        return events, where["cursor"]

    def tells_what_is_gone(self, data):
        if data.get("content") is None:
            return False
        message = self.model.messages.get(data["seq"])
        return message is None or message.is_gone

    def compare_events(self, events, due, begin, user):
        seen = []
        for name, data in events:
            if name == "gap":
                seen.append(("gap", data["to"], data["from"], None))
                assert data["reason"] == "erased"
            else:
                seen.append((name, data["event_seq"], data["prev"], data.get("seq")))
        wrong = next((i for i, (a, b) in enumerate(zip(seen, due)) if a != b), min(len(seen), len(due)))
        assert seen == due, f"{begin}: {len(seen)} of {len(due)}, told {seen[wrong:][:3]}, due {due[wrong:][:3]}"
        for name, data in events:
            if name != "gap":
                check_told(self.model.events[data["event_seq"] - 1], data, user != "rita")

    def open_stream(self):
        """A stream from a cursor, from the beginning, or from the newest messages on."""
        user, is_first, init = self.reader(), self.random.random() < 0.3, self.random.choice([0, 1, 5, 50, 200])
        is_staff = user != "rita"
        cursors = [cursor for listener, cursor in self.cursors if listener == user]
        options, after = {}, self.model.newest(is_staff)
        if init:
            newest = self.model.visible(is_staff)[-init:]
            options = {"init": init}
            if newest:
                event = self.model.events[newest[0].seq - 1]
                after = event.seq - 1 if is_staff else event.prev_public
        elif is_first:
            options, after = {"since": 0}, 0
        elif cursors:
            options = {"last_event_id": self.random.choice(cursors)}
            after = int(options["last_event_id"].split(".")[1])
        due = self.model.told(is_staff, after)
        with self.connect(user, options) as stream:
            hello = stream.hello()
            stream.wait(lambda s: len(s.durable) >= len(due), f"event {len(due)} of {options}")
            self.compare_events([(event.name, event.data) for event in stream.durable], due, options, user)
        assert hello["cursor"] == f"{self.epoch}.{after}", options
        facts = hello["tickets"][self.ticket]
        assert (facts["newest_seq"], facts["status"]) == (self.model.newest(is_staff), self.model.status)

    def connect(self, user, options):
        """
        A stream that has begun: one that cannot be served for the moment is told `bye`. Without the record the
        newest messages are those that the window has, perhaps fewer.
        """

        def once():
            stream = self.apis[user].stream(self.ticket, **options)
            stream.wait(lambda s: s.events, "the first event")
            first = stream.events[0]
            assert first.name == "hello" or first.data["code"] == "unavailable", first
            if first.name == "hello" and not ("init" in options and first.data["mode"] == "no-postgres"):
                return stream
            stream.close()
            return None

        return wait_for(once, "hello")

    def hear(self):
        """What has stayed open, or come back, since the beginning has heard everything."""
        for listener in self.listeners:
            listener.hear()
