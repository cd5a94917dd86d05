# SPDX-License-Identifier: BSD-2-Clause
"""Read marks: moved forward only, shown to each as far as he may see, told to who listens."""

import concurrent.futures
import json

import pytest
from client import check_problem, until, wait_for


def put(api, ticket, seq):
    return api.call("PUT", f"/v1/tickets/{ticket}/read", json={"seq": seq})


def mark(api, ticket, seq):
    """Puts a mark; (seq, unread) of the answer."""
    answer = put(api, ticket, seq)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert set(body) == {"seq", "unread"}
    return body["seq"], body["unread"]


def receipts(api, ticket):
    """{user: seq} in the answer's order."""
    answer = api.get(f"/v1/tickets/{ticket}/receipts")
    assert answer.status_code == 200, answer.text
    assert set(answer.json()) == {"receipts"}
    return {entry["user_id"]: entry["seq"] for entry in answer.json()["receipts"]}


def times(api, ticket):
    return {entry["user_id"]: entry["at"] for entry in api.get(f"/v1/tickets/{ticket}/receipts").json()["receipts"]}


@pytest.fixture
def alice(site):
    return site.api("alice")


@pytest.fixture
def rita(site, ticket):
    return site.api("rita", "requester", tickets=[ticket])


@pytest.fixture
def mixed(alice, rita, ticket):
    """1 message, 2 note, 3 message, 4 note, 5 a note's edit, 6 message, 7 note."""
    alice.sent(ticket, "one")
    alice.sent(ticket, "two", kind="note")
    rita.sent(ticket, "three")
    alice.sent(ticket, "four", kind="note")
    alice.call("PATCH", f"/v1/tickets/{ticket}/messages/4", json={"content": "vier"})
    alice.sent(ticket, "six")
    alice.sent(ticket, "seven", kind="note")
    return ticket


@pytest.fixture
def heard(stack, ticket):
    """A function that gives what was published for the ticket since it was last called."""
    r = stack.redis()
    pubsub = r.pubsub(ignore_subscribe_messages=True)
    channel = f"bellhop:live:{ticket}"
    pubsub.subscribe(channel, "end")
    wait_for(lambda: r.pubsub_numsub(channel)[0][1] >= 1, "the subscription")

    def take():
        r.publish("end", "")
        found = []
        for message in pubsub.listen():
            if message["channel"] == b"end":
                return found
            found.append(json.loads(message["data"]))
        return found

    yield take
    pubsub.close()


def test_a_mark_moves_forward_only(alice, rita, ticket):
    for n in range(4):
        alice.sent(ticket, f"message {n}")
    assert mark(rita, ticket, 2) == (2, 2)
    assert mark(rita, ticket, 1) == (2, 2)
    assert mark(rita, ticket, 0) == (2, 2)
    assert receipts(rita, ticket) == {"rita": 2}
    first = times(rita, ticket)["rita"]
    assert mark(rita, ticket, 2) == (2, 2)
    assert times(rita, ticket)["rita"] == first
    assert mark(rita, ticket, 3) == (3, 1)
    assert times(rita, ticket)["rita"] > first


def test_a_mark_ends_at_the_newest_visible_event(mixed, alice, rita):
    assert mark(rita, mixed, 9007199254740993) == (6, 0)
    assert mark(alice, mixed, 9223372036854775807) == (7, 0)
    assert receipts(alice, mixed) == {"alice": 7, "rita": 6}
    assert receipts(rita, mixed) == {"alice": 6, "rita": 6}


@pytest.mark.parametrize("seq, shown", [(1, 1), (2, 1), (3, 3), (4, 3), (5, 3), (6, 6), (7, 6)])
def test_a_requester_knows_public_numbers_alone(mixed, alice, rita, seq, shown):
    assert mark(rita, mixed, seq)[0] == shown
    assert receipts(rita, mixed) == {"rita": shown}
    # Staff are not told either that he had read a note.
    assert receipts(alice, mixed) == {"rita": shown}
    assert mark(alice, mixed, seq)[0] == seq
    assert receipts(rita, mixed)["alice"] == shown
    assert receipts(alice, mixed)["alice"] == seq


def test_a_mark_on_notes_alone_is_hidden(site, ticket, alice, rita):
    alice.sent(ticket, "one", kind="note")
    alice.sent(ticket, "two", kind="note")
    assert mark(site.api("bob"), ticket, 2) == (2, 0)
    assert mark(rita, ticket, 2) == (0, 0)
    assert receipts(rita, ticket) == {}
    assert receipts(alice, ticket) == {"bob": 2}
    assert list(times(alice, ticket)) == ["bob"]


def test_the_time_of_reading_a_note_is_hidden(mixed, alice, rita):
    mark(alice, mixed, 3)
    public, own = times(rita, mixed)["alice"], times(alice, mixed)["alice"]
    assert public == own
    mark(alice, mixed, 5)
    assert times(rita, mixed)["alice"] == public
    assert times(alice, mixed)["alice"] > own
    mark(alice, mixed, 6)
    assert times(rita, mixed)["alice"] == times(alice, mixed)["alice"] > public


def test_a_ticket_does_not_begin_by_being_read(stack, ticket, alice):
    assert mark(alice, ticket, 7) == (0, 0)
    assert receipts(alice, ticket) == {}
    assert stack.sql("SELECT 1 FROM bellhop.ticket WHERE ticket_id = %s", ticket) == []
    assert stack.sql("SELECT 1 FROM bellhop.receipt WHERE ticket_id = %s", ticket) == []
    check_problem(alice.get(f"/v1/tickets/{ticket}"), 404, "not_found")


def test_reading_makes_nobody_a_participant(mixed, stack, site):
    assert mark(site.api("bob"), mixed, 3)[0] == 3
    assert mark(site.api("bot", "service"), mixed, 3)[0] == 3
    assert stack.sql(
        "SELECT user_id FROM bellhop.participant WHERE ticket_id = %s ORDER BY 1", mixed
    ) == [("alice",), ("rita",)]


@pytest.mark.parametrize(
    "body",
    ['{"seq": -1}', '{"seq": "3"}', '{"seq": 1.5}', '{"seq": 1e2}', '{"seq": null}', '{"seq": true}', "{}",
     '{"seq": 9223372036854775808}', '{"seq": [1]}'],
)  # fmt: skip
def test_what_is_no_number_is_refused(mixed, stack, alice, body):
    answer = alice.call(
        "PUT", f"/v1/tickets/{mixed}/read", data=body, headers={"Content-Type": "application/json"}
    )
    check_problem(answer, 400, "invalid_field")
    assert answer.json()["errors"][0]["pointer"] == "/seq"
    assert receipts(alice, mixed) == {}


def test_who_may_not_act_is_refused(mixed, stack, site, alice):
    stranger = site.api("eve", "requester", tickets=["T-other"])
    check_problem(put(stranger, mixed, 3), 403, "not_a_participant")
    check_problem(stranger.get(f"/v1/tickets/{mixed}/receipts"), 403, "not_a_participant")
    check_problem(put(stranger, mixed + "-none", 3), 403, "not_a_participant")
    check_problem(stranger.get(f"/v1/tickets/{mixed}-none/receipts"), 403, "not_a_participant")
    stack.sql(
        "UPDATE bellhop.participant SET removed_at = now() WHERE ticket_id = %s AND user_id = 'rita'", mixed
    )
    rita = site.api("rita", "requester", tickets=[mixed])
    check_problem(put(rita, mixed, 3), 403, "not_a_participant")
    check_problem(rita.get(f"/v1/tickets/{mixed}/receipts"), 403, "not_a_participant")
    assert receipts(alice, mixed) == {}
    # A participant needs no word of the token.
    stack.sql("UPDATE bellhop.participant SET removed_at = NULL WHERE ticket_id = %s", mixed)
    assert mark(site.api("rita", "requester", tickets=[]), mixed, 3) == (3, 1)


def test_what_retention_took_counts_as_read_together(mixed, stack, alice, rita):
    stack.sql("UPDATE bellhop.event SET sent_at = sent_at - interval '9 days' WHERE ticket_id = %s AND seq < 5", mixed)
    # As `bellhop purge` does, which takes all tickets.
    assert stack.sql("SELECT o_first_seq FROM bellhop.erase(%s, 'open', 7 * 86400, 1000)", mixed) == [(5,)]
    # Up to 4 is gone; 3 is the newest of it that was public.
    assert mark(rita, mixed, 1) == (3, 1)
    assert mark(alice, mixed, 2) == (4, 0)
    assert receipts(rita, mixed) == {"alice": 3, "rita": 3}
    assert mark(rita, mixed, 5) == (3, 1)
    assert mark(rita, mixed, 6) == (6, 0)
    assert verify(stack, mixed, "--record") == ""


def verify(stack, ticket, *options):
    """What `bellhop verify` finds different."""
    done = stack.bellhop("verify", *options, ticket)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith(ticket + ":")]
    assert (done.returncode == 1) == bool(lines)
    return "\n".join(lines)


def test_a_mark_is_told(mixed, stack, heard, alice, rita):
    mark(rita, mixed, 3)
    mark(alice, mixed, 3)
    mark(alice, mixed, 4)
    mark(alice, mixed, 4)
    mark(alice, mixed, 2)
    mark(alice, mixed, 0)
    mark(alice, mixed, 6)
    told = heard()
    assert [(t["event"], t["user_id"], t["seq"], t["public_seq"]) for t in told] == [
        ("message-read", "rita", 3, 3),
        ("message-read", "alice", 3, 3),
        ("message-read", "alice", 4, 0),
        ("message-read", "alice", 6, 6),
    ]
    assert set(told[0]) == {"event", "user_id", "seq", "public_seq", "at_ms"}
    assert [t["at_ms"] for t in told] == sorted(t["at_ms"] for t in told)
    r = stack.redis()
    (key,) = r.keys(f"bellhop:*:read:{mixed}")
    assert r.hgetall(key) == {
        b"rita": f"1 3 3 3 2 {told[0]['at_ms']}".encode(),
        b"alice": f"1 6 6 5 3 {told[3]['at_ms']}".encode(),
    }
    assert 0 < r.pttl(key) <= 86400000


def reads(stream, user=None):
    """(seq, at) of the message-read events, of one user's."""
    return [(e.data["seq"], e.data["at"]) for e in stream.named("message-read") if user in (None, e.data["user_id"])]


def test_streams_hear_of_marks(mixed, site, alice, rita):
    bob = site.api("bob")
    with alice.stream(mixed) as staff, rita.stream(mixed) as public:
        assert staff.hello()["tickets"][mixed]["read"] == {}
        public.hello()
        # 2 is a note: alice's mark on it stands at 1 for rita, who already knows.
        for seq in (1, 2, 3):
            mark(bob, mixed, seq)
            staff.wait(lambda s, seq=seq: reads(s)[-1:] and reads(s)[-1][0] == seq, f"mark {seq}")
        mark(rita, mixed, 3)
        staff.wait(lambda s: reads(s, "rita"), "rita's mark")
        public.wait(lambda s: reads(s, "rita"), "rita's mark")
        first = staff.wait_named("message-read")
        assert first.id is None
        assert first.data == {"ticket_id": mixed, "user_id": "bob", "seq": 1, "at": first.data["at"]}
        assert [seq for seq, _ in reads(public, "bob")] == [1, 3]
        assert times(alice, mixed)["bob"] == reads(staff, "bob")[-1][1]
        assert times(rita, mixed)["bob"] == reads(public, "bob")[-1][1]
    with rita.stream(mixed) as public:
        assert public.hello()["tickets"][mixed]["read"] == {"bob": 3, "rita": 3}


def test_many_marks_are_told_as_few(site, ticket, alice, rita):
    for n in range(40):
        alice.sent(ticket, f"message {n}", kind="note" if n % 2 else "text")
    with alice.stream(ticket) as staff, rita.stream(ticket) as public:
        staff.hello()
        public.hello()
        for seq in range(1, 41):
            mark(alice, ticket, seq)
        staff.wait(lambda s: reads(s) and reads(s)[-1][0] == 40, "the last mark")
        public.wait(lambda s: reads(s) and reads(s)[-1][0] == 39, "the last public mark")
        for stream in (staff, public):
            seqs = [seq for seq, _ in reads(stream)]
            assert seqs == sorted(set(seqs)) and len(seqs) < 40
        assert times(rita, ticket)["alice"] == reads(public)[-1][1]


def test_polls_hear_of_marks_where_they_ask_for_it(mixed, alice, rita):
    cursor = alice.poll(mixed, wait=0)["cursor"]

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        events = pool.submit(alice.poll, mixed, cursor=cursor, wait=20, ephemeral=1)
        # Whether the poll has begun cannot be told from outside: another mark until it has heard of one.
        for seq in (1, 3, 6):
            mark(rita, mixed, seq)
            if concurrent.futures.wait([events], 2).done:
                break
        names = [event["event"] for event in events.result()["events"]]
    assert set(names) == {"message-read"}


def test_marks_of_many_at_once_end_at_the_highest(stack, site, ticket, alice):
    for n in range(30):
        alice.sent(ticket, f"message {n}")
    users = [site.api(f"u{n % 3}") for n in range(9)]

    def put_some(index):
        api = users[index]
        return [mark(api, ticket, seq) for seq in range(1 + index, 31 - index % 3, 3)]

    with concurrent.futures.ThreadPoolExecutor(len(users)) as pool:
        answers = list(pool.map(put_some, range(len(users))))
    for marks in answers:
        assert [seq for seq, _ in marks] == sorted(seq for seq, _ in marks)
        assert all(unread == 30 - seq for seq, unread in marks)
    highest = {f"u{n}": max(a[-1][0] for a in answers[n::3]) for n in range(3)}
    assert receipts(alice, ticket) == highest
    r = stack.redis()
    (key,) = r.keys(f"bellhop:*:read:{ticket}")
    assert {user.decode(): int(value.split()[1]) for user, value in r.hgetall(key).items()} == highest
    assert verify(stack, ticket) == ""


class TestVerify:
    """`bellhop verify` recounts marks."""

    @pytest.mark.parametrize(
        "change", ["n = n + 1", "n_public = n_public - 1", "public_seq = 1", "seq = 5000", "public_at = NULL"]
    )
    def test_a_wrong_mark_is_found(self, mixed, stack, alice, change):
        mark(alice, mixed, 4)
        assert verify(stack, mixed) == ""
        stack.sql(f"UPDATE bellhop.receipt SET {change} WHERE ticket_id = %s", mixed)
        assert "read mark of alice" in verify(stack, mixed)

    @pytest.mark.parametrize(
        "value", ["1 6 6 5 3 1", "1 4 3 4 3 1", "1 4 4 4 2 1", "nonsense", "1 4 3 4 2", "1 4 3 4 2 1 1"]
    )
    def test_a_wrong_copy_is_found(self, mixed, stack, alice, value):
        mark(alice, mixed, 4)
        r = stack.redis()
        (key,) = r.keys(f"bellhop:*:read:{mixed}")
        r.hset(key, "alice", value)
        assert "read mark of alice" in verify(stack, mixed)
        r.delete(key)
        assert verify(stack, mixed) == ""

    def test_a_copy_of_nobodys_mark_is_found(self, mixed, stack, alice):
        mark(alice, mixed, 4)
        r = stack.redis()
        (key,) = r.keys(f"bellhop:*:read:{mixed}")
        r.hset(key, "bob", "1 4 3 4 2 1")
        assert "read mark of bob" in verify(stack, mixed)

    def test_an_older_copy_and_one_of_another_epoch_are_no_difference(self, mixed, stack, alice):
        mark(alice, mixed, 3)
        r = stack.redis()
        (key,) = r.keys(f"bellhop:*:read:{mixed}")
        before = r.hget(key, "alice")
        mark(alice, mixed, 4)
        r.hset(key, "alice", before)
        assert verify(stack, mixed) == ""
        r.hset(key, "alice", "77 900 900 900 900 1")
        assert verify(stack, mixed) == ""


class TestFaults:
    def test_without_redis(self, breakable, ticket):
        stack, alice = breakable, breakable.site.api("alice")
        for n in range(3):
            alice.sent(ticket, f"message {n}")
        stack.stop("redis")
        bob = stack.site.api("bob")
        assert until(lambda: put(bob, ticket, 2), lambda a: a.status_code == 200, "a mark").json() == {
            "seq": 2, "unread": 1,
        }  # fmt: skip
        assert receipts(bob, ticket) == {"bob": 2}
        stack.start()
        assert mark(bob, ticket, 3) == (3, 0)
        wait_for(lambda: put(bob, ticket, 3).headers["Bellhop-Mode"] == "full", "Redis")

    def test_without_postgres(self, breakable, ticket):
        stack, alice = breakable, breakable.site.api("alice")
        alice.sent(ticket, "hello")
        stack.stop("postgres")
        check_problem(put(alice, ticket, 1), 503, "unavailable")
        check_problem(alice.get(f"/v1/tickets/{ticket}/receipts"), 503, "unavailable")
        check_problem(alice.get("/v1/unread"), 503, "unavailable")
        check_problem(alice.get("/v1/unread", ticket=ticket), 503, "unavailable")
        stack.start()
        until(lambda: put(alice, ticket, 1), lambda a: a.status_code == 200, "PostgreSQL")
        assert receipts(alice, ticket) == {"alice": 1}
