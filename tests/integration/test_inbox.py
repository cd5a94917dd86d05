# SPDX-License-Identifier: BSD-2-Clause
"""Live news of one's tickets: who is told, what, and how often."""

import concurrent.futures
import time

import pytest
from client import Stream, wait_for


@pytest.fixture
def user(ticket):
    """A user that no other test uses."""
    return f"u-{ticket}".lower()


def listen(api, **params):
    """A stream of the user's inbox, that hears."""
    stream = Stream(api, "/v1/stream", inbox=1, **params)
    assert stream.status == 200, stream.body
    stream.hello()
    return stream


def news(stream, ticket=None):
    return [e.data for e in stream.named("inbox") if ticket in (None, e.data["ticket_id"])]


def wait_news(stream, condition, what="news"):
    return stream.wait(lambda s: next((n for n in news(s) if condition(n)), None), what)


def put(api, ticket, user, role="agent"):
    answer = api.call("PUT", f"/v1/tickets/{ticket}/participants/{user}", json={"role": role})
    assert answer.status_code == 200, answer.text


def test_news_of_a_message(site, ticket, user):
    rita = site.api(user, "requester", tickets=[ticket])
    rita.sent(ticket, "help")
    with listen(rita) as stream:
        message = site.api("alice").sent(ticket, "coming, \U0001f514 " + "x" * 200)
        told = wait_news(stream, lambda n: n["newest_seq"] == 2)
        assert told == {
            "ticket_id": ticket,
            "newest_seq": 2,
            "unread": 1,
            "preview": "coming, \U0001f514 " + "x" * 110,
            "sender_id": "alice",
            "at": message["sent_at"],
        }
        assert len(told["preview"]) == 120
        # One's own message is news to one's other pages.
        rita.sent(ticket, "thanks")
        assert wait_news(stream, lambda n: n["newest_seq"] == 3)["preview"] == "thanks"
        (entry,) = rita.get("/v1/tickets").json()["tickets"]
        last = news(stream)[-1]
        assert (last["unread"], last["newest_seq"]) == (entry["unread"], entry["newest_seq"])
        assert last["at"] == entry["last_activity_at"]


def test_edits_and_deletions_are_news(site, ticket, user):
    rita = site.api(user, "requester", tickets=[ticket])
    rita.sent(ticket, "help")
    alice = site.api("alice")
    alice.sent(ticket, "coming")
    with listen(rita) as stream:
        path = f"/v1/tickets/{ticket}/messages/2"
        assert alice.call("PATCH", path, json={"content": "running"}).status_code == 200
        assert wait_news(stream, lambda n: n["newest_seq"] == 3)["preview"] == "running"
        assert alice.call("DELETE", path).status_code == 200
        told = wait_news(stream, lambda n: n["newest_seq"] == 4)
        assert (told["preview"], told["sender_id"], told["unread"]) == (None, "alice", 0)
        assert alice.call("PUT", f"/v1/tickets/{ticket}", json={"title": "Fire"}).status_code == 200
        wait_news(stream, lambda n: n["newest_seq"] == 5)


def test_notes_are_no_news_for_requesters(site, ticket, user):
    rita = site.api(user, "requester", tickets=[ticket])
    rita.sent(ticket, "help")
    alice = site.api("alice")
    alice.sent(ticket, "yes?")
    # The same user as staff is told; the token's role decides.
    with listen(rita) as stream, listen(site.api(user, "agent")) as staff:
        for content in ("psst", "psst!"):
            alice.sent(ticket, content, kind="note")
        path = f"/v1/tickets/{ticket}/messages/3"
        assert alice.call("PATCH", path, json={"content": "hush"}).status_code == 200
        told = wait_news(staff, lambda n: n["newest_seq"] == 5)
        assert (told["preview"], told["unread"]) == ("psst!", 3)
        assert alice.call("DELETE", path).status_code == 200
        wait_news(staff, lambda n: n["newest_seq"] == 6)
        alice.sent(ticket, "here")
        told = wait_news(stream, lambda n: True)
        assert (told["newest_seq"], told["unread"], told["preview"]) == (7, 2, "here")
        assert len(news(stream)) == 1


def test_who_is_added_is_told_and_who_is_removed_is_not(site, ticket, user):
    alice = site.api("alice")
    alice.sent(ticket, "one")
    rita = site.api(user, "requester", tickets=[])
    with listen(rita) as stream, listen(alice) as other:
        put(alice, ticket, user, "requester")
        told = wait_news(stream, lambda n: n["ticket_id"] == ticket)
        assert (told["newest_seq"], told["preview"], told["unread"]) == (2, "one", 1)
        assert alice.call("DELETE", f"/v1/tickets/{ticket}/participants/{user}").status_code == 204
        alice.sent(ticket, "two")
        wait_news(other, lambda n: n["ticket_id"] == ticket and n["newest_seq"] == 4)
        # A second is over, so whatever was held back would be here.
        alice.sent(ticket, "three")
        wait_news(other, lambda n: n["ticket_id"] == ticket and n["newest_seq"] == 5)
        assert {n["newest_seq"] for n in news(stream)} == {2}
        put(alice, ticket, user, "requester")
        wait_news(stream, lambda n: n["newest_seq"] == 6)


def test_only_ones_own(site, ticket, user):
    rita = site.api(user, "requester", tickets="*")
    other = site.api(user + ".other", "requester", tickets=[ticket + ".b"])
    rita.sent(ticket, "mine")
    other.sent(ticket + ".b", "not mine")
    with listen(rita) as stream, listen(other) as elsewhere:
        site.api("alice").sent(ticket + ".b", "x")
        wait_news(elsewhere, lambda n: n["newest_seq"] == 2)
        site.api("alice").sent(ticket, "y")
        wait_news(stream, lambda n: n["newest_seq"] == 2)
        assert {n["ticket_id"] for n in news(stream)} == {ticket}
        assert {n["ticket_id"] for n in news(elsewhere)} == {ticket + ".b"}


def test_without_inbox_there_is_none(site, ticket, user):
    rita = site.api(user, "requester", tickets=[ticket])
    rita.sent(ticket, "help")
    with rita.stream(ticket) as plain, listen(rita) as stream:
        site.api("alice").sent(ticket, "x")
        wait_news(stream, lambda n: n["newest_seq"] == 2)
        plain.wait_messages(1)
        assert news(plain) == []


def test_with_tickets_on_one_stream(site, ticket, user):
    rita = site.api(user, "requester", tickets="*")
    rita.sent(ticket, "help")
    rita.sent(ticket + ".b", "help")
    with listen(rita, tickets=ticket) as stream:
        alice = site.api("alice")
        alice.sent(ticket, "x")
        alice.sent(ticket + ".b", "y")
        wait_news(stream, lambda n: n["ticket_id"] == ticket and n["newest_seq"] == 2)
        wait_news(stream, lambda n: n["ticket_id"] == ticket + ".b" and n["newest_seq"] == 2)
        assert {e.data["ticket_id"] for e in stream.wait_messages(1)} == {ticket}


def test_at_most_one_a_second_and_the_newest_at_last(site, ticket, user):
    rita = site.api(user, "requester", tickets=[ticket])
    rita.sent(ticket, "help")
    service = site.api("host", "service")
    with listen(rita) as stream, listen(rita) as second:
        begun = time.monotonic()
        for i in range(60):
            service.sent(ticket, f"m{i}")
        wait_news(stream, lambda n: n["newest_seq"] == 61)
        seconds = time.monotonic() - begun
        told = stream.named("inbox")
        assert told[0].data["newest_seq"] < 61
        assert len(told) <= seconds + 2
        for before, after in zip(told, told[1:], strict=False):
            assert after.at - before.at > 0.8
            assert after.data["newest_seq"] > before.data["newest_seq"]
        assert told[-1].data["unread"] == 60
        wait_news(second, lambda n: n["newest_seq"] == 61)
        assert [e.data for e in second.named("inbox")] == [e.data for e in told]


def test_a_poll_has_it_with_ephemeral(site, ticket, user):
    rita = site.api(user, "requester", tickets=[ticket])
    rita.sent(ticket, "help")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        api = site.api(user, "requester", tickets=[ticket])
        poll = pool.submit(api.get, "/v1/poll", inbox=1, ephemeral=1, wait=20, cursor="1.~")
        alice = site.api("alice")
        wait_for(lambda: alice.sent(ticket, "x") and poll.done(), "the poll")
        answer = poll.result().json()
    assert answer["events"][0]["event"] == "inbox"
    assert answer["events"][0]["data"]["ticket_id"] == ticket


def test_many_users_and_tickets(site, ticket):
    """A message to a crowd reaches all of it, and each is told his own count."""
    users = [f"u-{ticket}-{i}".lower() for i in range(30)]
    alice = site.api("alice")
    for i, user in enumerate(users):
        site.api(user, "requester").sent(ticket, f"from {i}")
    streams = [listen(site.api(user, "requester", tickets=[])) for user in users]
    alice.sent(ticket, "to all")
    for i, stream in enumerate(streams):
        told = wait_news(stream, lambda n: n["newest_seq"] == 31)
        assert told["unread"] == 30, i
        stream.close()


def test_it_comes_back_with_redis(breakable, ticket):
    stack, user = breakable, f"u-{ticket}".lower()
    rita = stack.site.api(user, "requester", tickets=[ticket])
    rita.sent(ticket, "help")
    alice = stack.site.api("alice")
    with listen(rita) as stream:
        stack.kill("redis")
        alice.sent(ticket, "unheard")
        stack.start()
        wait_for(lambda: alice.sent(ticket, "heard?") and news(stream), "news")
        told = stream.wait(lambda s: [n for n in news(s) if n["preview"] == "heard?"], "news")
        assert told[-1]["unread"] >= 2


def test_it_waits_for_the_record(breakable, ticket):
    """What could not be asked is asked again, and odd things that are published harm nobody."""
    stack, user = breakable, f"u-{ticket}".lower()
    rita = stack.site.api(user, "requester", tickets=[ticket])
    rita.sent(ticket, "help")
    with listen(rita) as stream:
        for odd in ("", "{", "[]", '{"epoch":1}', '{"epoch":1,"ticket_id":"..","seq":1,"public":true}',
                    '{"epoch":1,"ticket_id":"T-none","seq":1,"public":true}', "\0", "x" * 100000):  # fmt: skip
            assert stack.redis().publish(f"bellhop:user:{user}", odd) == 1
        stack.stop("postgres")
        payload = f'{{"epoch":1,"ticket_id":"{ticket}","seq":1,"public":true}}'
        assert stack.redis().publish(f"bellhop:user:{user}", payload) == 1
        stack.start()
        told = wait_news(stream, lambda n: True)
        assert (told["newest_seq"], told["preview"]) == (1, "help")
        assert {n["ticket_id"] for n in news(stream)} == {ticket}
