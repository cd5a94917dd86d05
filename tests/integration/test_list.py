# SPDX-License-Identifier: BSD-2-Clause
"""The list of conversations: who is in it, in what order, page by page, what it tells whom, and its ETag."""

import json
import random
import re
import urllib.parse

import pytest
from client import check_problem, wait_for

FIELDS = {
    "ticket_id", "title", "status", "newest_seq", "unread", "last_message", "last_activity_at",
    "participants",
}  # fmt: skip
MANY = 130  # from a hundred on the index is asked instead of every ticket


def listed(api, **params):
    answer = api.get("/v1/tickets", **params)
    assert answer.status_code == 200, answer.text
    assert set(answer.json()) == {"tickets", "next"}
    for ticket in answer.json()["tickets"]:
        assert set(ticket) == FIELDS
    return answer.json()


def ids(page):
    return [ticket["ticket_id"] for ticket in page["tickets"]]


def all_pages(api, **params):
    """Every ticket of the list, page by page."""
    tickets, before = [], {}
    while True:
        page = listed(api, **params, **before)
        assert len(page["tickets"]) <= params.get("limit", 50)
        tickets += page["tickets"]
        if page["next"] is None:
            return tickets
        before = {"before": page["next"]}


@pytest.fixture
def user(ticket):
    """A user that no other test uses."""
    return f"u-{ticket}".lower()


def begin(stack, user, tickets, role="agent"):
    """The user says something in each of the tickets."""
    stack.sql(
        "SELECT count(bellhop.send(t, %s, NULL, %s, 't', 'hello', 'u-' || %s, '\\x00', 1, NULL))"
        " FROM unnest(%s) t",
        user, role, user, tickets,
    )  # fmt: skip


def mark(stack):
    return stack.sql("SELECT since FROM bellhop.activity")[0][0]


def wait_until_quiet(stack):
    """Until what has been said so far is in the index."""
    now = stack.sql("SELECT clock_timestamp()")[0][0]
    wait_for(lambda: mark(stack) > now, "a round of the archiver")


def test_nobody_has_nothing(site, user):
    assert listed(site.api(user)) == {"tickets": [], "next": None}
    nobody = site.api(user)
    del nobody.session.headers["Authorization"]
    check_problem(nobody.get("/v1/tickets"), 401, "unauthenticated")


def test_what_it_tells(site, ticket, user):
    rita = site.api(user, "requester", tickets=[ticket])
    rita.sent(ticket, "help")
    alice = site.api("alice")
    alice.call("PUT", f"/v1/tickets/{ticket}", json={"title": "Fire"})
    answer = alice.sent(ticket, "coming")
    (entry,) = listed(rita)["tickets"]
    assert (entry["ticket_id"], entry["title"], entry["status"]) == (ticket, "Fire", "open")
    assert (entry["newest_seq"], entry["unread"]) == (3, 1)
    assert entry["last_message"] == rita.page(ticket)["messages"][-1]
    assert entry["last_activity_at"] == answer["sent_at"]
    assert entry["participants"] == [
        {"user_id": user, "role": "requester"},
        {"user_id": "alice", "role": "agent"},
    ]
    alice.call("PUT", f"/v1/tickets/{ticket}", json={"status": "closed"})
    (entry,) = listed(rita)["tickets"]
    assert (entry["status"], entry["newest_seq"], entry["unread"]) == ("closed", 4, 1)
    assert entry["last_message"]["seq"] == 3
    card = rita.get(f"/v1/tickets/{ticket}").json()
    assert entry["last_activity_at"] == card["last_activity_at"] > answer["sent_at"]


def test_edits_and_deletions_are_told(site, ticket, user):
    rita = site.api(user, "requester", tickets=[ticket])
    rita.sent(ticket, "one")
    path = f"/v1/tickets/{ticket}/messages/1"
    assert rita.call("PATCH", path, json={"content": "uno"}).status_code == 200
    (entry,) = listed(rita)["tickets"]
    assert (entry["newest_seq"], entry["last_message"]["content"]) == (2, "uno")
    assert rita.call("DELETE", path).status_code == 200
    (entry,) = listed(rita)["tickets"]
    assert (entry["newest_seq"], entry["unread"]) == (3, 0)
    assert entry["last_message"]["content"] is None
    assert entry["last_message"]["deleted_by"] == user


def test_notes_do_not_exist_for_requesters(site, ticket, user):
    """Not by numbers, not by time, and not by order."""
    other = ticket + ".b"
    rita = site.api(user, "requester", tickets=[ticket, other])
    rita.sent(ticket, "first")
    alice = site.api("alice")
    alice.sent(ticket, "hello")
    rita.sent(other, "second")
    before = rita.get("/v1/tickets")
    assert ids(before.json()) == [other, ticket]
    alice.sent(ticket, "psst", kind="note")
    path = f"/v1/tickets/{ticket}/messages/3"
    assert alice.call("PATCH", path, json={"content": "psst!"}).status_code == 200
    after = rita.get("/v1/tickets")
    assert after.text == before.text
    assert after.headers["ETag"] == before.headers["ETag"]
    # The same user as staff: the token's role decides.
    staff = listed(site.api(user, "agent"))["tickets"]
    assert [entry["ticket_id"] for entry in staff] == [ticket, other]
    assert staff[0]["last_message"]["content"] == "psst!"
    assert (staff[0]["newest_seq"], staff[0]["unread"]) == (4, 2)
    assert alice.call("DELETE", path).status_code == 200
    assert rita.get("/v1/tickets").text == before.text


def test_who_was_removed_has_it_no_more(stack, ticket, user):
    rita = stack.site.api(user, "requester", tickets="*")
    rita.sent(ticket, "help")
    staff = stack.site.api(user + ".staff")
    staff.sent(ticket, "yes?")
    assert ids(listed(rita)) == [ticket]
    stack.sql(
        "UPDATE bellhop.participant SET removed_at = now() WHERE ticket_id = %s AND user_id = %s", ticket, user
    )
    assert ids(listed(rita)) == []
    (entry,) = [t for t in all_pages(staff, limit=200) if t["ticket_id"] == ticket]
    assert [p["user_id"] for p in entry["participants"]] == [user + ".staff"]


def test_filters(stack, ticket, user):
    tickets = [f"{ticket}.{i}" for i in range(4)]
    rita = stack.site.api(user, "requester")
    begin(stack, user, tickets, "requester")
    alice = stack.site.api("alice")
    alice.sent(tickets[1], "news")
    alice.sent(tickets[2], "news")
    alice.call("PUT", f"/v1/tickets/{tickets[2]}", json={"status": "closed"})
    alice.sent(tickets[3], "a note", kind="note")
    assert ids(listed(rita, filter="unread")) == [tickets[2], tickets[1]]
    assert ids(listed(rita, filter="unread", status="open")) == [tickets[1]]
    assert ids(listed(rita, status="closed", filter="all")) == [tickets[2]]
    assert len(listed(rita, status="open")["tickets"]) == 3
    page = listed(rita, filter="unread", limit=1)
    assert ids(page) == [tickets[2]]
    page = listed(rita, filter="unread", limit=1, before=page["next"])
    assert (ids(page), page["next"]) == ([tickets[1]], None)


def test_links_lead_through_the_pages(stack, ticket, user):
    tickets = [f"{ticket}.{i}" for i in range(7)]
    rita = stack.site.api(user, "requester")
    begin(stack, user, tickets, "requester")
    path, found = "/v1/tickets?status=open&limit=3", []
    while path:
        answer = rita.call("GET", path)
        found += ids(answer.json())
        link = answer.headers.get("Link")
        assert (link is None) == (answer.json()["next"] is None)
        path = None
        if link:
            target, relation = re.fullmatch(r'<(.*)>; rel="(\w+)"', link).groups()
            assert relation == "next"
            path = target.removeprefix(urllib.parse.urlsplit(rita.url).path)
    assert found == tickets[::-1]


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=201", "limit=x", "filter=none", "filter=", "status=", "status=OPEN", "before=",
     "before=%21", "before=AAAA", "before=OTk5OTk5OTk5OTk5OTk5OTk5OTpU", "limit=1&limit=2"],
)  # fmt: skip
def test_what_is_no_question(site, query):
    check_problem(site.api("alice").call("GET", f"/v1/tickets?{query}"), 400, "invalid_field")


def test_etag(site, ticket, user):
    rita = site.api(user, "requester", tickets=[ticket])
    rita.sent(ticket, "one")
    answer = rita.get("/v1/tickets")
    tag = answer.headers["ETag"]
    assert re.fullmatch(r'"[\w-]{22}"', tag)
    for names in (tag, f'"other", {tag}', f"W/{tag}", "*"):
        again = rita.call("GET", "/v1/tickets", headers={"If-None-Match": names})
        assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
    for names in ('"other"', tag.strip('"'), f"{tag} x"):
        again = rita.call("GET", "/v1/tickets", headers={"If-None-Match": names})
        assert (again.status_code, again.headers["ETag"]) == (200, tag)
    rita.sent(ticket, "two")
    again = rita.call("GET", "/v1/tickets", headers={"If-None-Match": tag})
    assert again.status_code == 200 and again.headers["ETag"] != tag
    head = rita.call("HEAD", "/v1/tickets")
    assert (head.status_code, head.headers["ETag"]) == (200, again.headers["ETag"])


def expected(stack, user, is_staff):
    """The list's order as every ticket's own row has it."""
    at = "active_at" if is_staff else "active_public_at"
    rows = stack.sql(
        f'SELECT ticket_id FROM bellhop.activity_now WHERE user_id = %s ORDER BY {at} DESC, ticket_id COLLATE "C"',
        user,
    )
    return [ticket for (ticket,) in rows]


def assert_exact(stack, user, limit=50):
    for role in ("agent", "requester"):
        found = [t["ticket_id"] for t in all_pages(stack.site.api(user, role), limit=limit)]
        assert found == expected(stack, user, role == "agent")


def change_something(stack, rng, user, ticket):
    """Somebody else does something in the ticket."""
    kind = rng.choice("ttnnerr")
    if kind in "tn":
        stack.sql(
            "SELECT bellhop.send(%s, 'bob', NULL, 'agent', %s, 'x', %s, '\\x00', 1, NULL)",
            ticket, kind, str(rng.random()),
        )  # fmt: skip
    elif kind == "e":
        stack.sql("SELECT bellhop.change(%s, 1, %s, 'agent', %s, 2, NULL)", ticket, user, str(rng.random()))
    else:
        stack.sql(
            "UPDATE bellhop.participant SET removed_at = CASE WHEN removed_at IS NULL THEN now() END"
            " WHERE ticket_id = %s AND user_id = %s",
            ticket, user,
        )  # fmt: skip
        stack.sql("SELECT bellhop.card_put(%s, 'bob', 2, NULL, true, %s)", ticket, str(rng.random()))


def test_many_tickets_are_in_order_at_any_moment(stack, ticket, user):
    """Tickets that have gone quiet come from the index, the others do not; nobody can tell."""
    rng = random.Random(ticket)
    tickets = [f"{ticket}.{i}" for i in range(MANY)]
    begin(stack, user, tickets)
    assert_exact(stack, user)
    end = stack.sql("SELECT clock_timestamp() + interval '12 s'")[0][0]
    while mark(stack) < end:
        # A few stay active, most go quiet at some time.
        for _ in range(5):
            change_something(stack, rng, user, rng.choice(tickets[:10]))
        change_something(stack, rng, user, rng.choice(tickets))
        assert_exact(stack, user, limit=rng.choice((7, 50, 200)))
        if stack.sql("SELECT clock_timestamp()")[0][0] > end:
            break
    wait_until_quiet(stack)
    assert_exact(stack, user)
    stale = stack.sql(
        "SELECT count(*) FROM bellhop.participant p JOIN bellhop.activity_now a USING (ticket_id, user_id)"
        " WHERE p.user_id = %s AND (p.active_at, p.active_public_at) <> (a.active_at, a.active_public_at)",
        user,
    )
    assert stale == [(0,)]


@pytest.mark.parametrize("where", ["user_id = %s", "user_id = %s AND ticket_id = ANY(%s)"])
def test_a_long_ticket_costs_no_more_than_a_short_one(stack, ticket, user, where):
    begin(stack, user, [ticket])
    arguments = [user, [ticket]][: where.count("%s")]
    explain = "EXPLAIN (ANALYZE, BUFFERS, FORMAT json) SELECT * FROM bellhop.activity_now WHERE "

    def blocks():
        ((plan,),) = stack.sql(explain + where, *arguments, url=stack.env["DATABASE_URL"])
        return plan[0]["Plan"]["Shared Hit Blocks"] + plan[0]["Plan"]["Shared Read Blocks"]

    short = blocks()
    for start in range(0, 1500, 250):  # a statement may last 1.5 s
        stack.sql(
            "SELECT count(bellhop.send(%s, %s, NULL, 'agent', 't', 'x', i::text, '\\x00', 1, NULL))"
            " FROM generate_series(%s, %s) i",
            ticket, user, start, start + 249,
        )  # fmt: skip
    # Nothing of the 1,500 but the newest, and perhaps a level more of the indexes.
    assert blocks() <= short + 12


def test_equal_times_are_ordered_by_ticket(stack, ticket, user):
    """As after an import: all at one moment, and the page ends among them."""
    tickets = sorted(f"{ticket}.{c}" for c in "aBcDeFgHiJ_-.")
    begin(stack, user, tickets)
    stack.sql("UPDATE bellhop.event SET sent_at = '2020-01-01Z' WHERE ticket_id = ANY(%s)", tickets)
    stack.sql("UPDATE bellhop.ticket SET updated_at = '2020-01-01Z' WHERE ticket_id = ANY(%s)", tickets)
    for role in ("agent", "requester"):
        assert [t["ticket_id"] for t in all_pages(stack.site.api(user, role), limit=3)] == tickets


def test_without_the_archiver(breakable, ticket):
    """The list goes on being right, however much has happened since."""
    stack, user = breakable, f"u-{ticket}".lower()
    tickets = [f"{ticket}.{i}" for i in range(MANY)]
    begin(stack, user, tickets)
    wait_until_quiet(stack)
    stack.kill("archive")
    others = [f"{ticket}.{i % 40}" for i in range(6000)]
    for start in range(0, len(others), 250):
        stack.sql(
            "SELECT count(bellhop.send(t, 'bob', NULL, 'agent', 't', 'x', t || '.' || i, '\\x00', 1, NULL))"
            " FROM unnest(%s) WITH ORDINALITY u(t, i)",
            [f"{t}" if start == 0 else f"{t}.{start}" for t in others[start : start + 250]],
        )  # fmt: skip
    assert_exact(stack, user)
    stack.start()
    wait_until_quiet(stack)
    assert_exact(stack, user)


def test_without_redis(breakable, ticket):
    stack, user = breakable, f"u-{ticket}".lower()
    api = stack.site.api(user, tickets=[ticket])
    api.sent(ticket, "hello")
    before = listed(api)
    stack.kill("redis")
    assert listed(api) == before
    api.sent(ticket, "more")
    assert listed(api)["tickets"][0]["newest_seq"] == 2


def test_without_the_record(breakable, ticket):
    stack = breakable
    api = stack.site.api("alice")
    api.sent(ticket, "hello")
    stack.kill("postgres")
    check_problem(api.get("/v1/tickets"), 503, "unavailable")


def test_an_import_finds_its_place(stack, ticket, user, tmp_path):
    """What is taken in is dated as it was, and stands in the list where it belongs."""
    tickets = [f"{ticket}.{i}" for i in range(MANY)]
    begin(stack, user, tickets)
    old = ticket + ".old"
    begin(stack, user, [old])
    file = tmp_path / "lines"
    lines = stack.bellhop("export", old).stdout.splitlines()
    assert not any("active" in line for line in lines)
    moved = []
    for line in lines:
        row = json.loads(line)
        for name in ("sent_at", "updated_at", "created_at"):
            if name in row:
                row[name] = "2019-05-06T07:08:09+00:00"
        if "ticket_id" in row:
            row["ticket_id"] = ticket + ".moved"
        moved.append(json.dumps(row))
    file.write_text("\n".join(moved) + "\n")
    done = stack.bellhop("import", str(file))
    assert done.returncode == 0, done.stderr
    assert_exact(stack, user)
    last = all_pages(stack.site.api(user), limit=50)[-1]
    assert (last["ticket_id"], last["last_activity_at"]) == (ticket + ".moved", "2019-05-06T07:08:09.000Z")
