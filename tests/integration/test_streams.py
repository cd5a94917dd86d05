# SPDX-License-Identifier: BSD-2-Clause
"""Live events: where a stream begins, how it resumes, and that nothing is missed or seen twice."""

import threading
import time

import pytest
from client import check_problem, wait_for


def chain(events, start=0):
    """Asserts that each event names the one before it, from `start` on."""
    for event in events:
        assert event.data["prev"] == start, (start, event)
        start = event.data["event_seq"]
    return start


def test_a_message_appears_in_another_connection(site, ticket):
    with site.api("bob", role="requester", tickets=[ticket]).stream(ticket) as stream:
        stream.hello()
        message = site.api("alice", name="Alice").sent(ticket, "good morning")
        event = stream.wait_messages(1)[0]
        assert event.data == {**message, "event_seq": 1, "prev": 0}
        assert event.id == f"{message['epoch']}.1"


def test_the_answer_of_a_stream(site, ticket):
    with site.api("alice").stream(ticket) as stream:
        assert stream.status == 200
        assert stream.headers["Content-Type"] == "text/event-stream"
        assert stream.headers["Cache-Control"] == "no-store, no-transform"
        assert stream.headers["X-Accel-Buffering"] == "no"
        assert stream.headers["X-Request-Id"] and stream.headers["Bellhop-Mode"] == "full"
        hello = stream.hello()
        first = stream.events[0]
        assert first.name == "hello" and first.id == hello["cursor"]
        assert 1500 <= stream.retry_ms <= 6000
        assert hello["mode"] == "full" and hello["server_time"].endswith("Z")
        card = hello["tickets"][ticket]
        assert card["newest_seq"] == 0 and card["status"] == "open" and card["unread"] == 0
        assert card["read"] == {} and card["typing"] == [] and card["present"] == []


def test_hello_knows_the_ticket(site, ticket):
    alice = site.api("alice")
    for number in range(3):
        alice.sent(ticket, str(number))
    site.api("bob").sent(ticket, "mine")
    with site.api("bob").stream(ticket) as stream:
        card = stream.hello()["tickets"][ticket]
        assert (card["newest_seq"], card["unread"]) == (4, 3)
        assert stream.hello()["cursor"].endswith(".4")


class TestWhereItBegins:
    @pytest.fixture
    def told(self, site, ticket):
        alice = site.api("alice")
        for number in range(1, 11):
            alice.sent(ticket, f"message {number}")
        return alice

    def test_now(self, told, ticket):
        with told.stream(ticket) as stream:
            assert stream.hello()["cursor"].endswith(".10")
            told.sent(ticket, "eleven")
            assert [e.data["event_seq"] for e in stream.wait_messages(1)] == [11]

    def test_since_the_beginning(self, told, ticket):
        with told.stream(ticket, since=0) as stream:
            assert stream.hello()["cursor"].endswith(".0")
            chain(stream.wait_messages(10))

    def test_with_the_newest_few(self, told, ticket):
        with told.stream(ticket, init=4) as stream:
            assert stream.hello()["cursor"].endswith(".6")
            events = stream.wait_messages(4)
            assert [e.data["event_seq"] for e in events] == [7, 8, 9, 10]
            told.sent(ticket, "eleven")
            chain(stream.wait_messages(5), 6)

    def test_with_more_than_there_are(self, told, ticket):
        with told.stream(ticket, init=200) as stream:
            assert stream.hello()["cursor"].endswith(".0")
            chain(stream.wait_messages(10))

    @pytest.mark.parametrize("position", range(0, 11))
    def test_at_every_cursor(self, told, ticket, position):
        epoch = told.page(ticket)["messages"][0]["epoch"]
        with told.stream(ticket, last_event_id=f"{epoch}.{position}") as stream:
            hello = stream.hello()
            assert hello["cursor"] == f"{epoch}.{position}" == stream.events[0].id
            told.sent(ticket, "eleven")
            events = stream.wait_messages(11 - position)
            assert [e.data["event_seq"] for e in events] == list(range(position + 1, 12))
            assert not stream.named("gap")

    def test_the_header_beats_the_query_and_the_query_the_rest(self, told, ticket):
        epoch = told.page(ticket)["messages"][0]["epoch"]
        for options, first in (
            ({"last_event_id": f"{epoch}.8", "lastEventId": f"{epoch}.2", "since": 0}, 9),
            ({"lastEventId": f"{epoch}.7", "since": 0}, 8),
        ):
            with told.stream(ticket, **options) as stream:
                assert stream.wait_messages(1)[0].data["event_seq"] == first
        with told.stream(ticket, since=0, init=3) as stream:
            assert stream.wait_messages(1)[0].data["event_seq"] == 1

    @pytest.mark.parametrize("cursor", ["x", "1.", ".1", "1.-1", "1.99", "99.1", "1.1.1", "0.1", "a" * 3000,
                                        "1.~AAAA", "99999999999999999999.1", "01.1", "1.18446744073709551617"])  # fmt: skip
    def test_a_cursor_of_another_world_gets_a_gap(self, told, ticket, cursor):
        with told.stream(ticket, last_event_id=cursor) as stream:
            gap = stream.wait_named("gap")
            assert gap.data["reason"] == "epoch" and gap.data["ticket_id"] == ticket
            assert gap.id is not None
            told.sent(ticket, "eleven")
            assert stream.wait_messages(1)[-1].data["content"] == "eleven"

    def test_history_and_stream_meet(self, told, ticket):
        page = told.page(ticket, limit=5)
        assert page["newest_seq"] == 10
        told.sent(ticket, "eleven")
        with told.stream(ticket, last_event_id=page["cursor"]) as stream:
            assert [e.data["event_seq"] for e in stream.wait_messages(1)] == [11]


def test_streams_opened_while_others_send_miss_nothing(site, ticket):
    total, api, done = 150, site.api("alice"), threading.Event()

    def work():
        for number in range(total):
            api.sent(ticket, str(number))
        done.set()

    sender = threading.Thread(target=work)
    sender.start()
    streams = []
    while not done.is_set() and len(streams) < 40:
        streams.append(site.api(f"reader{len(streams)}").stream(ticket, since=0))
        done.wait(0.02)
    sender.join()
    for stream in streams:
        events = stream.wait_messages(total)
        chain(events)
        assert len(events) == total
        assert [e.id for e in events] == [f"{e.data['epoch']}.{e.data['event_seq']}" for e in events]
        stream.close()


def test_a_long_past_is_replayed_whole(site, ticket):
    api = site.api("alice")
    threads = [
        threading.Thread(target=lambda i=i: [site.api(f"u{i}").sent(ticket, "x" * 500) for _ in range(325)])
        for i in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with api.stream(ticket, since=0) as stream:
        chain(stream.wait_messages(1300, 60))
    assert len(api.history(ticket)) == 1300


def test_the_heartbeat_is_a_comment_and_a_ping(quick_site, ticket):
    with quick_site.api("alice").stream(ticket) as stream:
        ping = stream.wait_named("ping")
        assert ping.data == {} and ping.id is None
        stream.wait(lambda s: "ka" in s.comments, "the comment")


def test_a_stream_ends_with_its_token(site, ticket):
    with site.api("alice", exp=int(time.time()) + 4).stream(ticket) as stream:
        assert 0 <= stream.wait_named("auth").data["expires_in"] <= 4
        assert stream.wait_named("bye").data["code"] == "token_expired"
        stream.wait(lambda s: s.ended.is_set(), "the end")


def test_many_streams_of_one_ticket_get_the_same(site, ticket):
    streams = [site.api(f"reader{i}").stream(ticket) for i in range(60)]
    for stream in streams:
        stream.hello()
    api = site.api("alice")
    for number in range(20):
        api.sent(ticket, str(number))
    for stream in streams:
        chain(stream.wait_messages(20))
        stream.close()


class TestPoll:
    def test_without_a_position_it_tells_the_cursor_of_now(self, site, ticket):
        api = site.api("alice")
        answer = api.poll(ticket)
        assert answer["events"] == [] and answer["has_more"] is False
        api.sent(ticket, "x")
        later = api.poll(ticket, cursor=answer["cursor"], wait=0)
        assert [e["event"] for e in later["events"]] == ["message"]
        assert later["events"][0]["id"] == later["cursor"]
        assert later["events"][0]["data"]["event_seq"] == 1

    def test_it_answers_as_soon_as_there_is_something(self, site, ticket):
        api, answers = site.api("alice"), []
        cursor = api.poll(ticket)["cursor"]
        poller = threading.Thread(target=lambda: answers.append(site.api("bob").poll(ticket, cursor=cursor, wait=15)))
        poller.start()
        api.sent(ticket, "x")
        poller.join(10)
        assert [e["data"]["content"] for e in answers[0]["events"]] == ["x"]

    def test_an_empty_list_after_the_wait(self, site, ticket):
        api = site.api("alice")
        cursor = api.poll(ticket)["cursor"]
        assert api.poll(ticket, cursor=cursor, wait=1) == {"events": [], "cursor": cursor, "has_more": False}

    def test_pages_of_two_hundred(self, site, ticket):
        api = site.api("alice")
        for number in range(230):
            api.sent(ticket, str(number))
        first = api.poll(ticket, since=0, wait=0)
        assert len(first["events"]) == 200 and first["has_more"] is True
        second = api.poll(ticket, cursor=first["cursor"], wait=0)
        assert len(second["events"]) == 30 and second["has_more"] is False
        seqs = [e["data"]["event_seq"] for e in first["events"] + second["events"]]
        assert seqs == list(range(1, 231))
        newest = api.poll(ticket, init=5, wait=0)
        assert [e["data"]["event_seq"] for e in newest["events"]] == list(range(226, 231))

    def test_a_cursor_of_another_world_gets_a_gap(self, site, ticket):
        api = site.api("alice")
        api.sent(ticket, "x")
        answer = api.poll(ticket, cursor="77.5", wait=0)
        assert [e["event"] for e in answer["events"]] == ["gap"]
        assert answer["events"][0]["data"]["reason"] == "epoch"
        again = api.poll(ticket, cursor=answer["cursor"], wait=0)
        assert again["events"] == []

    def test_head_and_parameters(self, site, ticket):
        check_problem(site.api("alice").get(f"/v1/tickets/{ticket}/poll", wait=100), 400, "invalid_field")


def test_a_client_that_leaves_is_forgotten(site, ticket):
    """Two hundred streams come and go; the next one is served as the first."""
    for _ in range(4):
        streams = [site.api(f"alice{i}").stream(ticket) for i in range(50)]
        for stream in streams:
            stream.close()
    with site.api("alice").stream(ticket) as stream:
        stream.hello()
        site.api("bob").sent(ticket, "still here")
        assert stream.wait_messages(1)


def test_streams_of_many_tickets_do_not_mix(site, ticket):
    names = [f"{ticket}-{i}" for i in range(40)]
    streams = {name: site.api(f"reader-of-{name}").stream(name) for name in names}
    for stream in streams.values():
        stream.hello()
    api = site.api("alice")
    for number in range(3):
        for name in names:
            api.sent(name, f"{name} {number}")
    for name, stream in streams.items():
        events = stream.wait_messages(3)
        assert [e.data["content"] for e in events] == [f"{name} {i}" for i in range(3)]
        stream.close()
    wait_for(lambda: all(s.ended.is_set() for s in streams.values()), "the ends")
