# SPDX-License-Identifier: BSD-2-Clause
"""bellhop verify and rebuild: whatever is wrong in a store is found, and Redis is made right again."""

import pytest
from client import wait_for

# What the events of a `conversation` are, oldest first.
KINDS = "mmmedm"


@pytest.fixture
def conversation(stack, ticket):
    """A ticket with messages, a note, an edit and a deletion, in both stores."""
    alice = stack.site.api("alice")
    alice.sent(ticket, "one")
    stack.site.api("rita", "requester", tickets=[ticket]).sent(ticket, "two")
    alice.sent(ticket, "three", kind="note")
    change(stack, ticket, 1, b"uno")
    change(stack, ticket, 3, None)
    alice.sent(ticket, "four")
    kinds = stack.sql("SELECT kind FROM bellhop.event WHERE ticket_id = %s ORDER BY seq", ticket)
    assert "".join(kind for (kind,) in kinds) == KINDS
    wait_for(lambda: length(stack, ticket) == len(KINDS), "the sweep")
    return ticket


def change(stack, ticket, seq, content):
    """Edits a message of Alice's, or deletes it where content is None."""
    rows = stack.sql(
        "SELECT outcome FROM bellhop.change(%s, %s, 'alice', 'agent', %s, 2, NULL)", ticket, seq, content
    )
    assert rows == [("c",)]


def key(stack, kind, ticket):
    found = stack.redis().keys(f"bellhop:*:{kind}:{ticket}")
    return found[0] if found else None


def length(stack, ticket):
    found = key(stack, "chat", ticket)
    return stack.redis().xlen(found) if found else 0


def verify(stack, *arguments):
    """(status, lines)"""
    done = stack.bellhop("verify", *arguments)
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()


def test_what_is_right(stack, conversation):
    summary = f"1 tickets, {len(KINDS)} events, 1 streams: no difference"
    assert verify(stack, conversation) == (0, [summary])
    summary = f"1 tickets, {len(KINDS)} events, 0 streams: no difference"
    assert verify(stack, "--record", conversation) == (0, [summary])


def test_all_tickets(stack, conversation):
    _, lines = verify(stack)
    assert not [line for line in lines if line.startswith(f"{conversation}:")]
    assert int(lines[-1].split()[0]) >= 1


def test_a_ticket_that_is_not_there(stack, ticket):
    status, lines = verify(stack, ticket)
    assert (status, lines[0]) == (1, f"{ticket}: there is no such ticket")


def test_not_a_ticket_id(stack):
    assert stack.bellhop("verify", "a/b").returncode == 2
    assert stack.bellhop("rebuild", "a/b").returncode == 2
    assert stack.bellhop("rebuild").returncode == 2


DAMAGE = [
    ("UPDATE bellhop.event SET n = n + 1 WHERE ticket_id = %s AND seq = 2", "event 2: n is 3"),
    ("UPDATE bellhop.event SET n_public = 9 WHERE ticket_id = %s AND seq = 6", "event 6: n_public is 9"),
    ("UPDATE bellhop.event SET prev_public = 1 WHERE ticket_id = %s AND seq = 6", "event 6: prev_public is 1"),
    ("UPDATE bellhop.event SET own = 7 WHERE ticket_id = %s AND seq = 3", "event 3: its sender's own"),
    ("UPDATE bellhop.event SET content = 'x' WHERE ticket_id = %s AND seq = 3", "event 3: text, deletion"),
    ("UPDATE bellhop.event SET rev = 1 WHERE ticket_id = %s AND seq = 1", "event 4: the message that"),
    ("DELETE FROM bellhop.event WHERE ticket_id = %s AND seq IN (2, 3)", "events 2 to 3 are missing"),
    ("DELETE FROM bellhop.event WHERE ticket_id = %s AND seq = 6", "events 6 to 6 are missing"),
    ("UPDATE bellhop.ticket SET n = 8 WHERE ticket_id = %s", "the ticket counts 8 messages"),
    ("UPDATE bellhop.ticket SET last_public = 5 WHERE ticket_id = %s", "the newest public event is 6"),
    (
        "INSERT INTO bellhop.receipt (ticket_id, user_id, seq, n, n_public) VALUES (%s, 'rita', 3, 1, 1)",
        "read mark of rita",
    ),
]


@pytest.mark.parametrize("statement, line", DAMAGE, ids=[line for _, line in DAMAGE])
def test_damage_of_the_record(stack, conversation, statement, line):
    stack.sql(statement, conversation)
    status, lines = verify(stack, "--record", conversation)
    assert status == 1
    assert any(found.startswith(f"{conversation}: {line}") for found in lines), lines
    assert lines[-1].endswith("differences")


def rewrite(stack, ticket, seq, **fields):
    """Writes the stream anew with other fields in one event."""
    r = stack.redis()
    name = key(stack, "chat", ticket)
    entries = r.xrange(name)
    r.delete(name)
    for entry_id, entry in entries:
        if entry_id == b"%d-0" % seq:
            entry.update({field.encode(): value for field, value in fields.items()})
        r.xadd(name, entry, id=entry_id)


STREAMS = {
    "event 2: the stream differs in content": lambda s, t: rewrite(s, t, 2, content="zwei"),
    "event 2: the stream differs in sender_id": lambda s, t: rewrite(s, t, 2, sender_id="bob"),
    "event 6: the stream differs in n": lambda s, t: rewrite(s, t, 6, n=9),
    "event 3: the stream differs in content, which was deleted": lambda s, t: rewrite(s, t, 3, content="three"),
    "event 5 is missing in the stream": lambda s, t: s.redis().xdel(key(s, "chat", t), "5-0"),
    "the stream's counts are not": lambda s, t: s.redis().hset(key(s, "meta", t), "n", 2),
}


@pytest.mark.parametrize("line", STREAMS)
def test_damage_of_a_stream_is_found_and_mended(stack, conversation, line):
    STREAMS[line](stack, conversation)
    status, lines = verify(stack, conversation)
    assert status == 1
    assert lines[0].startswith(f"{conversation}: {line}")
    done = stack.bellhop("rebuild", conversation)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{conversation}: loaded up to event {len(KINDS)}\n"
    assert verify(stack, conversation)[0] == 0
    assert length(stack, conversation) == len(KINDS)


def test_rebuild_of_no_ticket(stack, ticket):
    done = stack.bellhop("rebuild", ticket)
    assert (done.returncode, done.stderr) == (1, "bellhop rebuild: there is no such ticket\n")


def test_nobody_who_listens_notices_a_rebuild(stack, conversation):
    alice = stack.site.api("alice")
    with alice.stream(conversation, since="0") as stream:
        stream.wait_messages(4)
        assert stack.bellhop("rebuild", conversation).returncode == 0
        alice.sent(conversation, "five")
        stream.wait_messages(5)
        seqs = [event.data["event_seq"] for event in stream.durable]
        assert seqs == list(range(1, len(KINDS) + 2))


def test_verify_while_others_send(stack, ticket):
    """What is only late is no difference."""
    alice = stack.site.api("alice", "service")
    for number in range(20):
        stack.sql(
            "SELECT bellhop.send(%s, 'bob', 'Bob', 'agent', 't', 'x', %s, '\\x00', 2, NULL)", ticket, f"u{number}"
        )
    alice.sent(ticket, "x")
    assert verify(stack, ticket) == (0, ["1 tickets, 21 events, 1 streams: no difference"])
