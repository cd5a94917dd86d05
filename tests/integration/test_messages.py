# SPDX-License-Identifier: BSD-2-Clause
"""Sending and reading: numbers, idempotency, the collision guard, notes, and who may."""

import threading
import uuid

import pytest
from client import check_problem

MESSAGE_FIELDS = {
    "ticket_id", "seq", "n", "epoch", "rev", "kind", "sender_id", "sender_name", "content",
    "client_msg_id", "sent_at", "edited_at", "deleted_at", "deleted_by",
}  # fmt: skip


def test_a_send_answers_with_the_whole_message(site, ticket):
    answer = site.api("alice", name="Alice").send(ticket, "hello")
    assert answer.status_code == 201
    message = answer.json()
    assert set(message) == MESSAGE_FIELDS
    assert (message["seq"], message["n"], message["rev"], message["kind"]) == (1, 1, 1, "text")
    assert (message["sender_id"], message["sender_name"]) == ("alice", "Alice")
    assert message["content"] == "hello" and message["client_msg_id"]
    assert message["edited_at"] is message["deleted_at"] is message["deleted_by"] is None
    assert answer.headers["Location"].endswith(f"/chat/v1/tickets/{ticket}/messages/1")
    again = site.api("alice").get(f"/v1/tickets/{ticket}/messages/1")
    assert again.json() == message


def test_a_ticket_that_has_not_begun_reads_as_empty(site, ticket):
    page = site.api("alice").page(ticket)
    assert page["messages"] == []
    assert page["oldest_seq"] is page["newest_seq"] is None
    assert page["has_more_before"] is page["has_more_after"] is False
    assert page["cursor"].endswith(".0")


@pytest.mark.parametrize(
    "content",
    ["x", "ä€😀", "tab\tline\r\n<b>&amp;\"'\\", "\u2028\u2029\u202e", "é" * 8192, "a" * 16384, " "],
)
def test_content_comes_back_as_sent(site, ticket, content):
    api = site.api("alice")
    assert api.sent(ticket, content)["content"] == content
    assert api.page(ticket)["messages"][0]["content"] == content


def test_numbers_are_dense_and_pages_meet(site, ticket):
    api = site.api("alice")
    for number in range(1, 31):
        message = api.sent(ticket, f"message {number}")
        assert (message["seq"], message["n"]) == (number, number)
    newest = api.page(ticket, limit=7)
    assert [m["seq"] for m in newest["messages"]] == list(range(24, 31))
    assert (newest["oldest_seq"], newest["newest_seq"]) == (24, 30)
    assert newest["has_more_before"] and not newest["has_more_after"]
    older = api.page(ticket, limit=7, before=24)
    assert [m["seq"] for m in older["messages"]] == list(range(17, 24))
    assert older["has_more_before"] and older["has_more_after"]
    after = api.page(ticket, limit=7, after=24)
    assert [m["seq"] for m in after["messages"]] == list(range(25, 31))
    assert after["has_more_before"] and not after["has_more_after"]
    first = api.page(ticket, limit=7, after=0)
    assert [m["seq"] for m in first["messages"]] == list(range(1, 8))
    assert not first["has_more_before"] and first["has_more_after"]
    around = api.page(ticket, limit=5, around=15)
    assert 15 in [m["seq"] for m in around["messages"]] and len(around["messages"]) == 5
    assert [m["seq"] for m in api.history(ticket)] == list(range(1, 31))


def test_link_leads_to_the_neighbouring_pages(site, ticket):
    api = site.api("alice")
    for number in range(6):
        api.sent(ticket, str(number))
    answer = api.get(f"/v1/tickets/{ticket}/messages", limit=2, before=5)
    links = answer.links
    assert "before=3" in links["prev"]["url"] and "limit=2" in links["prev"]["url"]
    assert "after=4" in links["next"]["url"]


def test_many_senders_at_once_leave_no_hole_and_streams_equal_history(site, ticket):
    senders, each = 50, 6
    readers = [site.api(f"reader{i}").stream(ticket, since=0) for i in range(4)]
    apis = [site.api(f"user{i}") for i in range(senders)]
    failures = []

    def work(index):
        for number in range(each):
            answer = apis[index].send(ticket, f"{index}.{number}")
            if answer.status_code != 201:
                failures.append(answer.text)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(senders)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    history = apis[0].history(ticket)
    total = senders * each
    assert [m["seq"] for m in history] == [m["n"] for m in history] == list(range(1, total + 1))
    assert len({(m["sender_id"], m["content"]) for m in history}) == total
    for index in range(senders):  # each sender's own order is kept
        assert [m["content"] for m in history if m["sender_id"] == f"user{index}"] == [
            f"{index}.{number}" for number in range(each)
        ]
    for reader in readers:
        events = reader.wait_messages(total)
        assert [e.data["prev"] for e in events] == list(range(total))
        seen = [{k: v for k, v in e.data.items() if k not in ("event_seq", "prev")} for e in events]
        assert seen == history
        reader.close()


class TestIdempotency:
    def test_a_repeated_send_returns_the_first_message(self, site, ticket):
        api = site.api("alice")
        uid = uuid.uuid4().hex
        first = api.send(ticket, "once", client_msg_id=uid)
        again = api.send(ticket, "once", client_msg_id=uid)
        assert (first.status_code, again.status_code) == (201, 200)
        assert again.headers["Idempotent-Replayed"] == "true"
        assert "Idempotent-Replayed" not in first.headers
        assert again.json() == first.json()
        assert len(api.history(ticket)) == 1

    def test_the_header_says_the_same_as_the_field(self, site, ticket):
        api = site.api("alice")
        first = api.send(ticket, "once", headers={"Idempotency-Key": "key-1"})
        again = api.send(ticket, "once", client_msg_id="key-1")
        assert (first.status_code, again.status_code) == (201, 200)
        assert first.json()["client_msg_id"] == "key-1"
        both = api.send(ticket, "once", headers={"Idempotency-Key": "key-1"}, client_msg_id="key-1")
        assert both.status_code == 200
        differ = api.send(ticket, "once", headers={"Idempotency-Key": "a"}, client_msg_id="b")
        assert differ.status_code == 400

    def test_another_content_or_kind_under_the_same_id_is_refused(self, site, ticket):
        api = site.api("alice")
        api.sent(ticket, "one", client_msg_id="same")
        check_problem(api.send(ticket, "two", client_msg_id="same"), 422, "idempotency_mismatch")
        check_problem(
            api.send(ticket, "one", client_msg_id="same", kind="note"), 422, "idempotency_mismatch"
        )

    def test_the_id_belongs_to_ticket_and_sender(self, site, ticket):
        first = site.api("alice").sent(ticket, "mine", client_msg_id="id")
        second = site.api("carol").sent(ticket, "mine too", client_msg_id="id")
        third = site.api("alice").sent(ticket + "-b", "there", client_msg_id="id")
        assert (first["seq"], second["seq"], third["seq"]) == (1, 2, 1)

    def test_many_retries_at_once_make_one_message(self, site, ticket):
        answers = []

        def work(api):
            answers.append(api.send(ticket, "once", client_msg_id="storm").status_code)

        threads = [threading.Thread(target=work, args=(site.api("alice"),)) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(answers) == [200] * 11 + [201]
        assert len(site.api("alice").history(ticket)) == 1

    @pytest.mark.parametrize("uid", ["", "x" * 65, "ä", "a\tb", 7, None, ["x"]])
    def test_an_id_of_the_wrong_form_is_refused(self, site, ticket, uid):
        if uid is None:
            assert site.api("alice").send(ticket, "x", client_msg_id=None).status_code in (201, 400)
            return
        check_problem(site.api("alice").send(ticket, "x", client_msg_id=uid), 400, "invalid_field")


class TestCollisionGuard:
    def test_a_send_is_refused_when_others_spoke(self, site, ticket):
        alice, carol = site.api("alice"), site.api("carol")
        assert alice.send(ticket, "first", headers={"If-Match": '"0"'}).status_code == 201
        assert carol.send(ticket, "second", headers={"If-Match": '"1"'}).status_code == 201
        refused = alice.send(ticket, "third", headers={"If-Match": '"1"'})
        problem = check_problem(refused, 412, "newer_messages")
        assert [m["content"] for m in problem["messages"]] == ["second"]
        assert alice.send(ticket, "third", headers={"If-Match": '"2"'}).status_code == 201
        assert len(alice.history(ticket)) == 3

    def test_ones_own_messages_do_not_collide(self, site, ticket):
        alice = site.api("alice")
        alice.sent(ticket, "one")
        alice.sent(ticket, "two")
        assert alice.send(ticket, "three", headers={"If-Match": '"0"'}).status_code == 201

    def test_a_replay_comes_before_the_guard(self, site, ticket):
        alice, carol = site.api("alice"), site.api("carol")
        first = alice.sent(ticket, "one", client_msg_id="id")
        carol.sent(ticket, "two")
        again = alice.send(ticket, "one", client_msg_id="id", headers={"If-Match": '"0"'})
        assert again.status_code == 200 and again.json() == first

    def test_a_note_does_not_collide_with_a_requester(self, site, ticket):
        agent, guest = site.api("alice"), site.api("bob", role="requester", tickets=[ticket])
        agent.sent(ticket, "hello")
        agent.sent(ticket, "hidden", kind="note")
        assert guest.send(ticket, "hi", headers={"If-Match": '"1"'}).status_code == 201
        refused = site.api("carol").send(ticket, "x", headers={"If-Match": '"1"'})
        assert [m["kind"] for m in refused.json()["messages"]] == ["note", "text"]

    @pytest.mark.parametrize("value", ["x", '"x"', '"-1"', "1", 'W/"1"', '"1", "2"', '"99999999999999999999"', "*"])
    def test_a_guard_of_the_wrong_form_is_refused(self, site, ticket, value):
        answer = site.api("alice").send(ticket, "x", headers={"If-Match": value})
        assert answer.status_code == 400
        assert site.api("alice").history(ticket) == []


class TestNotes:
    def test_a_requesters_world_has_no_notes(self, site, ticket):
        agent = site.api("alice")
        guest = site.api("bob", role="requester", tickets=[ticket])
        agent.sent(ticket, "one")
        note = agent.sent(ticket, "secret-note", kind="note")
        assert (note["seq"], note["n"], note["kind"]) == (2, 2, "note")
        agent.sent(ticket, "two")
        assert guest.sent(ticket, "three")["n"] == 3
        page = guest.page(ticket)
        assert [(m["seq"], m["n"]) for m in page["messages"]] == [(1, 1), (3, 2), (4, 3)]
        assert [m["n"] for m in agent.page(ticket)["messages"]] == [1, 2, 3, 4]
        check_problem(guest.get(f"/v1/tickets/{ticket}/messages/2"), 404, "not_found")
        assert agent.get(f"/v1/tickets/{ticket}/messages/2").status_code == 200
        with guest.stream(ticket, since=0) as stream:
            events = stream.wait_messages(3)
            assert [(e.data["event_seq"], e.data["prev"], e.data["n"]) for e in events] == [
                (1, 0, 1), (3, 1, 2), (4, 3, 3),
            ]  # fmt: skip
            assert "secret-note" not in repr(stream.events)
            agent.sent(ticket, "secret-note", kind="note")
            agent.sent(ticket, "four")
            last = stream.wait_messages(4)[-1]
            assert (last.data["event_seq"], last.data["prev"], last.data["n"]) == (6, 4, 4)
        polled = guest.poll(ticket, since=0, wait=0)
        assert [e["data"]["event_seq"] for e in polled["events"]] == [1, 3, 4, 6]
        assert "secret-note" not in str(polled)

    def test_a_note_at_the_end_is_not_the_newest_for_a_requester(self, site, ticket):
        agent = site.api("alice")
        guest = site.api("bob", role="requester", tickets=[ticket])
        agent.sent(ticket, "one")
        agent.sent(ticket, "hidden", kind="note")
        page = guest.page(ticket)
        assert page["newest_seq"] == 1 and not page["has_more_after"]
        assert page["cursor"].endswith(".1")
        with guest.stream(ticket) as stream:
            hello = stream.hello()
            assert hello["tickets"][ticket]["newest_seq"] == 1
            assert hello["cursor"].endswith(".1")
        full = agent.page(ticket)
        assert full["newest_seq"] == 2 and full["cursor"].endswith(".2")

    def test_a_requester_writes_none(self, site, ticket):
        guest = site.api("bob", role="requester", tickets=[ticket])
        check_problem(guest.send(ticket, "x", kind="note"), 403, "forbidden")


class TestWhoMay:
    def test_the_token_names_the_ticket(self, site, ticket):
        guest = site.api("bob", role="requester", tickets=[ticket])
        assert guest.send(ticket, "mine").status_code == 201
        other = ticket + "-other"
        site.api("alice").sent(other, "theirs")
        for answer in (
            guest.send(other, "x"),
            guest.get(f"/v1/tickets/{other}/messages"),
            guest.get(f"/v1/tickets/{other}/messages/1"),
            guest.get(f"/v1/tickets/{other}/stream"),
            guest.get(f"/v1/tickets/{other}/poll"),
        ):
            check_problem(answer, 403, "not_a_participant")

    def test_a_refusal_does_not_tell_whether_the_ticket_exists(self, site, ticket):
        guest = site.api("bob", role="requester", tickets=["elsewhere"])
        absent = check_problem(guest.get(f"/v1/tickets/{ticket}/messages"), 403, "not_a_participant")
        site.api("alice").sent(ticket, "x")
        there = check_problem(guest.get(f"/v1/tickets/{ticket}/messages"), 403, "not_a_participant")
        absent.pop("request_id"), there.pop("request_id")
        assert absent == there

    def test_a_sender_is_a_participant_from_then_on(self, site, ticket):
        site.api("bob", role="requester", tickets=[ticket]).sent(ticket, "hello")
        later = site.api("bob", role="requester", tickets=None)
        assert later.send(ticket, "again").status_code == 201
        assert len(later.history(ticket)) == 2
        with later.stream(ticket, since=0) as stream:
            stream.wait_messages(2)

    def test_service_acts_everywhere_and_is_no_participant(self, site, ticket):
        service = site.api("system", role="service", tickets=None)
        assert service.send(ticket, "x").status_code == 201
        later = site.api("system", role="agent", tickets=None)
        check_problem(later.send(ticket, "x"), 403, "not_a_participant")

    def test_service_speaks_for_others_and_nobody_else_does(self, site, ticket):
        service = site.api("system", role="service", tickets=None)
        message = service.sent(ticket, "x", sender_id="dora", sender_name="Dora D.")
        assert (message["sender_id"], message["sender_name"]) == ("dora", "Dora D.")
        for role in ("requester", "agent", "admin"):
            api = site.api("eve", role=role)
            check_problem(api.send(ticket, "x", sender_id="dora"), 403, "forbidden")
            check_problem(api.send(ticket, "x", sender_name="Dora"), 403, "forbidden")

    def test_system_messages_are_for_staff(self, site, ticket):
        path = f"/v1/tickets/{ticket}/system-messages"
        answer = site.api("alice").call("POST", path, json={"content": "Ticket assigned"})
        assert answer.status_code == 201 and answer.json()["kind"] == "system"
        guest = site.api("bob", role="requester", tickets=[ticket])
        check_problem(guest.call("POST", path, json={"content": "x"}), 403, "forbidden")
        assert guest.page(ticket)["messages"][0]["kind"] == "system"
