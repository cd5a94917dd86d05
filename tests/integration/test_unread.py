# SPDX-License-Identifier: BSD-2-Clause
"""
Unread counts equal a recount, whatever happened before: a walk of random operations beside a naive model
(BELLHOP_UNREAD_STEPS of them, from BELLHOP_UNREAD_SEED), the same by several at once, and the rules one by one.
"""

import os
import random
import secrets
import threading

import pytest
from client import check_problem

STEPS = int(os.environ.get("BELLHOP_UNREAD_STEPS", "600"))


def unread(api, ticket=None):
    answer = api.get("/v1/unread", **({"ticket": ticket} if ticket else {}))
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert set(body) == {"total", "tickets"}
    assert body["total"] == sum(body["tickets"].values())
    assert list(body["tickets"]) == sorted(body["tickets"])
    return body["tickets"]


def put_mark(api, ticket, seq):
    return api.call("PUT", f"/v1/tickets/{ticket}/read", json={"seq": seq})


# ---- the rules


@pytest.fixture
def alice(site):
    return site.api("alice")


@pytest.fixture
def rita(site, ticket):
    return site.api("rita", "requester", tickets=[ticket])


def test_ones_own_notes_and_deleted_messages(site, ticket, alice, rita):
    alice.sent(ticket, "one")
    alice.sent(ticket, "two", kind="note")
    rita.sent(ticket, "three")
    alice.sent(ticket, "four")
    site.api("bob").call("POST", f"/v1/tickets/{ticket}/system-messages", json={"content": "five"})
    assert unread(alice, ticket) == {ticket: 2}
    assert unread(rita, ticket) == {ticket: 3}
    bob = site.api("bob")
    assert unread(bob, ticket) == {ticket: 4}
    alice.call("DELETE", f"/v1/tickets/{ticket}/messages/4")
    alice.call("DELETE", f"/v1/tickets/{ticket}/messages/2")
    alice.call("PATCH", f"/v1/tickets/{ticket}/messages/1", json={"content": "uno"})
    assert unread(alice, ticket) == {ticket: 2}
    assert unread(rita, ticket) == {ticket: 2}
    assert unread(bob, ticket) == {ticket: 2}


def test_sending_does_not_move_the_mark(ticket, alice, rita):
    alice.sent(ticket, "one")
    rita.sent(ticket, "two")
    assert unread(rita, ticket) == {ticket: 1}
    put_mark(rita, ticket, 1)
    rita.sent(ticket, "three")
    alice.sent(ticket, "four")
    rita.sent(ticket, "five")
    assert unread(rita, ticket) == {ticket: 1}


def test_all_are_those_with_a_part_in_them(site, ticket):
    alice, ann = site.api("alice"), site.api("ann-" + ticket)
    tickets = [f"{ticket}-{n}" for n in range(4)]
    for name in tickets:
        alice.sent(name, "one")
    assert unread(ann) == {}
    ann.sent(tickets[1], "here")
    ann.sent(tickets[0], "here")
    alice.sent(tickets[0], "two")
    put_mark(ann, tickets[1], 1)
    # A ticket that was only read is not one of the user's.
    put_mark(ann, tickets[2], 1)
    assert unread(ann) == {tickets[0]: 2, tickets[1]: 0}
    assert unread(ann, tickets[3]) == {tickets[3]: 1}
    alice.call("DELETE", f"/v1/tickets/{tickets[0]}/participants/{'ann-' + ticket}")
    assert unread(ann) == {tickets[1]: 0}
    check_problem(ann.get("/v1/unread", ticket=tickets[0]), 403, "not_a_participant")
    alice.call("PUT", f"/v1/tickets/{tickets[0]}/participants/{'ann-' + ticket}", json={"role": "agent"})
    assert unread(ann) == {tickets[0]: 2, tickets[1]: 0}


def test_of_a_ticket_that_has_not_begun(site, ticket, alice):
    assert unread(alice, ticket) == {ticket: 0}
    stranger = site.api("eve", "requester", tickets=[])
    check_problem(stranger.get("/v1/unread", ticket=ticket), 403, "not_a_participant")
    assert unread(stranger) == {}


@pytest.mark.parametrize("query", ["ticket=", "ticket=a/b", "ticket=.a", "ticket=" + "x" * 65, "ticket=a&ticket=b", "ticket=%ff"])
def test_what_is_no_ticket_is_refused(alice, query):
    check_problem(alice.get("/v1/unread?" + query), 400, "invalid_field")


# ---- the walk


class Ticket:
    """One ticket as somebody would write it down who has all the time in the world."""

    def __init__(self, name):
        self.name = name
        self.events = []  # of each seq whether it is public
        self.messages = {}  # seq -> [sender, is note, is deleted, text]
        self.first = 1
        self.marks = {}
        self.people = {}  # user -> role, or "removed"

    @property
    def last(self):
        return len(self.events)

    def public_not_above(self, seq):
        return max((s for s in range(1, min(seq, self.last) + 1) if self.events[s - 1]), default=0)

    def kept(self):
        return [seq for seq in self.messages if seq >= self.first]

    def place(self, user, seq):
        place = min(seq, self.last if user.is_staff else self.public_not_above(self.last))
        if not user.is_staff and place >= self.first:
            place = self.public_not_above(place)
        return self.first - 1 if 0 < place < self.first else place

    def read(self, user, seq):
        place = self.place(user, seq)
        if place > self.marks.get(user.name, 0):
            self.marks[user.name] = place

    def shown(self, viewer, name):
        mark = self.marks.get(name, 0)
        return mark if viewer.is_staff else self.public_not_above(mark)

    def unread(self, user):
        mark = self.marks.get(user.name, 0)
        return sum(
            1
            for seq, (sender, is_note, is_deleted, _) in self.messages.items()
            if seq > mark and seq >= self.first and sender != user.name and not is_deleted
            and (user.is_staff or not is_note)
        )  # fmt: skip


class User:
    def __init__(self, site, name, role, tickets):
        self.name, self.role, self.tickets = name, role, tickets
        self.is_staff = role != "requester"
        self.api = site.api(name, role, tickets=tickets)

    def may(self, ticket):
        if self.role in ("service", "admin"):
            return True
        part = ticket.people.get(self.name)
        return part != "removed" and (part is not None or self.tickets == "*" or ticket.name in self.tickets)


class Walk:
    def __init__(self, stack, seed, prefix):
        self.stack, self.random = stack, random.Random(seed)
        self.tickets = [Ticket(f"{prefix}-{n}") for n in range(4)]
        names = [t.name for t in self.tickets]
        site = stack.site
        self.users = [
            User(site, f"anna-{prefix}", "agent", "*"),
            User(site, f"ben-{prefix}", "agent", names[:2]),
            User(site, f"chef-{prefix}", "admin", None),
            User(site, f"rita-{prefix}", "requester", names[:2]),
            User(site, f"rob-{prefix}", "requester", []),
            User(site, f"bot-{prefix}", "service", None),
        ]
        self.counts = {}

    def step(self):
        steps = {
            self.send: 30, self.read: 30, self.edit: 6, self.delete: 8, self.people: 10, self.forget: 2, self.wipe: 0.3
        }  # fmt: skip
        chosen = self.random.choices(list(steps), list(steps.values()))[0]
        user, ticket = self.random.choice(self.users), self.random.choice(self.tickets)
        done = chosen(user, ticket)
        if done:
            self.counts[chosen.__name__] = self.counts.get(chosen.__name__, 0) + 1
        return done

    def send(self, user, ticket):
        kind = self.random.choice(("text", "text", "note", "system")) if user.is_staff else "text"
        sender, text = user.name, secrets.token_hex(2)
        if kind == "system":
            answer = user.api.call("POST", f"/v1/tickets/{ticket.name}/system-messages", json={"content": text})
        elif user.role == "service" and self.random.random() < 0.7:
            sender = self.random.choice(self.users).name
            answer = user.api.send(ticket.name, text, kind=kind, sender_id=sender)
        else:
            answer = user.api.send(ticket.name, text, kind=kind)
        if not user.may(ticket):
            check_problem(answer, 403, "not_a_participant")
            return False
        assert (answer.status_code, answer.json()["seq"]) == (201, ticket.last + 1), answer.text
        ticket.events.append(kind != "note")
        ticket.messages[ticket.last] = [sender, kind == "note", False, text]
        if user.role != "service":
            ticket.people.setdefault(user.name, user.role)
        return True

    def read(self, user, ticket):
        seq = self.random.randint(0, ticket.last + 2)
        answer = put_mark(user.api, ticket.name, seq)
        if not user.may(ticket):
            check_problem(answer, 403, "not_a_participant")
            return False
        ticket.read(user, seq)
        assert answer.json() == {"seq": ticket.shown(user, user.name), "unread": ticket.unread(user)}
        return True

    def choose_message(self, user, ticket):
        seqs = [seq for seq in ticket.kept() if user.is_staff or not ticket.messages[seq][1]]
        return self.random.choice(seqs) if seqs and user.may(ticket) else None

    def edit(self, user, ticket):
        seq = self.choose_message(user, ticket)
        if seq is None:
            return False
        sender, _, is_deleted, text = ticket.messages[seq]
        content = self.random.choice((text, secrets.token_hex(2)))
        answer = user.api.call("PATCH", f"/v1/tickets/{ticket.name}/messages/{seq}", json={"content": content})
        if sender != user.name and user.role != "admin":
            check_problem(answer, 403, "forbidden")
        elif is_deleted:
            check_problem(answer, 409, "deleted")
        else:
            assert answer.status_code == 200, answer.text
            if content != text:
                ticket.messages[seq][3] = content
                ticket.events.append(ticket.events[seq - 1])
            return True
        return False

    def delete(self, user, ticket):
        seq = self.choose_message(user, ticket)
        if seq is None:
            return False
        answer = user.api.call("DELETE", f"/v1/tickets/{ticket.name}/messages/{seq}")
        if ticket.messages[seq][0] != user.name and user.role not in ("agent", "admin"):
            check_problem(answer, 403, "forbidden")
            return False
        assert answer.status_code == 200, answer.text
        if not ticket.messages[seq][2]:
            ticket.messages[seq][2] = True
            ticket.events.append(ticket.events[seq - 1])
        return True

    def people(self, _, ticket):
        admin, user = self.users[2], self.random.choice(self.users)
        path = f"/v1/tickets/{ticket.name}/participants/{user.name}"
        if self.random.random() < 0.4:
            answer = admin.api.call("DELETE", path)
            if ticket.last == 0:
                check_problem(answer, 404, "not_found")
                return False
            assert answer.status_code == 204, answer.text
            role = "removed"
        else:
            assert admin.api.call("PUT", path, json={"role": user.role}).status_code == 200
            role = user.role
        if ticket.people.get(user.name) != role:
            ticket.people[user.name] = role
            ticket.events.append(True)
        return True

    def forget(self, _, ticket):
        """Retention takes a few."""
        age = self.stack.sql(
            "SELECT o_first_seq FROM bellhop.erase(%s, 'open', 0, %s)", ticket.name, self.random.randint(1, 4)
        )[0][0]
        ticket.first = max(ticket.first, age or 1)
        return age is not None

    def wipe(self, *_):
        self.stack.redis().flushall()
        return True

    # ---- comparing

    def compare(self, user, ticket):
        if user.may(ticket):
            assert unread(user.api, ticket.name) == {ticket.name: ticket.unread(user)}, (user.name, ticket.name)
        else:
            check_problem(user.api.get("/v1/unread", ticket=ticket.name), 403, "not_a_participant")

    def compare_all(self, user):
        expected = {t.name: t.unread(user) for t in self.tickets if t.people.get(user.name) not in (None, "removed")}
        assert unread(user.api) == expected, user.name

    def compare_receipts(self, user, ticket):
        answer = user.api.get(f"/v1/tickets/{ticket.name}/receipts")
        if not user.may(ticket):
            check_problem(answer, 403, "not_a_participant")
            return
        found = [(entry["user_id"], entry["seq"]) for entry in answer.json()["receipts"]]
        expected = [(name, ticket.shown(user, name)) for name in sorted(ticket.marks)]
        assert found == [(name, seq) for name, seq in expected if seq > 0], (user.name, ticket.name)

    def compare_everything(self):
        for user in self.users:
            self.compare_all(user)
            for ticket in self.tickets:
                self.compare(user, ticket)
                self.compare_receipts(user, ticket)


def check_record(stack, tickets):
    """Marks and unread counts as `bellhop verify` recounts them; events that are late in Redis are others' matter."""
    done = stack.bellhop("verify", "--record", *tickets, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_unread_equals_a_recount(breakable):
    seed = os.environ.get("BELLHOP_UNREAD_SEED") or secrets.token_hex(4)
    walk = Walk(breakable, seed, f"U-{secrets.token_hex(3)}")
    done = steps = 0
    try:
        while done < STEPS:
            done += walk.step()
            steps += 1
            walk.compare(walk.random.choice(walk.users), walk.random.choice(walk.tickets))
            if steps % 10 == 0:
                walk.compare_all(walk.random.choice(walk.users))
            if steps % 200 == 0:
                walk.compare_everything()
        walk.compare_everything()
        begun = [t.name for t in walk.tickets if t.last]
        check_record(breakable, begun)
    except BaseException:
        print(f"BELLHOP_UNREAD_SEED={seed}: step {steps}, {done} done, {walk.counts}")
        raise
    print(f"seed {seed}: {done} operations, {walk.counts}, {[t.last for t in walk.tickets]} events")


# ---- several at once

RECOUNT = """
    SELECT count(*) FROM bellhop.event e
     WHERE e.ticket_id = %s AND e.kind = 'm' AND e.sender_id <> %s AND e.deleted_at IS NULL AND (e.is_public OR %s)
       AND e.seq > coalesce((SELECT seq FROM bellhop.receipt WHERE ticket_id = %s AND user_id = %s), 0)
"""


def act(api, role, ticket, rng, sent, failures):
    """What one user does, never minding the others."""
    try:
        for _ in range(40):
            what = rng.random()
            if what < 0.45:
                kind = "note" if role == "agent" and rng.random() < 0.3 else "text"
                sent.append(api.sent(ticket, "x", kind=kind)["seq"])
            elif what < 0.8:
                answer = put_mark(api, ticket, rng.randint(0, max(sent, default=0) + 5))
                assert answer.status_code == 200 and answer.json()["unread"] >= 0, answer.text
            elif what < 0.9 and sent and role == "agent":
                api.call("DELETE", f"/v1/tickets/{ticket}/messages/{rng.choice(sent)}")
            else:
                assert unread(api, ticket)[ticket] >= 0
    except BaseException as error:
        failures.append(error)
        raise


def test_several_at_once(stack, site, ticket):
    people = [(f"u{n}", "agent" if n % 2 else "requester") for n in range(6)]
    apis = {name: site.api(name, role, tickets=[ticket]) for name, role in people}
    site.api("u1").sent(ticket, "begin")
    failures, sent = [], []
    threads = [
        threading.Thread(target=act, args=(apis[name], role, ticket, random.Random(f"{name} {k}"), sent, failures))
        for name, role in people
        for k in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not failures
    for name, role in people:
        [(count,)] = stack.sql(RECOUNT, ticket, name, role == "agent", ticket, name)
        assert unread(apis[name], ticket) == {ticket: count}, name
    check_record(stack, [ticket])
