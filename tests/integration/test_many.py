# SPDX-License-Identifier: BSD-2-Clause
"""Many tickets on one stream or poll: their one cursor, what is refused, what hello says, how many there may be."""

import base64
import hashlib
import os
import random
import resource
import signal
import threading

import pytest
from client import check_problem, until, wait_for


def key_of(ticket):
    """What cursors call a ticket: the contract that clients' stored cursors rely on."""
    return int.from_bytes(hashlib.blake2b(ticket.encode(), digest_size=16).digest()[:8], "big")


def read_cursor(cursor):
    """(epoch, {key: seq}) of a cursor of many tickets."""
    epoch, _, rest = cursor.partition(".")
    assert rest.startswith("~"), cursor
    text = rest[1:]
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    places, at = {}, 0
    while at < len(data):
        key, at = int.from_bytes(data[at : at + 8], "big"), at + 8
        seq, shift = 0, 0
        while True:
            byte, at = data[at], at + 1
            seq |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        assert key not in places
        places[key] = seq
    assert list(places) == sorted(places)
    return int(epoch), places


def make_cursor(epoch, places):
    """The other way: places is {ticket: seq}."""
    data = b""
    for key, seq in sorted((key_of(ticket), seq) for ticket, seq in places.items()):
        data += key.to_bytes(8, "big")
        while seq >= 0x80:
            data += bytes([seq & 0x7F | 0x80])
            seq >>= 7
        data += bytes([seq])
    return f"{epoch}.~" + base64.urlsafe_b64encode(data).decode().rstrip("=")


def tickets_of(events):
    """{ticket: its event numbers, in the order in which they came}"""
    seqs = {}
    for event in events:
        data = event["data"] if isinstance(event, dict) else event.data
        seqs.setdefault(data["ticket_id"], []).append(data["event_seq"])
    return seqs


@pytest.fixture
def three(ticket):
    return [f"{ticket}-{name}" for name in "abc"]


@pytest.fixture
def told(site, three):
    """Alice, who has said five things in each of the three."""
    alice = site.api("alice")
    for number in range(1, 6):
        for name in three:
            alice.sent(name, f"{name} {number}")
    return alice


class TestTheStream:
    def test_events_of_all_come_over_one_connection(self, site, three):
        alice = site.api("alice")
        with site.api("bob", role="requester", tickets=three).stream_many(three) as stream:
            hello = stream.hello()
            assert sorted(hello["tickets"]) == sorted(three)
            assert stream.events[0].id == hello["cursor"]
            assert read_cursor(hello["cursor"])[1] == {key_of(name): 0 for name in three}
            message = alice.sent(three[1], "good morning")
            event = stream.wait_messages(1)[0]
            assert event.data == {**message, "event_seq": 1, "prev": 0}
            expected = {key_of(name): int(name == three[1]) for name in three}
            assert read_cursor(event.id) == (message["epoch"], expected)
            alice.sent(three[0], "and here")
            assert read_cursor(stream.wait_messages(2)[1].id)[1] == {**expected, key_of(three[0]): 1}

    def test_each_id_resumes_behind_itself(self, told, three):
        with told.stream_many(three, since=0) as stream:
            events = stream.wait_messages(15)
        assert tickets_of(events) == {name: [1, 2, 3, 4, 5] for name in three}
        for place in (0, 1, 7, 13):
            with told.stream_many(three, last_event_id=events[place].id) as again:
                assert again.hello()["cursor"] == events[place].id
                rest = again.wait_messages(14 - place)
                seen = tickets_of(list(events[: place + 1]) + list(rest))
                assert seen == {name: [1, 2, 3, 4, 5] for name in three}

    def test_the_newest_of_each(self, told, three):
        told.send(three[0], "a note", kind="note")
        with told.site.api("bob", role="requester", tickets=three).stream_many(three, init=2) as stream:
            assert tickets_of(stream.wait_messages(6)) == {name: [4, 5] for name in three}
            assert read_cursor(stream.hello()["cursor"])[1] == {key_of(name): 3 for name in three}
        with told.stream_many(three, init=2) as stream:
            assert tickets_of(stream.wait_messages(6)) == {three[0]: [5, 6], three[1]: [4, 5], three[2]: [4, 5]}

    def test_now(self, told, three):
        with told.stream_many(three) as stream:
            assert read_cursor(stream.hello()["cursor"])[1] == {key_of(name): 5 for name in three}
            told.sent(three[2], "six")
            assert tickets_of(stream.wait_messages(1)) == {three[2]: [6]}

    def test_one_ticket_twice_is_one(self, told, three):
        with told.stream_many([three[0], three[0]], since=0) as stream:
            assert len(stream.hello()["tickets"]) == 1
            assert [e.data["event_seq"] for e in stream.wait_messages(5)] == [1, 2, 3, 4, 5]

    def test_head(self, told, three):
        answer = told.call("HEAD", "/v1/stream?tickets=" + ",".join(three))
        assert answer.status_code == 200 and answer.headers["Content-Type"] == "text/event-stream"

    def test_an_edit_and_a_deletion_have_the_cursor_too(self, told, three):
        with told.stream_many(three) as stream:
            stream.hello()
            told.call("PATCH", f"/v1/tickets/{three[0]}/messages/2", json={"content": "better"})
            edited = stream.wait_named("message-edited")
            assert read_cursor(edited.id)[1][key_of(three[0])] == 6
            told.call("DELETE", f"/v1/tickets/{three[1]}/messages/1")
            deleted = stream.wait_named("message-deleted")
            assert read_cursor(deleted.id)[1] == {key_of(three[0]): 6, key_of(three[1]): 6, key_of(three[2]): 5}


class TestCursors:
    """Either form on either route."""

    def test_a_cursor_of_many_on_the_route_of_one(self, told, three):
        epoch = read_cursor(told.poll_many(three)["cursor"])[0]
        cursor = make_cursor(epoch, {three[0]: 1, three[1]: 3})
        with told.stream(three[1], last_event_id=cursor) as stream:
            assert stream.hello()["cursor"] == f"{epoch}.3"
            events = stream.wait_messages(2)
            assert [e.id for e in events] == [f"{epoch}.4", f"{epoch}.5"]
        # It does not name this one, which begins now.
        with told.stream(three[2], last_event_id=cursor) as stream:
            assert stream.hello()["cursor"] == f"{epoch}.5"

    def test_a_cursor_of_one_on_the_route_of_many(self, told, three):
        epoch = read_cursor(told.poll_many(three)["cursor"])[0]
        with told.stream_many(three[:1], last_event_id=f"{epoch}.3") as stream:
            assert read_cursor(stream.hello()["cursor"]) == (epoch, {key_of(three[0]): 3})
            assert tickets_of(stream.wait_messages(2)) == {three[0]: [4, 5]}
        # It does not say of which it is: nothing is missed whichever it was.
        with told.stream_many(three, last_event_id=f"{epoch}.4") as stream:
            assert tickets_of(stream.wait_messages(3)) == {name: [5] for name in three}

    def test_tickets_come_and_go(self, told, three):
        cursor = told.poll_many(three[:2])["cursor"]
        for name in three:
            told.sent(name, "six")
        answer = told.poll_many(three[1:], cursor=cursor, wait=0)
        assert tickets_of(answer["events"]) == {three[1]: [6]}
        assert set(read_cursor(answer["cursor"])[1]) == {key_of(name) for name in three[1:]}
        answer = told.poll_many(three, cursor=answer["cursor"], wait=0)
        assert answer["events"] == []

    @pytest.mark.parametrize("form", ["x", "1.~A", "77.~", "0.~", "1.~AAAAAAAAAAEB="])
    def test_what_is_none_gets_a_gap_for_each(self, told, three, form):
        cursor = make_cursor(77, dict.fromkeys(three, 2)) if form == "77.~" else form
        with told.stream_many(three, last_event_id=cursor) as stream:
            stream.wait(lambda s: len(s.named("gap")) == 3, "three gaps")
            gaps = stream.named("gap")
            assert sorted(e.data["ticket_id"] for e in gaps) == sorted(three)
            assert all(e.data["reason"] == "epoch" and e.data["to"] == 5 for e in gaps)
        # Whoever was cut off before it had all of them gets those that are missing, and no other.
        for place, event in enumerate([stream.events[0], *gaps]):
            answer = told.poll_many(three, cursor=event.id, wait=0)
            assert [e["event"] for e in answer["events"]] == ["gap"] * (3 - place)
            assert {e["data"]["ticket_id"] for e in answer["events"]} == {e.data["ticket_id"] for e in gaps[place:]}
        told.sent(three[0], "six")
        assert tickets_of(told.poll_many(three, cursor=gaps[2].id, wait=0)["events"]) == {three[0]: [6]}

    def test_one_that_is_ahead_gets_a_gap_the_others_go_on(self, told, three):
        epoch = read_cursor(told.poll_many(three)["cursor"])[0]
        cursor = make_cursor(epoch, {three[0]: 99, three[1]: 4, three[2]: 5})
        answer = told.poll_many(three, cursor=cursor, wait=0)
        assert sorted(e["event"] for e in answer["events"]) == ["gap", "message"]
        assert told.poll_many(three, cursor=answer["cursor"], wait=0)["events"] == []

    def test_sixty_four_tickets_fit_two_kilobytes(self, site, ticket):
        names = [f"{ticket}-{i:04d}" for i in range(64)]
        cursor = site.api("alice").poll_many(names)["cursor"]
        assert len(read_cursor(cursor)[1]) == 64 and len(cursor) < 2048


class TestWhatIsRefused:
    def test_what_one_may_not_see_is_revoked(self, site, told, three):
        cindy = site.api("cindy", role="requester", tickets=three[:2])
        with cindy.stream_many(three, since=0) as stream:
            revoked = stream.wait_named("revoked")
            assert revoked.data == {"ticket_id": three[2]} and revoked.id is None
            assert sorted(stream.hello()["tickets"]) == sorted(three[:2])
            assert tickets_of(stream.wait_messages(10)) == {name: [1, 2, 3, 4, 5] for name in three[:2]}
        check_problem(cindy.get("/v1/stream", tickets=three[2]), 403, "not_a_participant")
        check_problem(cindy.get("/v1/poll", tickets=three[2]), 403, "not_a_participant")

    def test_a_poll_goes_on_with_what_remains(self, site, told, three):
        cindy = site.api("cindy", role="requester", tickets=three[:1])
        answer = cindy.poll_many(three, since=0, wait=0)
        assert tickets_of(answer["events"]) == {three[0]: [1, 2, 3, 4, 5]}
        assert set(read_cursor(answer["cursor"])[1]) == {key_of(three[0])}
        # Told with ephemeral=1, but no reason to answer.
        answer = cindy.poll_many(three, cursor=answer["cursor"], wait=1, ephemeral=1)
        assert {e["data"]["ticket_id"] for e in answer["events"]} == set(three[1:])
        assert {(e["event"], e["id"]) for e in answer["events"]} == {("revoked", None)}

    def test_an_inbox_remains(self, site, three):
        cindy = site.api("cindy", role="requester", tickets=[])
        with cindy.stream_many(three, inbox=1) as stream:
            hello = stream.hello()
            assert hello["tickets"] == {} and read_cursor(hello["cursor"])[1] == {}
            stream.wait(lambda s: len(s.named("revoked")) == 3, "three refusals")

    def test_a_poll_of_the_inbox_alone(self, site):
        cindy = site.api("cindy", role="requester", tickets=None)
        answer = cindy.poll_many([], inbox=1)
        assert answer["events"] == [] and read_cursor(answer["cursor"])[1] == {}
        assert cindy.poll_many([], inbox=1, cursor=answer["cursor"], wait=1) == answer

    def test_an_inbox_alone(self, site):
        with site.api("cindy", role="requester", tickets=None).stream_many([], inbox=1) as stream:
            assert stream.hello()["tickets"] == {}
            assert stream.headers["Bellhop-Mode"] == "full"

    @pytest.mark.parametrize(
        "query",
        [
            "", "tickets=", "tickets=a,,b", "tickets=a,", "tickets=.a", "tickets=a%20b", "tickets=a%2Cb/",
            "inbox=0", "inbox=2", "tickets=a&inbox=x", "tickets=" + "x" * 65, "tickets=a&since=1",
        ],
    )
    def test_a_query_that_makes_no_sense(self, site, query):
        check_problem(site.api("alice").get("/v1/stream?" + query), 400, "invalid_field")
        check_problem(site.api("alice").get("/v1/poll?" + query), 400, "invalid_field")

    def test_how_many_there_may_be(self, site, ticket):
        names = [f"{ticket}-{i}" for i in range(129)]
        alice, robot = site.api("alice"), site.api("robot", role="service")
        check_problem(alice.get("/v1/poll", tickets=",".join(names[:65])), 400, "invalid_field")
        answer = alice.poll_many(names[:64] + names[:10])
        assert len(read_cursor(answer["cursor"])[1]) == 64
        assert len(read_cursor(robot.poll_many(names[:128])["cursor"])[1]) == 128
        check_problem(robot.get("/v1/poll", tickets=",".join(names)), 400, "invalid_field")

    def test_only_get(self, site):
        for path in ("/v1/stream", "/v1/poll"):
            answer = site.api("alice").call("POST", path, json={})
            check_problem(answer, 405, "method_not_allowed")


class TestWhoIsRemoved:
    def test_the_others_go_on(self, site, told, three):
        cindy = site.api("cindy", role="requester", tickets=three)
        with cindy.stream_many(three) as stream:
            stream.hello()
            answer = told.call("DELETE", f"/v1/tickets/{three[1]}/participants/cindy")
            assert answer.status_code == 204
            assert stream.wait_named("revoked").data == {"ticket_id": three[1]}
            told.sent(three[1], "not for cindy")
            told.sent(three[2], "for cindy")
            event = stream.wait_messages(1)[0]
            assert event.data["ticket_id"] == three[2]
            assert set(read_cursor(event.id)[1]) == {key_of(three[0]), key_of(three[2])}
            for name in (three[0], three[2]):
                told.call("DELETE", f"/v1/tickets/{name}/participants/cindy")
            stream.wait(lambda s: s.ended.is_set(), "the end")
            assert len(stream.named("revoked")) == 3 and len(stream.messages) == 1

    def test_an_inbox_keeps_it_open(self, site, told, three):
        cindy = site.api("cindy", role="requester", tickets=three[:1])
        with cindy.stream_many(three[:1], inbox=1) as stream:
            stream.hello()
            told.call("DELETE", f"/v1/tickets/{three[0]}/participants/cindy")
            stream.wait_named("revoked")
            assert not stream.ended.wait(0.5)


class TestPolls:
    def test_what_is_said_meanwhile(self, site, told, three):
        cursor, answers = told.poll_many(three)["cursor"], []
        poller = threading.Thread(
            target=lambda: answers.append(site.api("bob").poll_many(three, cursor=cursor, wait=15))
        )
        poller.start()
        told.sent(three[1], "six")
        poller.join(10)
        assert tickets_of(answers[0]["events"]) == {three[1]: [6]}
        assert answers[0]["cursor"] == answers[0]["events"][0]["id"]

    def test_an_empty_list_after_the_wait(self, told, three):
        cursor = told.poll_many(three)["cursor"]
        answer = told.poll_many(three, cursor=cursor, wait=1)
        assert answer == {"events": [], "cursor": cursor, "has_more": False}

    @pytest.mark.parametrize("count", [66, 67, 100])
    def test_pages_of_two_hundred(self, site, three, count):
        """Full pages, whose cursor is right in each ticket, until there is no more."""
        alice = site.api("alice")
        for name in three:
            for number in range(count):
                alice.sent(name, str(number))
        events, cursor, answer = [], None, {"has_more": True}
        while answer["has_more"]:
            place = {"cursor": cursor} if cursor else {"since": 0}
            answer = alice.poll_many(three, wait=0, **place)
            assert len(answer["events"]) == min(200, 3 * count - len(events))
            events += answer["events"]
            cursor = answer["cursor"]
            assert read_cursor(cursor)[1] == {
                key_of(name): max(tickets_of(events).get(name, [0])) for name in three
            }
        assert tickets_of(events) == {name: list(range(1, count + 1)) for name in three}


def test_random_reconnects_miss_nothing_and_repeat_nothing(site, ticket):
    """Twenty tickets, senders all the time, a client that is cut off wherever it is, with changing tickets."""
    names = [f"{ticket}-{i}" for i in range(20)]
    total, dice = 15, random.Random(20)

    def talk(user, mine):
        api = site.api(user)
        for number in range(total):
            for name in mine:
                api.sent(name, str(number))

    senders = [threading.Thread(target=talk, args=(f"u{i}", names[i::4])) for i in range(4)]
    for sender in senders:
        sender.start()
    seen, last_id, reader = {}, None, site.api("reader")

    def done():
        return len(seen) == 20 and all(len(seqs) == total for seqs in seen.values())

    for _ in range(300):
        place = {"last_event_id": last_id} if last_id else {"since": 0}
        with reader.stream_many(dice.sample(names, 20), **place) as stream:
            take = min(dice.randrange(1, 40), 20 * total - sum(map(len, seen.values())))
            stream.wait(lambda s, n=take: len(s.durable) >= n, f"{take} events")
            events = stream.durable[:take]
        for event in events:
            assert event.name == "message"
            seqs = seen.setdefault(event.data["ticket_id"], [])
            assert event.data["event_seq"] == len(seqs) + 1
            seqs.append(event.data["event_seq"])
            last_id = event.id
        if done():
            break
    for sender in senders:
        sender.join()
    assert done()


class TestHello:
    def test_it_knows_each_ticket(self, site, told, three):
        told.send(three[0], "for us", kind="note")
        told.call("PUT", f"/v1/tickets/{three[1]}", json={"status": "closed"})
        with site.api("bob").stream_many(three) as stream:
            cards = stream.hello()["tickets"]
            assert [(cards[name]["newest_seq"], cards[name]["unread"]) for name in three] == [(6, 6), (6, 5), (5, 5)]
            assert [cards[name]["status"] for name in three] == ["open", "closed", "open"]
        with site.api("cindy", role="requester", tickets=three).stream_many(three) as stream:
            cards = stream.hello()["tickets"]
            assert [(cards[name]["newest_seq"], cards[name]["unread"]) for name in three] == [(5, 5), (6, 5), (5, 5)]
            assert read_cursor(stream.hello()["cursor"])[1][key_of(three[0])] == 5

    def test_a_requester_is_told_no_number_of_a_note(self, site, told, three):
        with site.api("cindy", role="requester", tickets=three).stream_many(three) as stream:
            stream.hello()
            told.send(three[0], "for us", kind="note")
            told.sent(three[1], "for all")
            event = stream.wait_messages(1)[0]
            assert read_cursor(event.id)[1] == {key_of(three[0]): 5, key_of(three[1]): 6, key_of(three[2]): 5}


    def test_who_has_read_and_who_types(self, site, told, three):
        told.send(three[0], "for us", kind="note")
        told.call("PUT", f"/v1/tickets/{three[0]}/read", json={"seq": 6})
        told.call("PUT", f"/v1/tickets/{three[1]}/read", json={"seq": 2})
        site.api("dave").call("PUT", f"/v1/tickets/{three[1]}/read", json={"seq": 4})
        dave = site.api("dave", name="Dave")
        assert dave.call("POST", f"/v1/tickets/{three[2]}/typing", json={"typing": True}).status_code == 204
        marks = {three[0]: {"alice": 6}, three[1]: {"alice": 2, "dave": 4}, three[2]: {}}
        with site.api("bob").stream_many(three) as stream:
            cards = stream.hello()["tickets"]
            assert {name: cards[name]["read"] for name in three} == marks
            (typist,) = cards[three[2]]["typing"]
            assert (typist["user_id"], typist["name"]) == ("dave", "Dave") and 0 < typist["expires_in_ms"] <= 8000
            assert cards[three[0]]["typing"] == []
            watcher = site.api("erin").stream(three[1])
            until(
                lambda: told.get(f"/v1/tickets/{three[1]}/presence").json()["users"],
                lambda users: {"bob", "erin"} <= {user["user_id"] for user in users},
                "bob and erin",
            )
        marks[three[0]] = {"alice": 5}
        with site.api("cindy", role="requester", tickets=three).stream_many(three) as stream:
            cards = stream.hello()["tickets"]
            assert {name: cards[name]["read"] for name in three} == marks
            assert set(cards[three[1]]["present"]) == {"bob", "erin"}  # bob for ten seconds more
        watcher.close()
        with told.stream_many(three) as stream:
            assert {name: card["unread"] for name, card in stream.hello()["tickets"].items()} == dict.fromkeys(three, 0)


class TestHowManyStreams:
    def test_the_newest_is_sent_away(self, site, ticket):
        bob = site.api("bob-of-" + ticket)
        streams = [bob.stream(ticket) for _ in range(19)] + [bob.stream_many([], inbox=1)]
        try:
            for stream in streams:
                stream.hello()
            for more in (bob.stream(ticket), bob.stream_many([ticket])):
                bye = more.wait_named("bye")
                assert bye.data["code"] == "too_many_streams" and bye.data["retry_ms"] > 0
                assert not more.named("hello")
                more.close()
            # Polls are none, others are not concerned, and one that ends makes room.
            bob.poll(ticket)
            with site.api("other").stream(ticket) as stream:
                stream.hello()
            streams.pop().close()

            def fits():
                with bob.stream(ticket) as stream:
                    stream.wait(lambda s: s.events, "the first event")
                    return stream.events[0].name == "hello"

            wait_for(fits, "room")
        finally:
            for stream in streams:
                stream.close()

    def test_services_may_have_more(self, site, ticket):
        robot = site.api("robot-of-" + ticket, role="service")
        streams = [robot.stream(ticket) for _ in range(22)]
        for stream in streams:
            stream.hello()
            stream.close()


def replace_push(stack):
    (child,) = stack.children("push")
    os.kill(child, signal.SIGKILL)
    wait_for(lambda: stack.children("push") not in ([], [child]), "another child")


def test_more_tickets_than_the_descriptors_allow(breakable, ticket):
    """Forty-eight can be followed. Who asks for more is sent away, the others go on."""
    names, alice = [f"{ticket}-{i}" for i in range(60)], breakable.site.api("alice")
    resource.prlimit(breakable.pid("push"), resource.RLIMIT_NOFILE, (110, 110))
    replace_push(breakable)
    try:
        with alice.stream_many(names[:48]) as stream:
            stream.hello()
            with alice.stream_many(names[40:]) as more:
                assert more.wait_named("bye").data["code"] == "unavailable"
            with alice.stream_many(names[:20]) as same:
                same.hello()
            for name in names:
                alice.sent(name, "x")
            assert tickets_of(stream.wait_messages(48)) == {name: [1] for name in names[:48]}
    finally:
        breakable.stop("push")


class TestFaults:
    """The stores one by one away, with many tickets."""

    @pytest.fixture
    def many(self, breakable, ticket):
        names = [f"{ticket}-{i}" for i in range(12)]
        alice = breakable.site.api("alice")
        for name in names:
            for number in range(3):
                alice.sent(name, str(number))
        return names

    def test_without_redis(self, breakable, many):
        alice = breakable.site.api("alice")
        with alice.stream_many(many) as stream:
            cursor = stream.hello()["cursor"]
            breakable.kill("redis")
            for name in many:
                alice.sent(name, "away")
            assert tickets_of(stream.wait_messages(12)) == {name: [4] for name in many}
            with alice.stream_many(many, last_event_id=cursor) as second:
                assert tickets_of(second.wait_messages(12)) == {name: [4] for name in many}
                card = second.hello()["tickets"][many[0]]
                assert card["typing"] is None and card["present"] is None
                breakable.start()
                for name in many:
                    alice.sent(name, "back")
                for each in (stream, second):
                    assert tickets_of(each.wait_messages(24)) == {name: [4, 5] for name in many}

    def test_without_postgres(self, breakable, many):
        alice = breakable.site.api("alice")
        cursor = alice.poll_many(many, init=1, wait=0)["events"][0]["id"]
        places = make_cursor(read_cursor(cursor)[0], dict.fromkeys(many, 1))
        breakable.stop("postgres")
        with alice.stream_many(many, last_event_id=places) as stream:
            assert tickets_of(stream.wait_messages(24)) == {name: [2, 3] for name in many}
            assert stream.hello()["mode"] == "no-postgres"
        with alice.stream_many(many, init=2) as stream:
            assert tickets_of(stream.wait_messages(24)) == {name: [2, 3] for name in many}

    def test_who_has_to_wait_does_not_keep_others_waiting(self, breakable, many):
        """Six tickets need PostgreSQL, which is away; the other six have all they need in Redis."""
        alice = breakable.site.api("alice")
        epoch = read_cursor(alice.poll_many(many)["cursor"])[0]
        many.sort(key=key_of)
        with breakable.redis() as redis:
            for name in many[:6]:
                (key,) = redis.scan_iter(match=f"*:chat:{name}", count=10000)
                redis.xtrim(key, maxlen=1, approximate=False)
        replace_push(breakable)
        breakable.stop("postgres")
        with alice.stream_many(many, last_event_id=make_cursor(epoch, dict.fromkeys(many, 1))) as stream:
            assert tickets_of(stream.wait_messages(12)) == {name: [2, 3] for name in many[6:]}
            breakable.start()
            assert tickets_of(stream.wait_messages(24)) == {name: [2, 3] for name in many}

    def test_another_epoch_is_a_gap_in_each(self, breakable, many):
        alice = breakable.site.api("alice")
        with alice.stream_many(many) as stream:
            epoch = read_cursor(stream.hello()["cursor"])[0]
            breakable.bellhop("epoch", "bump")
            stream.wait(lambda s: len(s.named("gap")) == len(many), "a gap for each")
            gaps = stream.named("gap")
            assert {e.data["ticket_id"] for e in gaps} == set(many)
            assert {read_cursor(e.id)[0] for e in gaps} == {epoch + 1}
        # Cut off after the first: the others are told again.
        with alice.stream_many(many, last_event_id=gaps[0].id) as stream:
            stream.wait(lambda s: len(s.named("gap")) == len(many) - 1, "the other gaps")


@pytest.mark.parametrize("server", ["stack", "lighttpd_stack", "apache_stack"])
def test_the_longest_request_passes_the_web_server(request, server, ticket):
    """64 tickets with ids of 64 characters, and their cursor beside them: more than 5 KB."""
    alice = request.getfixturevalue(server).site.api("alice")
    names = [f"{ticket}-{i:02d}-".ljust(64, "x") for i in range(64)]
    cursor = alice.poll_many(names)["cursor"]
    for name in names[:3]:
        alice.sent(name, "x")
    with alice.stream_many(names, last_event_id=cursor) as stream:
        assert len(stream.hello()["tickets"]) == 64
        events = stream.wait_messages(3)
    assert tickets_of(alice.poll_many(names, cursor=events[0].id, wait=0)["events"]) == tickets_of(events[1:])


@pytest.mark.parametrize("server", ["lighttpd_stack", "apache_stack"])
def test_through_another_web_server(request, server, ticket):
    site, names = request.getfixturevalue(server).site, [f"{ticket}-{i}" for i in range(5)]
    alice = site.api("alice")
    with alice.stream_many(names, inbox=1) as stream:
        stream.hello()
        for name in names:
            alice.sent(name, "x")
        events = stream.wait_messages(5)
        assert tickets_of(events) == {name: [1] for name in names}
    assert tickets_of(alice.poll_many(names, cursor=events[1].id, wait=0)["events"]) == tickets_of(events[2:])
