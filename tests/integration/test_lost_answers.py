# SPDX-License-Identifier: BSD-2-Clause
"""
PostgreSQL commits, and its answer is lost on the way: the api asks again, finds it done, and everybody who
listens learns of it at once, not only from the sweep.
"""

import fcgi_client as fcgi
import pytest
from client import until, wait_for
from daemon import Daemon
from lossy import Lossy


@pytest.fixture
def lossy(stack, tmp_path):
    """(way to PostgreSQL, path of the socket of an api that uses it)"""
    way = Lossy(stack.env["DATABASE_URL"])
    path = str(tmp_path / "api.sock")
    with Daemon(stack, "api", path, DATABASE_URL=way.url, BELLHOP_API_WORKERS=1).ready():
        yield way, path
    way.close()


def window(stack, ticket):
    """Number and kind of the events in Redis."""
    r = stack.redis()
    name = r.keys(f"bellhop:*:chat:{ticket}")
    return [(int(i.split(b"-")[0]), e[b"kind"].decode()) for i, e in r.xrange(name[0])] if name else []


CHANGES = {
    "e": ("PATCH", "/messages/1", {"content": "lost-answer"}, b"lost-answer"),
    "d": ("DELETE", "/messages/1", None, b"lost-answer"),
    "t": ("PUT", "", {"title": "lost-answer"}, b"lost-answer"),
    "p": ("DELETE", "/participants/bob", None, b"lost-answer"),
    "m": ("POST", "/messages", {"content": "lost-answer"}, b"lost-answer"),
}


@pytest.mark.parametrize("kind", CHANGES)
@pytest.mark.parametrize("times", [1, 2])
def test_what_was_done_is_pushed_at_once(stack, site, lossy, ticket, kind, times):
    """Found done by the api's own repeat, or, where that is lost too, by the client's."""
    way, path = lossy
    method, rest, body, lose = CHANGES[kind]
    if kind == "m":
        body = {**body, "client_msg_id": "once"}
    site.api("lost-answer").sent(ticket, "one")
    wait_for(lambda: window(stack, ticket) == [(1, "m")], "the stream")
    token = site.token("lost-answer")

    def call():
        return fcgi.call(path, method, f"/chat/v1/tickets/{ticket}{rest}", token=token, body=body)

    # Nobody but the api can push it now.
    stack.freeze("archive")
    try:
        way.lose, way.times = lose, times
        answer = call()
        if times == 2:
            assert answer.status == 503, answer
            answer = until(call, lambda a: a.status != 503, "an answer")
        found = window(stack, ticket)
    finally:
        stack.thaw("archive")
    assert way.lost == times
    assert answer.status in (200, 201, 204), answer
    assert found == [(1, "m"), (2, kind)]
    assert len(stack.sql("SELECT seq FROM bellhop.event WHERE ticket_id = %s", ticket)) == 2


def test_a_mark_that_was_put_is_told(stack, site, lossy, ticket):
    way, path = lossy
    site.api("bob").sent(ticket, "one")
    site.api("bob").sent(ticket, "two")
    token = site.token("lost-answer")

    def put(seq):
        return fcgi.call(path, "PUT", f"/chat/v1/tickets/{ticket}/read", token=token, body={"seq": seq})

    assert put(1).status == 200
    with site.api("bob").stream(ticket) as stream, site.api("rita", "requester").stream(ticket) as public:
        stream.hello()
        public.hello()
        way.lose = b"lost-answer"
        answer = put(2)
        assert (answer.status, way.lost) == (200, 1)
        for one in (stream, public):
            assert one.wait_named("message-read").data["seq"] == 2
