# SPDX-License-Identifier: BSD-2-Clause
"""
What PostgreSQL reads for an answer does not grow with the ticket, whatever its planner knows of the tables: nothing,
as after an import and until it has looked at them, or what holds for other tickets.
"""

import conftest
import pytest
from client import check_problem, wait_for

MESSAGES = 5000
EVENTS_READ_MAX = 1000  # a few pages


@pytest.fixture(scope="module")
def ignorant_stack(request):
    """Its PostgreSQL looks at no table by itself; the ticket was begun by `rita` and is long, `alice` answering."""
    for stack in conftest.running_stack(request):
        stack.as_admin("ALTER SYSTEM SET autovacuum = off")
        stack.as_admin("SELECT pg_reload_conf()")
        stack.site.api("rita", "requester", tickets=["T-long"]).sent("T-long", "once")
        for start in range(0, MESSAGES, 250):  # a statement may last 1.5 s
            stack.sql(
                "SELECT count(bellhop.send('T-long', 'alice', NULL, 'agent', 't', 'x', i::text, '\\x00', 2, NULL))"
                " FROM generate_series(%s, %s) i",
                start, start + 249, url=stack.env["DATABASE_URL"],
            )  # fmt: skip
        # The sweep reads whatever is new; without it all is read from the record.
        stack.kill("archive")
        wait_for(lambda: mode(stack) == "no-redis", "Redis being out of date")
        yield stack


def mode(stack):
    return stack.site.api("alice").get("/v1/healthz").headers["Bellhop-Mode"]


def events_read(stack):
    """Rows of events fetched until now, by anybody; a backend tells of its last ones when it ends."""
    daemons = "usename = 'bellhop' AND pid <> pg_backend_pid()"
    stack.as_admin(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {daemons}")
    ((rows,),) = stack.as_admin(
        "SELECT sum(seq_tup_read + idx_tup_fetch)::bigint FROM pg_stat_user_tables"
        " WHERE schemaname = 'bellhop' AND relname LIKE 'event%'"
    )
    return rows


def answered(call):
    """Of the connections that the last test ended, some are found out by this one's first attempt."""
    return wait_for(lambda: [answer for answer in [call()] if answer.status_code != 503], "an answer")[0]


def page(alice, **bounds):
    answer = answered(lambda: alice.get("/v1/tickets/T-long/messages", limit=50, **bounds))
    assert len(answer.json()["messages"]) == 50


def newest_page(alice):
    page(alice)


def older_page(alice):
    page(alice, before=MESSAGES // 2)


def newer_page(alice):
    page(alice, after=MESSAGES // 2)


def beginning_of_a_stream(alice):
    events = answered(lambda: alice.get("/v1/tickets/T-long/poll", init=50, wait=0)).json()["events"]
    assert [event["event"] for event in events] == ["message"] * 50


def guarded_send(alice):
    rita = alice.site.api("rita", "requester", tickets=["T-long"])
    check_problem(answered(lambda: rita.send("T-long", "again", {"If-Match": '"1"'})), 412, "newer_messages")


def list_of_conversations(alice):
    for user, role in (("rita", "requester"), ("alice", "agent")):
        of_user = alice.site.api(user, role, tickets=["T-long"])
        listed = answered(lambda api=of_user: api.get("/v1/tickets")).json()["tickets"]
        assert [ticket["ticket_id"] for ticket in listed] == ["T-long"]


def read_mark(alice):
    answer = answered(lambda: alice.call("PUT", "/v1/tickets/T-long/read", json={"seq": MESSAGES // 2}))
    assert answer.status_code == 200


def edit(alice):
    changed = answered(lambda: alice.call("PATCH", "/v1/tickets/T-long/messages/2500", json={"content": "y"}))
    assert changed.json()["content"] == "y"


def card(alice):
    assert answered(lambda: alice.get("/v1/tickets/T-long")).json()["ticket_id"] == "T-long"


@pytest.mark.parametrize("call", [
    newest_page, older_page, newer_page, beginning_of_a_stream, guarded_send, list_of_conversations, read_mark, edit, card,
], ids=lambda call: call.__name__)  # fmt: skip
def test_what_nothing_is_known_of(ignorant_stack, call):
    before = events_read(ignorant_stack)
    call(ignorant_stack.site.api("alice"))
    assert events_read(ignorant_stack) - before <= EVENTS_READ_MAX
