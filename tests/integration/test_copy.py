# SPDX-License-Identifier: BSD-2-Clause
"""
bellhop verify and rebuild: whatever is wrong in a store is found, and Redis is made right again. bellhop export
and import: a ticket is the same in another record, however often and from where on it is taken in.
"""

import json
import os
import random
import re
import resource
import subprocess
import threading

import psycopg2
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
    # Not in the lists of the users whom it shares with other tests, who could not read them.
    stack.sql("UPDATE bellhop.participant SET removed_at = now() WHERE ticket_id = %s", conversation)
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
    "participant rita: nobody in Redis, requester here": lambda s, t: s.redis().hdel(key(s, "who", t), "rita"),
    "participant rita: removed in Redis, requester": lambda s, t: s.redis().hset(key(s, "who", t), "rita", "removed"),
    "Redis lists 3 participants, the record 2": lambda s, t: s.redis().hset(key(s, "who", t), "eve", "admin"),
    "Redis does not say whether": lambda s, t: s.redis().hdel(key(s, "who", t), "*"),
    "its status is closed in Redis, open here": lambda s, t: s.redis().hset(key(s, "meta", t), "status", "closed"),
    "its title in Redis is another": lambda s, t: s.redis().hset(key(s, "meta", t), "title", "x"),
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


class Talk:
    """People who send, edit, delete and change cards of tickets for as long as `with` lasts."""

    def __init__(self, stack, tickets):
        self.stack, self.tickets, self.is_over, self.faults, self.events = stack, tickets, False, [], 0
        self.threads = [threading.Thread(target=self.run, args=(seed,)) for seed in range(3)]

    def run(self, seed):
        dice = random.Random(seed)
        api = self.stack.site.api(f"talker{seed}", "admin")
        while not self.is_over:
            path = f"/v1/tickets/{dice.choice(self.tickets)}"
            message = f"{path}/messages/{dice.randrange(1, 30)}"
            text = {"content": f"text {dice.random()}"}
            send = ("POST", f"{path}/messages", {**text, "kind": dice.choice(["text", "note"])})
            title = ("PUT", path, {"title": f"title {dice.random()}"})
            method, path, body = dice.choice([send] * 6 + [("PATCH", message, text), ("DELETE", message, None), title])
            answer = api.call(method, path, **({"json": body} if body else {}))
            if answer.status_code not in (200, 201, 404, 409):
                self.faults.append(answer.text)
            self.events += answer.status_code in (200, 201)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.is_over = True
        for thread in self.threads:
            thread.join()
        assert self.faults == []
        assert self.events > 20


def test_verify_while_others_talk(stack, ticket):
    tickets = [f"{ticket}-{i}" for i in range(3)]
    with Talk(stack, tickets) as talk:
        wait_for(lambda: talk.events > 50, "some events")
        for _ in range(4):
            before = talk.events
            status, lines = verify(stack, *tickets)
            assert (status, lines[:-1]) == (0, [])
            wait_for(lambda: talk.events > before + 10, "more of them")  # noqa: B023
    assert verify(stack, *tickets)[0] == 0


def test_late_is_no_difference(stack, ticket):
    alice = stack.site.api("alice", "service")
    for number in range(20):
        stack.sql(
            "SELECT bellhop.send(%s, 'bob', 'Bob', 'agent', 't', 'x', %s, '\\x00', 2, NULL)", ticket, f"u{number}"
        )
    alice.sent(ticket, "x")
    assert verify(stack, ticket) == (0, ["1 tickets, 21 events, 1 streams: no difference"])


# ---- export and import

TABLES = ("ticket", "event", "revision", "participant", "receipt")


class Copy:
    """Another record, with a corner of Redis of its own."""

    def __init__(self, stack, database):
        self.stack = stack
        self.settings = {
            **database,
            "REDIS_URL": stack.redis_user("copy", prefix="copy:"),
            "BELLHOP_REDIS_PREFIX": "copy:",
        }
        assert self.bellhop("migrate").returncode == 0

    def bellhop(self, *arguments, **options):
        return self.stack.bellhop(*arguments, env=self.settings, **options)

    def take(self, text, *arguments, status=0):
        done = self.bellhop("import", *arguments, input=text)
        assert done.returncode == status, done.stderr
        return done

    def rows(self, ticket):
        return {table: rows(self.settings["DATABASE_URL"], table, ticket) for table in TABLES}


def rows(url, table, ticket):
    connection = psycopg2.connect(url)
    with connection, connection.cursor() as cursor:
        # The times of a list's order are kept up by the archiver; test_list.py looks at them.
        row = "(x.ticket_id, x.user_id, x.role, x.joined_at, x.removed_at)" if table == "participant" else "x"
        cursor.execute(f"SELECT {row}::text FROM bellhop.{table} x WHERE ticket_id = %s ORDER BY 1", (ticket,))
        found = [row for (row,) in cursor.fetchall()]
    connection.close()
    return found


@pytest.fixture
def copy(stack, database):
    return Copy(stack, database)


def export(stack, *arguments):
    done = stack.bellhop("export", *arguments)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return done.stdout


def everything(stack, ticket):
    return {table: rows(stack.env["DATABASE_URL"], table, ticket) for table in TABLES}


def test_a_copy_is_the_same(stack, conversation, copy):
    change(stack, conversation, 6, "vier \\ \u201cviére\u201d \n\t\"\U0001f600\"".encode())
    stack.sql(
        "INSERT INTO bellhop.receipt (ticket_id, user_id, seq, n, n_public, public_seq, public_at)"
        " VALUES (%s, 'rita', 2, 2, 2, 2, now())",
        conversation,
    )
    text = export(stack, conversation)
    done = copy.take(text)
    assert done.stdout == f"{len(text.splitlines())} lines, 1 tickets\n"
    original = everything(stack, conversation)
    assert [len(original[table]) for table in TABLES] == [1, 7, 2, 2, 1]
    assert copy.rows(conversation) == original
    # Again is no change, and the copy is as right as the original.
    copy.take(text)
    assert copy.rows(conversation) == original
    done = copy.bellhop("verify", "--record")
    assert done.stdout == "1 tickets, 7 events, 0 streams: no difference\n"
    assert export(stack, conversation) == copy.bellhop("export", "--all").stdout


def test_a_later_read_mark_is_taken_whole(stack, conversation, copy):
    read = "SELECT outcome FROM bellhop.read_put(%s, 'rita', 'requester', 1, %s)"
    assert stack.sql(read, conversation, 1) == [("c",)]
    lines = export(stack, conversation).splitlines(keepends=True)
    # As it was written before marks had a public number.
    old = [line for line in lines if '"receipt"' not in line]
    old += [line.replace("public_seq", "x").replace("public_at", "y") for line in lines if '"receipt"' in line]
    copy.take("".join(old))
    assert stack.sql(read, conversation, 4) == [("c",)]
    copy.take(export(stack, conversation))
    assert copy.rows(conversation) == everything(stack, conversation)


def test_lines_are_readable(stack, conversation):
    lines = [json.loads(line) for line in export(stack, conversation).splitlines()]
    assert lines[0] == {"type": "bellhop", "version": 2}
    assert [line["type"] for line in lines if line["type"] != "event"] == [
        "bellhop", "revision", "participant", "participant", "ticket",
    ]  # fmt: skip
    messages = {line["seq"]: line for line in lines if line.get("kind") == "m"}
    assert (messages[1]["content"], messages[1]["rev"]) == ("uno", 2)
    assert "content" not in messages[3] and messages[3]["deleted_by"] == "alice"


def test_the_rest_is_taken_in_later(stack, conversation, copy):
    """An older export, then a newer one: what was edited and deleted meanwhile arrives."""
    copy.take(export(stack, conversation))
    change(stack, conversation, 1, b"eins")
    stack.site.api("alice").sent(conversation, "five")
    change(stack, conversation, 6, None)
    older = copy.rows(conversation)
    text = export(stack, conversation)
    copy.take(text)
    assert copy.rows(conversation) == everything(stack, conversation) != older


def test_an_export_while_others_talk(stack, ticket, copy):
    """Each is a ticket as it was at one moment, and each adds to what the former one brought."""
    stack.site.api("alice").sent(ticket, "the first")
    fill(stack, ticket, 1500)
    with Talk(stack, [ticket]) as talk:
        for _ in range(5):
            before = talk.events
            wait_for(lambda: talk.events > before + 10, "some events")  # noqa: B023
            text = export(stack, ticket)
            copy.take(text)
            done = copy.bellhop("verify", "--record")
            assert done.returncode == 0, done.stdout
            head = json.loads(text.splitlines()[-1])
            assert head["type"] == "ticket" and head["last_seq"] > 1500
            assert len(copy.rows(ticket)["event"]) == head["last_seq"]
    copy.take(export(stack, ticket))
    assert copy.rows(ticket) == everything(stack, ticket)


def fill(stack, ticket, count):
    """Further messages, sent past the api."""
    for first in range(0, count, 250):
        stack.sql(
            "SELECT bellhop.send(%s, 'bob', 'Bob', 'agent', 't', 'x', 'fill' || i, '\\x00', 2, NULL)"
            " FROM generate_series(%s, %s) i",
            ticket, first + 1, min(first + 250, count),
        )  # fmt: skip


def test_a_deletion_is_not_undone(stack, conversation, copy):
    older = export(stack, conversation)
    change(stack, conversation, 1, None)
    copy.take(export(stack, conversation))
    copy.take(older)
    assert copy.rows(conversation) == everything(stack, conversation)


def test_an_import_goes_on_where_it_stopped(stack, conversation, copy):
    lines = export(stack, conversation).splitlines(keepends=True)
    broken = "".join(lines[:4]) + "{\n"
    done = copy.take(broken, status=1)
    assert "line 5: " in done.stderr
    assert "go on with --from 2" in done.stderr
    assert copy.rows(conversation)["event"] == []
    copy.take("".join(lines), "--from", "2")
    assert copy.rows(conversation) == everything(stack, conversation)


@pytest.mark.parametrize(
    "text, reason",
    [
        ("", "there is nothing to import"),
        ('{"type": "ticket", "ticket_id": "T-1"}', "this is not what bellhop export writes"),
        ("{}", "this is not what bellhop export writes"),
        ('{"type": "bellhop"}', "this is not what bellhop export writes"),
        ("[1]", "this is not what bellhop export writes"),
        ('{"type": "bellhop", "version": 3}', "a newer bellhop wrote this"),
        ('{"type": "bellhop", "version": 1}\n{"type": "x", "ticket_id": "T-1"}', "line 2: of an unknown type"),
        ('{"type": "bellhop", "version": 1}\n{"type": "event"}', "line 2: without a ticket id"),
        ('{"type": "bellhop", "version": 1}\n{"type": "event", "ticket_id": "T-1"}', "could not ask PostgreSQL"),
    ],
)
def test_what_is_refused(copy, text, reason):
    assert reason in copy.take(text, status=1).stderr


def test_another_ticket_of_the_name(stack, conversation, copy):
    text = export(stack, conversation)
    copy.take(text.replace('"rita"', '"rosa"'))
    before = copy.rows(conversation)
    done = copy.take(text, status=1)
    assert f"ticket {conversation} has another event 2 here" in done.stderr
    assert copy.rows(conversation) == before


def test_import_makes_redis_forget(stack, conversation):
    """Taken into the record that it came from, which changes nothing."""
    text = export(stack, conversation)
    rewrite(stack, conversation, 1, sender_name="somebody else")
    done = stack.bellhop("import", input=text)
    assert done.returncode == 0, done.stderr
    # The archiver may have brought it again since.
    found = key(stack, "chat", conversation)
    assert found is None or "somebody else" not in str(stack.redis().xrange(found))
    assert stack.site.api("alice").page(conversation)["messages"][-1]["content"] == "four"
    assert verify(stack, conversation)[0] == 0


def test_import_while_others_send_to_the_ticket(stack, ticket, copy):
    """Whoever sends before all is in gets a number that is free; the rest is refused, and the ticket is whole."""
    stack.site.api("alice").sent(ticket, "the first")
    fill(stack, ticket, 4000)
    text = export(stack, ticket)
    sent = []

    def send():
        connection = psycopg2.connect(copy.settings["DATABASE_URL"])
        connection.autocommit = True
        with connection.cursor() as cursor:
            while importer.poll() is None:
                cursor.execute(
                    "SELECT outcome, event_seq, event_n FROM bellhop.send(%s, 'eve', 'Eve', 'agent', 't', 'x', %s,"
                    " '\\x00', 2, NULL)", (ticket, f"eve{len(sent)}"),
                )  # fmt: skip
                sent.append(cursor.fetchone())
        connection.close()

    command = [stack.program("bellhop"), "-c", stack.config, "import"]
    pipes = {"stdin": subprocess.PIPE, "stderr": subprocess.PIPE, "stdout": subprocess.DEVNULL, "text": True}
    with subprocess.Popen(command, env={**os.environ, **stack.env, **copy.settings}, **pipes) as importer:
        cut = text.index("\n", len(text) // 2)
        importer.stdin.write(text[:cut])
        importer.stdin.flush()
        wait_for(lambda: len(copy.rows(ticket)["event"]) > 1000, "the first half")
        thread = threading.Thread(target=send)
        thread.start()
        wait_for(lambda: sent, "a message")
        try:
            importer.stdin.write(text[cut:])
            importer.stdin.close()
        except BrokenPipeError:
            pass
        error = importer.stderr.read()
    thread.join()
    assert importer.returncode == 1
    assert f"ticket {ticket} has another event {sent[0][1]} here" in error or "others write to these" in error
    assert "go on with --from" in error
    assert all(outcome == "c" for outcome, _, _ in sent)
    assert [n for _, _, n in sent] == [seq for _, seq, _ in sent]
    done = copy.bellhop("verify", "--record")
    assert done.returncode == 0, done.stdout
    assert len(copy.rows(ticket)["event"]) == sent[-1][1]


def test_import_into_the_same_record_while_others_talk(stack, ticket):
    """An export that was made a moment ago brings nothing back, and takes nothing away."""
    stack.site.api("alice").sent(ticket, "the first")
    fill(stack, ticket, 1500)
    with Talk(stack, [ticket]) as talk:
        for _ in range(5):
            before = talk.events
            text = export(stack, ticket)
            wait_for(lambda: talk.events > before + 10, "some events")  # noqa: B023
            done = stack.bellhop("import", input=text)
            assert done.returncode == 0, done.stderr
    assert verify(stack, ticket)[0] == 0


def test_what_was_erased_is_not_brought_back(stack, conversation):
    text = export(stack, conversation)
    stack.sql("UPDATE bellhop.event SET sent_at = sent_at - interval '9 days' WHERE ticket_id = %s AND seq < 3",
              conversation)  # fmt: skip
    assert stack.bellhop("purge", "--older-than", "8d").returncode == 0
    kept = everything(stack, conversation)
    done = stack.bellhop("import", input=text)
    assert done.returncode == 0, done.stderr
    assert everything(stack, conversation) == kept
    assert verify(stack, conversation)[0] == 0


def test_export_of_what_is_not_there(stack, ticket):
    done = stack.bellhop("export", ticket)
    assert done.returncode == 1 and "there is no ticket" in done.stderr
    assert stack.bellhop("export").returncode == 2
    assert stack.bellhop("export", "--all", ticket).returncode == 2
    assert stack.bellhop("import", "a", "b").returncode == 2


def test_after(stack, conversation):
    assert len(export(stack, "--all", "--after", "zzz").splitlines()) == 1


def little_memory():
    """24 MiB; AddressSanitizer's own memory, many times that, would not fit."""
    if "ASAN_OPTIONS" not in os.environ:
        resource.setrlimit(resource.RLIMIT_DATA, (24 << 20, 24 << 20))


def test_much_in_little_memory(stack, ticket, copy):
    """4,000 messages of 2 KB, which the program must not hold at once."""
    stack.sql(
        "INSERT INTO bellhop.event (ticket_id, seq, n, n_public, prev_public, sent_at, rev, own, own_public, kind,"
        " message_kind, is_public, sender_id, uid, digest, content)"
        " SELECT %s, i, i, i, i - 1, now() - interval '1 day', 1, i, i, 'm', 't', true, 'ann', 'u' || i, '\\x00',"
        " convert_to(repeat('0123456789', 200), 'UTF8') FROM generate_series(1, 4000) i",
        ticket,
    )
    stack.sql(
        "INSERT INTO bellhop.ticket (ticket_id, last_seq, last_public, n, n_public) VALUES (%s, 4000, 4000, 4000, 4000)",
        ticket,
    )
    done = stack.bellhop("export", ticket, preexec_fn=little_memory, timeout=60)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 4002
    taken = copy.bellhop("import", "--record", input=done.stdout, preexec_fn=little_memory, timeout=60)
    assert taken.returncode == 0, taken.stderr
    for found in (stack.bellhop("verify", "--record", ticket), copy.bellhop("verify", "--record", ticket)):
        assert found.stdout == "1 tickets, 4000 events, 0 streams: no difference\n"


# ---- the bar


def test_a_bar_on_a_terminal(stack, ticket, copy, tmp_path):
    fill(stack, ticket, 1500)
    status, written, drawn = stack.on_terminal("export", ticket)
    assert status == 0
    assert len(written.splitlines()) == 1503
    bars = drawn.split("\r")[1:]
    assert all(re.fullmatch(r"\[#*\.*\] +\d+ %", bar) and bar.index("]") == 41 for bar in bars[:-1]), bars
    assert (bars[0], bars[-2], bars[-1]) == (f"[{'.' * 40}]   0 %", f"[{'#' * 40}] 100 %", "\n"), bars
    path = tmp_path / "export"
    path.write_bytes(written)
    status, _, drawn = stack.on_terminal("import", str(path), **copy.settings)
    assert status == 0 and f"[{'#' * 40}] 100 %" in drawn, drawn
    # What goes wrong is on a line of its own.
    path.write_bytes(written[:-20])
    status, _, drawn = stack.on_terminal("import", str(path), **copy.settings)
    assert status == 1 and "\r\nbellhop import: line 1503: " in drawn, drawn


def test_an_interrupted_export_goes_on_after_what_was_written(stack, ticket, copy):
    """Two files, of which the first was cut off in the midst of a line, are together what one would be."""
    # Behind all tickets of other tests, of which some are damaged on purpose.
    names = [f"zz-{ticket}-{i}" for i in range(5)]
    for name in names:
        fill(stack, name, 30)
    whole = export(stack, "--all", "--after", f"zz-{ticket}")
    first = whole[: whole.index(f'"{names[3]}"') + 200]
    copy.take(first, status=1)
    copy.take(first[: first.rindex("\n") + 1])
    copy.take(export(stack, "--all", "--after", names[2]))
    for name in names:
        assert copy.rows(name) == everything(stack, name)
    assert copy.bellhop("verify", "--record").returncode == 0


def test_an_import_that_is_killed(stack, ticket, copy, tmp_path):
    """Whatever was in by then, it is whole, and the same import again brings the rest."""
    fill(stack, ticket, 3000)
    path = tmp_path / "export"
    path.write_text(export(stack, ticket))
    command = [stack.program("bellhop"), "-c", stack.config, "import", str(path)]
    with subprocess.Popen(command, env={**os.environ, **stack.env, **copy.settings}) as importer:
        wait_for(lambda: len(copy.rows(ticket)["event"]) > 0, "the first of them")
        importer.kill()
    done = copy.bellhop("verify", "--record")
    assert done.returncode == 0, done.stdout
    assert copy.bellhop("import", str(path)).returncode == 0
    assert copy.rows(ticket) == everything(stack, ticket)
