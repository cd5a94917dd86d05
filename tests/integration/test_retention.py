# SPDX-License-Identifier: BSD-2-Clause
"""
Retention and purge: what is erased, what stays, what clients are told, and what legal hold keeps. Events
are made old by dating them back in PostgreSQL.
"""

import pytest
from client import check_problem, until, wait_for
from conftest import running_stack

DAY = 86400


@pytest.fixture(scope="module")
def keeping_stack(request):
    """Events of closed tickets are kept for 30 days, of open ones for 300."""
    env = {"BELLHOP_KEEP_CLOSED_DAYS": "30", "BELLHOP_KEEP_OPEN_DAYS": "300"}
    yield from running_stack(request, env=env)


def age(stack, ticket, days, last):
    """The events up to number `last` are of so many days ago."""
    stack.sql(
        "UPDATE bellhop.event SET sent_at = sent_at - %s * interval '1 day' WHERE ticket_id = %s AND seq <= %s",
        days, ticket, last,
    )  # fmt: skip


def row(stack, ticket):
    """first_seq, first_n, first_n_public, and the numbers of the events that there are."""
    head = stack.sql(
        "SELECT first_seq, first_n, first_n_public FROM bellhop.ticket WHERE ticket_id = %s", ticket
    )[0]
    return (*head, [seq for (seq,) in stack.sql(
        "SELECT seq FROM bellhop.event WHERE ticket_id = %s ORDER BY seq", ticket)])  # fmt: skip


def window(stack, ticket):
    """The numbers of the events in Redis."""
    r = stack.redis()
    keys = r.keys(f"bellhop:*:chat:{ticket}")
    return [int(entry[0].split(b"-")[0]) for entry in r.xrange(keys[0])] if keys else []


def fill(api, ticket, count):
    for number in range(count):
        api.sent(ticket, f"message {number + 1}")


def purge(stack, *arguments):
    done = stack.bellhop("purge", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def put(api, ticket, **fields):
    answer = api.call("PUT", f"/v1/tickets/{ticket}", json=fields)
    assert answer.status_code == 200, answer.text


def check(stack, ticket):
    """Both stores agree with themselves and each other."""
    done = stack.bellhop("verify", ticket)
    assert done.returncode == 0, done.stdout + done.stderr


def numbers(page):
    return [message["seq"] for message in page["messages"]]


# ---- by settings


def test_the_archiver_erases_by_status_and_age(keeping_stack, ticket):
    stack, site = keeping_stack, keeping_stack.site
    alice = site.api("alice")
    open_ticket, closed, held = f"{ticket}-open", f"{ticket}-closed", f"{ticket}-held"
    for name in (open_ticket, closed, held):
        fill(alice, name, 6)
        age(stack, name, 40, 4)
    assert stack.bellhop("hold", held).returncode == 0
    for name in (closed, held):
        put(alice, name, status="closed")
    wait_for(lambda: row(stack, closed) == (5, 4, 4, [5, 6, 7]), "the erasure")
    wait_for(lambda: window(stack, closed) == [5, 6, 7], "the window to be cut")
    assert row(stack, open_ticket) == (1, 0, 0, [1, 2, 3, 4, 5, 6])
    age(stack, open_ticket, 270, 3)
    wait_for(lambda: row(stack, open_ticket)[0] == 4, "the erasure in the open ticket")
    assert row(stack, held) == (1, 0, 0, [1, 2, 3, 4, 5, 6, 7])
    assert window(stack, held) == [1, 2, 3, 4, 5, 6, 7]
    stack.bellhop("release", held)
    wait_for(lambda: row(stack, held)[0] == 5, "the erasure after the release")


def test_by_default_nothing_is_erased(stack, site, ticket):
    alice = site.api("alice")
    fill(alice, ticket, 2)
    age(stack, ticket, 10_000, 2)
    assert stack.bellhop("config").stdout.count("KEEP_") >= 2
    sweeps = stack.redis().info("commandstats")["cmdstat_fcall"]["calls"]
    wait_for(lambda: stack.redis().info("commandstats")["cmdstat_fcall"]["calls"] > sweeps + 6, "some sweeps")
    assert row(stack, ticket)[0] == 1


# ---- purge


def test_purge_says_what_it_would_do_and_does_it(stack, site, ticket):
    alice = site.api("alice")
    fill(alice, ticket, 5)
    age(stack, ticket, 100, 3)
    assert f"{ticket} 3" in purge(stack, "--older-than", "90d", "--dry-run")
    assert row(stack, ticket)[0] == 1
    assert not any(line.startswith(ticket) for line in purge(stack, "--older-than", "101d"))
    assert not any(line.startswith(ticket) for line in purge(stack, "--older-than", "90d", "--status", "closed"))
    lines = purge(stack, "--older-than", "90d", "--status", "open")
    assert f"{ticket} 3" in lines and lines[-1].startswith("erased ")
    assert row(stack, ticket) == (4, 3, 3, [4, 5])
    assert purge(stack, "--older-than", "90d") == ["erased 0 events of 0 tickets"]


def test_purge_obeys_a_hold(stack, site, ticket):
    alice = site.api("alice")
    fill(alice, ticket, 3)
    age(stack, ticket, 100, 3)
    stack.bellhop("hold", ticket)
    assert not any(line.startswith(ticket) for line in purge(stack, "--older-than", "90d", "-n"))
    assert not any(line.startswith(ticket) for line in purge(stack, "--older-than", "90d"))
    assert row(stack, ticket)[0] == 1
    # Nor is it the looking alone that keeps it.
    erased = stack.sql("SELECT erased FROM bellhop.erase(%s, 'open', 1, 100)", ticket)
    assert erased == [(0,)]
    stack.bellhop("release", ticket)
    assert f"{ticket} 3" in purge(stack, "--older-than", "90d")


def test_many_events_go_in_batches(stack, site, ticket):
    site.api("alice").sent(ticket, "first")
    for part in range(5):
        stack.sql(
            "SELECT count(bellhop.send(%s, 'ann', NULL, 'agent', 't', 'x', %s || n, '\\x00', 2, NULL))"
            " FROM generate_series(1, 250) n",
            ticket,
            f"{part}-",
        )
    age(stack, ticket, 100, 1200)
    assert f"{ticket} 1200" in purge(stack, "--older-than", "90d")
    assert row(stack, ticket)[:2] == (1201, 1200)
    wait_for(lambda: window(stack, ticket)[:1] == [1201], "the window to be cut")
    check(stack, ticket)


@pytest.mark.parametrize(
    "arguments",
    [[], ["--older-than"], ["--older-than", "soon"], ["--older-than", "1d", "--status", "shut"],
     ["--older-than", "1d", "T-1"], ["-n"]],
)  # fmt: skip
def test_purge_wants_to_be_told_exactly(stack, arguments):
    assert stack.bellhop("purge", *arguments).returncode == 2


# ---- what readers see


@pytest.fixture
def cut(stack, site, ticket):
    """A ticket of ten messages, the fifth of them a note, of which the first six are gone from both stores."""
    alice, rita = site.api("alice"), site.api("rita", "requester", tickets=[ticket])
    fill(alice, ticket, 4)
    alice.sent(ticket, "a note", kind="note")
    fill(alice, ticket, 5)
    age(stack, ticket, 100, 6)
    purge(stack, "--older-than", "90d")
    assert row(stack, ticket) == (7, 6, 5, [7, 8, 9, 10])
    wait_for(lambda: window(stack, ticket) == [7, 8, 9, 10], "the window to be cut")
    return ticket, alice, rita


def test_history_begins_where_it_is_kept(stack, cut):
    ticket, alice, rita = cut
    for api, n in ((alice, 7), (rita, 6)):
        for _ in range(2):
            for bounds in ({}, {"after": 0}, {"before": 11}, {"around": 8}):
                page = api.page(ticket, **bounds)
                assert numbers(page) == [7, 8, 9, 10], bounds
                assert page["messages"][0]["n"] == n
                assert not page["has_more_before"] and not page["has_more_after"], bounds
            page = api.page(ticket, before=7)
            assert numbers(page) == [] and page["has_more_after"] and not page["has_more_before"]
            page = api.page(ticket, after=10)
            assert numbers(page) == [] and page["has_more_before"] and not page["has_more_after"]
            page = api.page(ticket, after=7)
            assert numbers(page) == [8, 9, 10] and page["has_more_before"]
            page = api.page(ticket, after=6)
            assert numbers(page) == [7, 8, 9, 10] and not page["has_more_before"]
            check_problem(api.get(f"/v1/tickets/{ticket}/messages/3"), 404, "not_found")
            # The second time without Redis, from the record.
            r = stack.redis()
            r.delete(*(r.keys(f"bellhop:*:chat:{ticket}") or ["-"]))


def test_a_stream_from_below_is_told_of_the_gap(cut):
    ticket, alice, rita = cut
    epoch = alice.page(ticket)["cursor"].split(".")[0]
    for api, last in ((alice, 6), (rita, 6)):
        with api.stream(ticket, since=0) as stream:
            stream.wait_messages(4)
            assert [e.name for e in stream.durable] == ["gap"] + ["message"] * 4
            gap = stream.durable[0]
            assert gap.data == {"ticket_id": ticket, "from": 1, "to": last, "reason": "erased"}
            assert gap.id == f"{epoch}.{last}"
        with api.stream(ticket, last_event_id=f"{epoch}.3") as stream:
            stream.wait_messages(4)
            assert (stream.durable[0].data["from"], stream.durable[0].data["to"]) == (4, 6)
        # From the gap's own id it goes on without another.
        with api.stream(ticket, last_event_id=f"{epoch}.6") as stream:
            assert [e.data["event_seq"] for e in stream.wait_messages(4)] == [7, 8, 9, 10]
            assert stream.named("gap") == []
        assert [e["event"] for e in api.poll(ticket, since=0, wait=0)["events"]] == ["gap"] + ["message"] * 4
        with api.stream(ticket, init=50) as stream:
            stream.wait_messages(4)
            assert stream.named("gap") == []


def test_a_ticket_of_which_nothing_is_left(stack, site, ticket):
    alice, rita = site.api("alice"), site.api("rita", "requester", tickets=[ticket])
    fill(alice, ticket, 3)
    alice.sent(ticket, "a note", kind="note")
    age(stack, ticket, 100, 4)
    purge(stack, "--older-than", "90d")
    assert row(stack, ticket) == (5, 4, 3, [])
    wait_for(lambda: window(stack, ticket) == [], "the window to go")
    epoch = stack.sql("SELECT epoch FROM bellhop.deployment")[0][0]
    for api, last in ((alice, 4), (rita, 3)):
        page = api.page(ticket)
        assert numbers(page) == [] and not page["has_more_before"] and not page["has_more_after"]
        assert page["cursor"] == f"{epoch}.{last}"
        card = api.get(f"/v1/tickets/{ticket}").json()
        assert card["newest_seq"] == last
        with api.stream(ticket, last_event_id=f"{epoch}.1") as stream:
            gap = stream.wait_named("gap")
            assert (gap.data["from"], gap.data["to"], gap.data["reason"]) == (2, last, "erased")
            assert stream.hello()["tickets"][ticket]["unread"] in (0, None)
    # Life goes on with the next number, also for who was told of the gap.
    with rita.stream(ticket, last_event_id=f"{epoch}.1") as stream:
        stream.wait_named("gap")
        message = alice.sent(ticket, "again")
        assert (message["seq"], message["n"]) == (5, 5)
        event = stream.wait_messages(1)[0]
        assert (event.data["event_seq"], event.data["prev"], event.data["n"]) == (5, 3, 4)
        assert len(stream.named("gap")) == 1
    wait_for(lambda: window(stack, ticket) == [5], "the stream")
    check(stack, ticket)


def test_what_outlives_its_message(stack, site, ticket):
    """An edit of a message that is gone is told as one of a message that was deleted."""
    alice = site.api("alice")
    first = alice.sent(ticket, "one")
    alice.sent(ticket, "two")
    answer = alice.call("PATCH", f"/v1/tickets/{ticket}/messages/{first['seq']}", json={"content": "uno"})
    assert answer.status_code == 200, answer.text
    age(stack, ticket, 100, 1)
    purge(stack, "--older-than", "90d")
    assert row(stack, ticket)[0] == 2
    assert stack.sql("SELECT count(*) FROM bellhop.revision WHERE ticket_id = %s", ticket) == [(0,)]
    wait_for(lambda: window(stack, ticket) == [2, 3], "the window to be cut")
    r = stack.redis()
    r.delete(*r.keys(f"bellhop:*:{ticket}"))
    alice.sent(ticket, "three")
    until(lambda: window(stack, ticket), lambda found: found == [2, 3, 4], "the stream")
    assert numbers(alice.page(ticket)) == [2, 4]
    events = alice.poll(ticket, since=0, wait=0)["events"]
    assert [e["event"] for e in events] == ["gap", "message", "message-edited", "message"]
    edit = events[2]["data"]
    assert edit["content"] is None and edit["deleted_at"] is not None
    check(stack, ticket)


def test_an_edit_that_outlives_its_message_forgets_its_text(stack, site, ticket):
    """Wherever it was kept: in the ring of a stream that is open, and in Redis."""
    alice = site.api("alice")
    with alice.stream(ticket) as stream:
        stream.hello()
        for text in ("one", "two"):
            alice.sent(ticket, text)
        for text in ("uno", "eins"):
            answer = alice.call("PATCH", f"/v1/tickets/{ticket}/messages/1", json={"content": text})
            assert answer.status_code == 200, answer.text
        stream.wait(lambda s: len(s.named("message-edited")) == 2, "the edits")
        age(stack, ticket, 100, 3)
        purge(stack, "--older-than", "90d")
        epoch = alice.page(ticket)["cursor"].split(".")[0]
        for begin in ({"cursor": f"{epoch}.3"}, {"since": 0}):
            edit = alice.poll(ticket, **begin, wait=0)["events"][-1]
            assert (edit["event"], edit["data"]["event_seq"]) == ("message-edited", 4)
            assert edit["data"]["content"] is None
        stored = [b"".join(s for pair in fields.items() for s in pair) for fields in stream_of(stack, ticket)]
        assert not any(b"eins" in fields for fields in stored), stored
        alice.sent(ticket, "three")
        stream.wait_messages(3)
    check(stack, ticket)


def stream_of(stack, ticket):
    """The fields of the events in Redis."""
    r = stack.redis()
    keys = r.keys(f"bellhop:*:chat:{ticket}")
    return [fields for _, fields in r.xrange(keys[0])] if keys else []


def test_a_process_that_remembers_tells_nothing_of_what_was_erased(stack, site, ticket):
    """The stream that is open keeps the ticket's ring of events in push alive."""
    alice, rita = site.api("alice"), site.api("rita", "requester", tickets=[ticket])
    epoch = alice.page(ticket)["cursor"].split(".")[0]
    with alice.stream(ticket) as stream:
        stream.hello()
        fill(alice, ticket, 5)
        stream.wait_messages(5)
        age(stack, ticket, 100, 3)
        purge(stack, "--older-than", "90d")
        for api in (alice, rita):
            events = api.poll(ticket, cursor=f"{epoch}.0", wait=0)["events"]
            assert [e["event"] for e in events] == ["gap", "message", "message"]
            assert events[0]["data"] == {"ticket_id": ticket, "from": 1, "to": 3, "reason": "erased"}
        alice.sent(ticket, "six")
        stream.wait_messages(6)
        assert stream.named("gap") == []


# ---- idle tickets


def forget(stack, ticket):
    """As if it had left Redis long ago: the sweep does not look at what is so old."""
    stack.sql("UPDATE bellhop.event SET sent_at = sent_at - interval '1 hour' WHERE ticket_id = %s", ticket)
    r = stack.redis()
    wait_for(lambda: not r.delete(*(r.keys(f"bellhop:*:{ticket}") or ["-"])), "a sweep without it", 20)


def test_a_ticket_comes_back_to_redis_with_a_reader(stack, site, ticket):
    alice = site.api("alice")
    fill(alice, ticket, 3)
    forget(stack, ticket)
    assert numbers(alice.page(ticket)) == [1, 2, 3]
    wait_for(lambda: window(stack, ticket) == [1, 2, 3], "the stream")
    assert numbers(alice.page(ticket)) == [1, 2, 3]


@pytest.mark.parametrize("kept", [0, 2])
def test_what_was_purged_has_left_redis(stack, site, ticket, kept):
    """At once, without the archiver; so `verify` finds no difference a moment later."""
    alice = site.api("alice")
    fill(alice, ticket, 6)
    age(stack, ticket, 100, 6 - kept)
    wait_for(lambda: len(window(stack, ticket)) == 6, "the stream")
    stack.freeze("archive")
    try:
        purge(stack, "--older-than", "90d")
        found = window(stack, ticket)
        done = stack.bellhop("verify", ticket)
    finally:
        stack.thaw("archive")
    assert found == [5, 6][2 - kept :]
    assert done.returncode == 0, done.stdout


def test_purge_without_redis(stack, site, ticket):
    alice = site.api("alice")
    fill(alice, ticket, 4)
    age(stack, ticket, 100, 2)
    done = stack.bellhop("purge", "--older-than", "90d", env={"REDIS_URL": "redis://127.0.0.1:1/0"})
    assert done.returncode == 0 and done.stderr.count("the archiver will take them out of it") == 1
    assert row(stack, ticket)[0] == 3
    wait_for(lambda: window(stack, ticket) == [3, 4], "the window to be cut", 60)


@pytest.mark.parametrize("start", [{}, {"init": 50}, {"last_event_id": "1.2"}])
def test_it_comes_back_with_a_listener(stack, site, ticket, start):
    alice = site.api("alice")
    fill(alice, ticket, 3)
    assert alice.call("PUT", f"/v1/tickets/{ticket}", json={"title": "back"}).status_code == 200
    before = redis_has(stack, ticket)
    forget(stack, ticket)
    with alice.stream(ticket, **start) as stream:
        stream.hello()
        wait_for(lambda: window(stack, ticket) == [1, 2, 3, 4], "the stream")
        alice.sent(ticket, "four")
        wait_for(lambda: stream.messages[-1:] and stream.messages[-1].data["content"] == "four", "the message")
    for event, data in before.items():
        assert redis_has(stack, ticket)[event].items() >= data.items()
    check(stack, ticket)


def test_it_comes_back_with_a_poll(stack, site, ticket):
    alice = site.api("alice")
    fill(alice, ticket, 3)
    forget(stack, ticket)
    alice.poll(ticket, wait=0)
    wait_for(lambda: window(stack, ticket) == [1, 2, 3], "the stream")


def redis_has(stack, ticket):
    """who, and what does not change with a message, as Redis has them."""
    r = stack.redis()
    who = r.hgetall(r.keys(f"bellhop:*:who:{ticket}")[0])
    meta = r.hgetall(r.keys(f"bellhop:*:meta:{ticket}")[0])
    return {"who": who, "meta": {name: meta.get(name) for name in (b"status", b"title", b"first")}}


def test_what_is_not_there_is_not_brought(stack, site, ticket):
    site.api("alice").page(ticket)
    site.api("alice").poll(ticket, wait=0)
    # Who is looking is told, whatever there is to see.
    assert [key for key in stack.redis().keys(f"bellhop:*:{ticket}") if b":here:" not in key] == []
