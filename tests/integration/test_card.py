# SPDX-License-Identifier: BSD-2-Clause
"""The ticket's card: status, title, the events of their changes, closed tickets and legal hold."""

import pytest
from client import check_problem, until

CARD_FIELDS = {
    "ticket_id", "title", "status", "hold", "created_at", "last_activity_at", "newest_seq",
    "participants",
}  # fmt: skip


def put(api, ticket, **fields):
    return api.call("PUT", f"/v1/tickets/{ticket}", json=fields)


def card(api, ticket):
    answer = api.get(f"/v1/tickets/{ticket}")
    assert answer.status_code == 200, answer.text
    assert set(answer.json()) == CARD_FIELDS
    return answer.json()


def meta(stack, ticket):
    """What Redis says of the ticket's row."""
    r = stack.redis()
    keys = r.keys(f"bellhop:*:meta:{ticket}")
    return {k.decode(): v.decode() for k, v in r.hgetall(keys[0]).items()} if keys else {}


def test_a_ticket_that_has_not_begun_has_no_card(site, ticket):
    check_problem(site.api("alice").get(f"/v1/tickets/{ticket}"), 404, "not_found")
    other = site.api("rita", "requester", tickets=[])
    check_problem(other.get(f"/v1/tickets/{ticket}"), 403, "not_a_participant")


def test_to_a_requester_a_ticket_of_notes_alone_has_not_begun(site, ticket):
    alice, rita = site.api("alice"), site.api("rita", "requester", tickets=[ticket])
    alice.sent(ticket, "not for the requester", kind="note")
    check_problem(rita.get(f"/v1/tickets/{ticket}"), 404, "not_found")
    assert rita.get(f"/v1/tickets/{ticket}/participants").json() == {"participants": []}
    assert card(alice, ticket)["newest_seq"] == 1
    assert len(alice.get(f"/v1/tickets/{ticket}/participants").json()["participants"]) == 1
    rita.sent(ticket, "hello")
    assert card(rita, ticket)["newest_seq"] == 2


def test_put_begins_a_ticket(site, ticket):
    alice = site.api("alice")
    answer = put(alice, ticket, title="The printer burns")
    assert answer.status_code == 200
    made = answer.json()
    assert set(made) == CARD_FIELDS
    assert (made["ticket_id"], made["title"], made["status"]) == (ticket, "The printer burns", "open")
    assert (made["hold"], made["newest_seq"], made["participants"]) == (False, 1, [])
    assert made["created_at"] <= made["last_activity_at"]
    assert card(alice, ticket) == made
    # The change took the first number; the first message takes the second, and counts as the first.
    message = alice.sent(ticket, "hello")
    assert (message["seq"], message["n"]) == (2, 1)
    assert card(alice, ticket)["participants"][0]["user_id"] == "alice"


def test_put_without_fields_begins_a_ticket_too(site, ticket):
    alice = site.api("alice")
    assert put(alice, ticket).json()["newest_seq"] == 1
    assert put(alice, ticket).json()["newest_seq"] == 1


def test_a_message_begins_the_card(site, ticket):
    rita = site.api("rita", "requester", tickets=[ticket])
    rita.sent(ticket, "help")
    found = card(rita, ticket)
    assert (found["title"], found["status"], found["newest_seq"]) == (None, "open", 1)
    assert [(p["user_id"], p["role"]) for p in found["participants"]] == [("rita", "requester")]


def test_only_changes_make_events(site, ticket):
    alice = site.api("alice")
    for fields, seq in (
        ({"title": "a"}, 1),
        ({"title": "a"}, 1),
        ({"status": "open"}, 1),
        ({"title": "b", "status": "closed"}, 2),
        ({"title": "b", "status": "closed"}, 2),
        ({"title": None}, 3),
        ({"title": None}, 3),
        ({"status": "open"}, 4),
        ({"unknown": 1}, 4),
    ):
        answer = put(alice, ticket, **fields)
        assert (answer.status_code, answer.json()["newest_seq"]) == (200, seq), fields
    events = alice.poll(ticket, since=0, wait=0)["events"]
    assert [e["event"] for e in events] == ["ticket"] * 4
    data = [e["data"] for e in events]
    assert [(d["status"], d["title"]) for d in data] == [
        ("open", "a"), ("closed", "b"), ("closed", None), ("open", None),
    ]  # fmt: skip
    assert [(d["event_seq"], d["prev"], d["by"]) for d in data] == [(n, n - 1, "alice") for n in range(1, 5)]
    assert set(data[0]) == {"ticket_id", "status", "title", "by", "at", "event_seq", "prev"}


def test_streams_and_redis_hear_of_it(stack, site, ticket):
    alice, rita = site.api("alice"), site.api("rita", "requester", tickets=[ticket])
    alice.sent(ticket, "hello")
    with rita.stream(ticket) as stream:
        assert stream.hello()["tickets"][ticket]["status"] == "open"
        put(alice, ticket, status="closed", title="Done: äöü \"quoted\"")
        event = stream.wait_named("ticket")
        assert event.id.endswith(".2")
        assert (event.data["status"], event.data["title"]) == ("closed", "Done: äöü \"quoted\"")
    found = meta(stack, ticket)
    assert (found["status"], found["title"], found["last_seq"]) == ("closed", "Done: äöü \"quoted\"", "2")
    with rita.stream(ticket) as stream:
        assert stream.hello()["tickets"][ticket]["status"] == "closed"
    put(alice, ticket, title=None)
    assert "title" not in meta(stack, ticket)


def test_a_closed_ticket_takes_no_messages_but_a_services(site, ticket):
    alice = site.api("alice")
    first = alice.sent(ticket, "hello", client_msg_id="one")
    put(alice, ticket, status="closed")
    check_problem(alice.send(ticket, "late"), 409, "ticket_closed")
    check_problem(site.api("rita", "requester", tickets=[ticket]).send(ticket, "late"), 409, "ticket_closed")
    # What was sent before it was closed is told again.
    again = alice.send(ticket, "hello", client_msg_id="one")
    assert (again.status_code, again.json()["seq"]) == (200, first["seq"])
    assert site.api("bot", "service").sent(ticket, "closed by the timer")["seq"] == 3
    put(alice, ticket, status="open")
    assert alice.sent(ticket, "now")["seq"] == 5


@pytest.mark.parametrize(
    "fields, pointer",
    [
        ({"status": "shut"}, "/status"),
        ({"status": None}, "/status"),
        ({"status": 1}, "/status"),
        ({"title": ""}, "/title"),
        ({"title": 7}, "/title"),
        ({"title": "two\nlines"}, "/title"),
        ({"title": "é" * 257}, "/title"),
    ],
)
def test_what_is_wrong_is_refused(site, ticket, fields, pointer):
    alice = site.api("alice")
    problem = check_problem(put(alice, ticket, **fields), 400, "invalid_field")
    assert problem["errors"][0]["pointer"] == pointer
    check_problem(alice.get(f"/v1/tickets/{ticket}"), 404, "not_found")


def test_the_longest_title_fits(site, ticket):
    assert put(site.api("alice"), ticket, title="é" * 256).json()["title"] == "é" * 256


def test_who_may(site, ticket):
    rita = site.api("rita", "requester", tickets=[ticket])
    check_problem(put(rita, ticket, status="closed"), 403, "forbidden")
    stranger = site.api("sam", "agent", tickets=[])
    check_problem(put(stranger, ticket, status="closed"), 403, "not_a_participant")
    check_problem(stranger.get(f"/v1/tickets/{ticket}"), 403, "not_a_participant")
    check_problem(rita.get(f"/v1/tickets/{ticket}"), 404, "not_found")
    for role in ("service", "admin"):
        assert put(site.api("boss", role, tickets=[]), ticket, title=role).status_code == 200
    answer = rita.call("DELETE", f"/v1/tickets/{ticket}")
    assert set(answer.headers["Allow"].replace(" ", "").split(",")) >= {"GET", "PUT"}


def test_a_requesters_card_knows_nothing_of_notes(site, ticket):
    alice, rita = site.api("alice"), site.api("rita", "requester", tickets=[ticket])
    rita.sent(ticket, "help")
    before = card(rita, ticket)
    alice.sent(ticket, "a fool", kind="note")
    after = card(rita, ticket)
    assert (after["newest_seq"], after["last_activity_at"]) == (1, before["last_activity_at"])
    staff = card(alice, ticket)
    assert staff["newest_seq"] == 2 and staff["last_activity_at"] > before["last_activity_at"]
    # A requester's chain of events goes over the note.
    put(alice, ticket, status="closed")
    event = rita.poll(ticket, since=0, wait=0)["events"][-1]["data"]
    assert (event["event_seq"], event["prev"]) == (3, 1)


def test_without_a_stream_the_change_is_loaded(stack, site, ticket):
    """The ticket has left Redis: the change brings it back."""
    alice = site.api("alice")
    alice.sent(ticket, "hello")
    r = stack.redis()
    r.delete(*r.keys(f"bellhop:*:{ticket}"))
    put(alice, ticket, title="back")
    found = until(lambda: meta(stack, ticket), lambda m: m.get("last_seq") == "2", "the stream")
    assert found["title"] == "back"


def test_hold_and_release(stack, site, ticket):
    alice = site.api("alice")
    done = stack.bellhop("hold", ticket)
    assert done.returncode == 1 and "there is no ticket" in done.stderr
    put(alice, ticket, title="evidence")
    for command, hold, said in (
        ("hold", True, "is on hold"),
        ("hold", True, "was on hold before"),
        ("release", False, "is released"),
        ("release", False, "was not on hold"),
    ):
        done = stack.bellhop(command, ticket)
        assert (done.returncode, done.stdout) == (0, f"{ticket} {said}\n"), done.stderr
        assert card(alice, ticket)["hold"] is hold
    # It is nothing that the conversation hears of.
    assert card(alice, ticket)["newest_seq"] == 1


def test_nothing_is_deleted_from_a_ticket_on_hold(stack, site, ticket):
    alice = site.api("alice")
    path = f"/v1/tickets/{ticket}/messages/{alice.sent(ticket, 'evidence')['seq']}"
    stack.bellhop("hold", ticket)
    check_problem(alice.call("DELETE", path), 409, "on_hold")
    assert alice.get(path).json()["content"] == "evidence"
    stack.bellhop("release", ticket)
    assert alice.call("DELETE", path).status_code == 200


def test_hold_takes_one_ticket(stack):
    for arguments in ([], ["a", "b"], [".bad"], ["a/b"], ["--unknown", "a"]):
        assert stack.bellhop("hold", *arguments).returncode == 2
        assert stack.bellhop("release", *arguments).returncode == 2
