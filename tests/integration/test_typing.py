# SPDX-License-Identifier: BSD-2-Clause
"""Who types: saying so, asking, what listeners are told, and when it ends."""

import concurrent.futures
import contextlib
import time

import pytest
from client import Stream, check_problem, until, wait_for

HOLDS_MS = 8000


def say(api, ticket, is_typing=True):
    answer = api.call("POST", f"/v1/tickets/{ticket}/typing", json={"typing": is_typing})
    assert (answer.status_code, answer.content) == (204, b""), answer.text


def typing(api, ticket):
    answer = api.get(f"/v1/tickets/{ticket}/typing")
    assert answer.status_code == 200, answer.text
    assert set(answer.json()) == {"typing"}
    return answer.json()["typing"]


def typists(api, ticket):
    return sorted(one["user_id"] for one in typing(api, ticket))


def told(stream):
    """The events of typing so far, as (event, user)."""
    return [(event.name, event.data["user_id"]) for event in stream.named("typing-start", "typing-stop")]


def shorten(stack, ticket, ms):
    """Everybody who types in the ticket was said to for so long, as if it had been said earlier."""
    r = stack.redis()
    (key,) = r.keys(f"bellhop:*:typing:{ticket}")
    seconds, micros = r.time()
    for user, value in r.hgetall(key).items():
        r.hset(key, user, b"%d %s" % (seconds * 1000 + micros // 1000 + ms, value.split(b" ", 1)[1]))


# ---- saying and asking


def test_who_types_is_told_to_who_asks(site, ticket):
    alice, bob = site.api("alice", name="Alice Å."), site.api("bob", role="requester", tickets=[ticket])
    assert typing(bob, ticket) == []
    say(alice, ticket)
    (one,) = typing(bob, ticket)
    assert (one["user_id"], one["name"]) == ("alice", "Alice Å.")
    assert 0 < one["expires_in_ms"] <= HOLDS_MS
    say(bob, ticket)
    assert typists(alice, ticket) == ["alice", "bob"]
    assert [one["name"] for one in typing(alice, ticket) if one["user_id"] == "bob"] == [None]
    say(alice, ticket, False)
    assert typists(alice, ticket) == ["bob"]
    say(alice, ticket, False)
    assert typists(alice, ticket) == ["bob"]


def test_typing_begins_no_ticket(site, ticket):
    alice = site.api("alice")
    say(alice, ticket)
    check_problem(alice.get(f"/v1/tickets/{ticket}"), 404, "not_found")
    assert alice.sent(ticket, "the first")["seq"] == 1


def test_it_expires(site, stack, ticket):
    alice = site.api("alice")
    say(alice, ticket)
    shorten(stack, ticket, 200)
    until(lambda: typing(alice, ticket), lambda found: found == [], "the end of typing")


def test_saying_it_again_prolongs_it(site, stack, ticket):
    alice = site.api("alice")
    say(alice, ticket)
    shorten(stack, ticket, 1000)
    say(alice, ticket)
    assert typing(alice, ticket)[0]["expires_in_ms"] > 1000


@pytest.mark.parametrize("body", [{}, {"typing": None}, {"typing": 1}, {"typing": "true"}, {"typing": []}])
def test_odd_bodies(site, ticket, body):
    answer = site.api("alice").call("POST", f"/v1/tickets/{ticket}/typing", json=body)
    problem = check_problem(answer, 400, "invalid_field")
    assert [error["pointer"] for error in problem["errors"]] == ["/typing"]


def test_other_methods(site, ticket):
    answer = site.api("alice").call("PUT", f"/v1/tickets/{ticket}/typing", json={"typing": True})
    check_problem(answer, 405, "method_not_allowed")
    assert {"GET", "POST"} <= set(answer.headers["Allow"].split(", "))


def test_it_needs_permission(site, ticket):
    mallory = site.api("mallory", role="requester", tickets=["T-other"])
    alice, bob = site.api("alice"), site.api("bob", tickets=None)
    alice.sent(ticket, "hello")
    for api in (mallory, bob):
        answer = api.call("POST", f"/v1/tickets/{ticket}/typing", json={"typing": True})
        check_problem(answer, 403, "not_a_participant")
        check_problem(api.get(f"/v1/tickets/{ticket}/typing"), 403, "not_a_participant")
    assert typing(alice, ticket) == []
    assert alice.call("PUT", f"/v1/tickets/{ticket}/participants/bob", json={"role": "agent"}).status_code == 200
    say(bob, ticket)
    assert typists(alice, ticket) == ["bob"]


def test_a_message_ends_it(site, ticket):
    alice, bob = site.api("alice"), site.api("bob")
    alice.sent(ticket, "the first")
    say(alice, ticket)
    say(bob, ticket)
    alice.sent(ticket, "what was typed")
    assert typists(alice, ticket) == ["bob"]


def test_who_is_removed_types_no_longer(site, ticket):
    alice, bob = site.api("alice"), site.api("bob")
    bob.sent(ticket, "hello")
    say(bob, ticket)
    with alice.stream(ticket) as stream:
        stream.hello()
        say(bob, ticket)
        stream.wait_named("typing-start")
        assert alice.call("DELETE", f"/v1/tickets/{ticket}/participants/bob").status_code == 204
        stream.wait_named("typing-stop")
    assert typing(alice, ticket) == []


# ---- what listeners are told


def test_listeners_are_told(site, ticket):
    alice, bob = site.api("alice", name="Alice"), site.api("bob", role="requester", tickets=[ticket])
    with bob.stream(ticket) as stream, alice.stream(ticket) as own:
        stream.hello(), own.hello()
        say(alice, ticket)
        event = stream.wait_named("typing-start")
        assert event.id is None
        assert event.data == {"ticket_id": ticket, "user_id": "alice", "name": "Alice", "expires_in_ms": HOLDS_MS}
        say(alice, ticket, False)
        event = stream.wait_named("typing-stop")
        assert event.id is None
        assert event.data == {"ticket_id": ticket, "user_id": "alice", "name": "Alice", "expires_in_ms": 0}
        own.wait_named("typing-stop")
        say(alice, ticket, False)
        say(bob, ticket)
        stream.wait(lambda s: len(told(s)) == 3)
        assert told(stream)[2] == ("typing-start", "bob")


def test_other_tickets_are_told_nothing(site, ticket):
    alice = site.api("alice")
    with alice.stream(ticket) as stream, alice.stream(ticket + "-other") as other:
        stream.hello(), other.hello()
        say(alice, ticket)
        stream.wait_named("typing-start")
        say(alice, ticket + "-other")
        other.wait_named("typing-start")
        assert told(stream) == told(other) == [("typing-start", "alice")]
        assert other.named("typing-start")[0].data["ticket_id"] == ticket + "-other"


def test_a_message_ends_it_for_listeners(site, ticket):
    alice, bob = site.api("alice"), site.api("bob")
    with bob.stream(ticket) as stream:
        stream.hello()
        say(alice, ticket)
        stream.wait_named("typing-start")
        bob.sent(ticket, "another's")
        alice.sent(ticket, "what was typed")
        stream.wait_named("typing-stop")
        say(alice, ticket)
        stream.wait(lambda s: len(told(s)) == 3)
        assert told(stream) == [(f"typing-{what}", "alice") for what in ("start", "stop", "start")]
        names = [event.name for event in stream.events if event.name != "ping"]
        assert names[-4:] == ["message", "message", "typing-stop", "typing-start"]


def test_who_vanishes_types_no_longer(site, ticket):
    alice = site.api("alice")
    with site.api("bob").stream(ticket) as stream:
        stream.hello()
        begun = time.monotonic()
        say(alice, ticket)
        stream.wait_named("typing-start")
        stop = stream.wait_named("typing-stop")
        assert 7.5 < stop.at - begun < 10
    assert typing(alice, ticket) == []


def test_hello_tells_who_types(site, ticket):
    alice, bob = site.api("alice", name="Alice"), site.api("bob", role="requester", tickets=[ticket])
    say(alice, ticket)
    with bob.stream(ticket) as stream:
        (one,) = stream.hello()["tickets"][ticket]["typing"]
        assert (one["user_id"], one["name"]) == ("alice", "Alice")
        assert 0 < one["expires_in_ms"] <= HOLDS_MS
        # Nobody has listened when it was said; that it ended is told all the same.
        stop = stream.wait_named("typing-stop")
        assert stop.data == {"ticket_id": ticket, "user_id": "alice", "name": "Alice", "expires_in_ms": 0}
    with bob.stream(ticket) as stream:
        assert stream.hello()["tickets"][ticket]["typing"] == []


def test_hello_of_many_tickets_tells_who_types(site, ticket):
    alice = site.api("alice")
    others = [f"{ticket}-{number}" for number in range(3)]
    say(alice, others[1])
    with Stream(site.api("bob"), "/v1/stream", tickets=",".join(others)) as stream:
        cards = stream.hello()["tickets"]
        assert [len(cards[name]["typing"]) for name in others] == [0, 1, 0]
        say(alice, others[2])
        assert stream.wait_named("typing-start").data["ticket_id"] == others[2]
        say(alice, others[1], False)
        assert stream.wait_named("typing-stop").data["ticket_id"] == others[1]


def test_read_marks_are_told_and_the_newest_of_many(site, ticket):
    alice, bob = site.api("alice"), site.api("bob")
    carl = site.api("carl", role="requester", tickets=[ticket])
    for number in range(1, 41):
        alice.sent(ticket, f"number {number}", kind="note" if number > 20 else "text")

    def read(seq):
        answer = bob.call("PUT", f"/v1/tickets/{ticket}/read", json={"seq": seq})
        assert answer.status_code == 200, answer.text

    with alice.stream(ticket) as stream, carl.stream(ticket) as public:
        stream.hello(), public.hello()
        begun = time.monotonic()
        for seq in range(1, 41):
            read(seq)
        took = time.monotonic() - begun
        stream.wait(lambda s: s.named("message-read") and s.named("message-read")[-1].data["seq"] == 40)
        marks = [event.data["seq"] for event in stream.named("message-read")]
        assert marks == sorted(set(marks)) and len(marks) <= 2 + took / 0.25
        assert all(event.id is None and event.data["user_id"] == "bob" for event in stream.named("message-read"))
        # Of notes a requester hears nothing, not even by a mark that is told again.
        public.wait(lambda s: s.named("message-read") and s.named("message-read")[-1].data["seq"] == 20)
        shown = [event.data["seq"] for event in public.named("message-read")]
        assert shown == sorted(set(shown))


def test_saying_it_often_is_told_seldom(site, ticket):
    alice = site.api("alice")
    with site.api("bob").stream(ticket) as stream:
        stream.hello()
        begun = time.monotonic()
        for _ in range(20):
            say(alice, ticket)
        took = time.monotonic() - begun
        say(alice, ticket, False)
        stream.wait_named("typing-stop")
        assert 1 <= len(stream.named("typing-start")) <= 2 + took


def test_polls_are_told_only_if_they_ask(site, ticket):
    alice, bob = site.api("alice"), site.api("bob")
    bob.sent(ticket, "hello")
    cursor = bob.poll(ticket)["cursor"]

    def poll(**params):
        return bob.session.get(
            f"{bob.url}/v1/tickets/{ticket}/poll", params={"cursor": cursor, **params}, timeout=30
        ).json()

    assert poll(wait=0, ephemeral=1) == {"events": [], "cursor": cursor, "has_more": False}

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(poll, wait=20, ephemeral=1)
        while not waiting.done():
            say(alice, ticket)
            say(alice, ticket, False)
            concurrent.futures.wait([waiting], timeout=0.02)
        found = waiting.result()
    assert found["events"][0]["event"] in ("typing-start", "typing-stop")
    assert found["events"][0]["id"] is None and found["events"][0]["data"]["user_id"] == "alice"
    assert (found["cursor"], found["has_more"]) == (cursor, False)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(poll, wait=2)
        while not waiting.done():
            say(alice, ticket)
            concurrent.futures.wait([waiting], timeout=0.1)
        assert waiting.result() == {"events": [], "cursor": cursor, "has_more": False}


# ---- several push processes


def test_listeners_of_every_process_are_told(two_pushes, ticket):
    alice = two_pushes.site.api("alice")
    names = [f"{ticket}-{number}" for number in range(16)]
    with contextlib.ExitStack() as closing:
        streams = {name: closing.enter_context(alice.stream(name)) for name in names}
        many = closing.enter_context(Stream(alice, "/v1/stream", tickets=",".join(names)))
        for stream in (*streams.values(), many):
            stream.hello()
        for name in names:
            say(alice, name)
            assert streams[name].wait_named("typing-start").data["ticket_id"] == name
        many.wait(lambda s: len(s.named("typing-start")) == len(names), "typing-start of each ticket")
        assert {event.data["ticket_id"] for event in many.named("typing-start")} == set(names)
    # With so many tickets neither is left out.
    for push in ("push", "push2"):
        wait_for(lambda: "stream ended" in two_pushes.log(push), f"a stream of {push}")


# ---- without Redis


def test_without_redis_nothing_is_known_and_nothing_fails(breakable, ticket):
    alice = breakable.site.api("alice")
    alice.sent(ticket, "hello")
    with alice.stream(ticket) as stream:
        stream.hello()
        breakable.kill("redis")
        try:
            wait_for(lambda: alice.get("/v1/readyz").json()["mode"] == "no-redis", "mode no-redis")
            say(alice, ticket)
            assert typing(alice, ticket) is None
        finally:
            breakable.start()
        wait_for(lambda: alice.get("/v1/readyz").json()["mode"] == "full", "mode full")

        def heard():
            say(alice, ticket)
            return stream.named("typing-start")

        wait_for(heard, "typing-start after Redis came back")
    assert typists(alice, ticket) == ["alice"]


def test_odd_messages_are_ignored(stack, site, ticket):
    alice, r = site.api("alice"), stack.redis()
    with alice.stream(ticket) as stream:
        stream.hello()
        channel = f"bellhop:live:{ticket}"
        assert r.publish(channel, "{") == 1
        for payload in ("", "[]", '{"event":"typing-start"}', '{"event":"ping","user_id":"x"}', "x" * 100_000):
            r.publish(channel, payload)
        say(alice, ticket)
        stream.wait_named("typing-start")
        assert told(stream) == [("typing-start", "alice")]
    assert "could not read what was published" in stack.log("push")
