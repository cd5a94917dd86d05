# SPDX-License-Identifier: BSD-2-Clause
"""Edits, deletions and revisions: what they answer, who may, and that what was deleted is nowhere."""

import random
import threading

import pytest
from client import check_problem, until, wait_for
from stack import Stack


def edit(api, ticket, seq, content, headers=None):
    path = f"/v1/tickets/{ticket}/messages/{seq}"
    return api.call("PATCH", path, json={"content": content}, headers=headers or {})


def delete(api, ticket, seq, headers=None):
    return api.call("DELETE", f"/v1/tickets/{ticket}/messages/{seq}", headers=headers or {})


def revisions(api, ticket, seq, **params):
    return api.get(f"/v1/tickets/{ticket}/messages/{seq}/revisions", **params)


def message(api, ticket, seq):
    return api.get(f"/v1/tickets/{ticket}/messages/{seq}").json()


def newest(api, ticket):
    """The number of the ticket's last event, as a member of staff sees it."""
    return int(api.page(ticket)["cursor"].split(".")[1])


class TestEdit:
    def test_an_edit_answers_with_the_message(self, site, ticket):
        alice = site.api("alice", name="Alice")
        first = alice.sent(ticket, "helo")
        answer = edit(alice, ticket, 1, "hello")
        assert answer.status_code == 200
        after = answer.json()
        assert after["edited_at"] and after["edited_at"] >= first["sent_at"]
        assert after == {**first, "content": "hello", "rev": 2, "edited_at": after["edited_at"]}
        assert message(alice, ticket, 1) == after
        assert alice.page(ticket)["messages"] == [after]

    def test_it_takes_a_number_and_no_count(self, site, ticket):
        alice = site.api("alice")
        alice.sent(ticket, "one")
        edit(alice, ticket, 1, "uno")
        second = alice.sent(ticket, "two")
        assert (second["seq"], second["n"]) == (3, 2)
        page = alice.page(ticket)
        assert [(m["seq"], m["n"], m["rev"]) for m in page["messages"]] == [(1, 1, 2), (3, 2, 1)]
        check_problem(alice.get(f"/v1/tickets/{ticket}/messages/2"), 404, "not_found")
        check_problem(edit(alice, ticket, 2, "x"), 404, "not_found")

    def test_the_same_text_is_no_event(self, site, ticket):
        alice = site.api("alice")
        first = alice.sent(ticket, "same")
        answer = edit(alice, ticket, 1, "same")
        assert (answer.status_code, answer.json()) == (200, first)
        assert newest(alice, ticket) == 1
        # A repeat of an edit that was made is told so, though its If-Match has passed.
        assert edit(alice, ticket, 1, "other", {"If-Match": '"1"'}).json()["rev"] == 2
        assert edit(alice, ticket, 1, "other", {"If-Match": '"1"'}).json()["rev"] == 2
        assert newest(alice, ticket) == 2

    def test_a_stale_revision_is_refused(self, site, ticket):
        alice = site.api("alice")
        alice.sent(ticket, "one")
        assert edit(alice, ticket, 1, "two", {"If-Match": '"1"'}).status_code == 200
        check_problem(edit(alice, ticket, 1, "three", {"If-Match": '"1"'}), 412, "stale_revision")
        assert message(alice, ticket, 1)["content"] == "two"
        assert edit(alice, ticket, 1, "three", {"If-Match": '"2"'}).json()["rev"] == 3

    @pytest.mark.parametrize("value", ["x", '"x"', '"0"', "1", 'W/"1"', '"1", "2"', "*"])
    def test_an_if_match_of_the_wrong_form_is_refused(self, site, ticket, value):
        alice = site.api("alice")
        alice.sent(ticket, "one")
        check_problem(edit(alice, ticket, 1, "two", {"If-Match": value}), 400, "bad_request")

    @pytest.mark.parametrize("content", ["", "a" * 16385, "\0", "\x07", 7, None])
    def test_the_text_has_the_rules_of_a_send(self, site, ticket, content):
        alice = site.api("alice")
        alice.sent(ticket, "one")
        answer = edit(alice, ticket, 1, content)
        assert check_problem(answer)["code"] == ("bad_json" if content == "\0" else "invalid_field")
        check_problem(alice.call("PATCH", f"/v1/tickets/{ticket}/messages/1", json={}), 400, "invalid_field")
        assert message(alice, ticket, 1)["rev"] == 1

    def test_two_at_once_make_two_revisions(self, site, ticket):
        site.api("alice").sent(ticket, "start")
        answers = []

        def work(number):
            answers.append(edit(site.api("alice"), ticket, 1, f"text {number}").json()["rev"])

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(answers) == list(range(2, 10))
        assert newest(site.api("alice"), ticket) == 9

    def test_a_repeated_send_answers_with_the_edited_message(self, site, ticket):
        alice = site.api("alice")
        alice.sent(ticket, "one", client_msg_id="id")
        after = edit(alice, ticket, 1, "two").json()
        again = alice.send(ticket, "one", client_msg_id="id")
        assert again.status_code == 200 and again.json() == after
        check_problem(alice.send(ticket, "two", client_msg_id="id"), 422, "idempotency_mismatch")

    def test_a_closed_ticket_can_be_edited(self, stack, site, ticket):
        site.api("alice").sent(ticket, "one")
        stack.sql("UPDATE bellhop.ticket SET status = 'closed' WHERE ticket_id = %s", ticket)
        assert edit(site.api("alice"), ticket, 1, "two").status_code == 200


class TestDelete:
    def test_a_tombstone_stays(self, site, ticket):
        alice = site.api("alice", name="Alice")
        first = alice.sent(ticket, "regret")
        edit(alice, ticket, 1, "more regret")
        answer = delete(alice, ticket, 1)
        assert answer.status_code == 200
        tomb = answer.json()
        assert (tomb["content"], tomb["deleted_by"], tomb["rev"]) == (None, "alice", 2)
        assert tomb["deleted_at"] >= tomb["edited_at"] >= first["sent_at"]
        assert (tomb["seq"], tomb["n"], tomb["sender_name"]) == (1, 1, "Alice")
        assert message(alice, ticket, 1) == tomb
        assert alice.page(ticket)["messages"] == [tomb]
        assert alice.sent(ticket, "next")["n"] == 2

    def test_a_second_time_is_no_event(self, site, ticket):
        alice, carol = site.api("alice"), site.api("carol")
        alice.sent(ticket, "regret")
        tomb = delete(alice, ticket, 1).json()
        again = delete(carol, ticket, 1)
        assert (again.status_code, again.json()) == (200, tomb)
        assert newest(alice, ticket) == 2

    def test_a_deleted_message_is_not_edited(self, site, ticket):
        alice = site.api("alice")
        alice.sent(ticket, "regret")
        delete(alice, ticket, 1)
        check_problem(edit(alice, ticket, 1, "again"), 409, "deleted")
        check_problem(edit(site.api("root", role="admin"), ticket, 1, "again"), 409, "deleted")

    def test_on_hold_nothing_is_deleted(self, stack, site, ticket):
        alice = site.api("alice")
        alice.sent(ticket, "gone before")
        alice.sent(ticket, "evidence")
        delete(alice, ticket, 1)
        stack.sql("UPDATE bellhop.ticket SET hold = true WHERE ticket_id = %s", ticket)
        check_problem(delete(alice, ticket, 2), 409, "on_hold")
        check_problem(delete(site.api("root", role="admin"), ticket, 2), 409, "on_hold")
        assert message(alice, ticket, 2)["content"] == "evidence"
        # An edit deletes nothing: the former text stays with the revisions.
        assert edit(alice, ticket, 2, "forged").status_code == 200
        assert delete(alice, ticket, 1).status_code == 200
        stack.sql("UPDATE bellhop.ticket SET hold = false WHERE ticket_id = %s", ticket)
        assert delete(alice, ticket, 2).status_code == 200

    def test_a_stale_revision_is_not_deleted(self, site, ticket):
        alice = site.api("alice")
        alice.sent(ticket, "one")
        edit(alice, ticket, 1, "two")
        check_problem(delete(alice, ticket, 1, {"If-Match": '"1"'}), 412, "stale_revision")
        assert delete(alice, ticket, 1, {"If-Match": '"2"'}).status_code == 200

    def test_a_repeated_send_answers_with_the_tombstone(self, site, ticket):
        alice = site.api("alice")
        alice.sent(ticket, "one", client_msg_id="id")
        tomb = delete(alice, ticket, 1).json()
        for text in ("one", "another"):
            again = alice.send(ticket, text, client_msg_id="id")
            assert again.status_code == 200 and again.json() == tomb

    def test_a_deleted_message_is_not_unread(self, site, ticket):
        alice = site.api("alice")
        for number in range(3):
            alice.sent(ticket, str(number))
        site.api("bob").sent(ticket, "mine")
        edit(alice, ticket, 2, "edited")
        delete(alice, ticket, 1)
        with site.api("bob").stream(ticket) as stream:
            assert stream.hello()["tickets"][ticket]["unread"] == 2


class TestWhoMay:
    def test_edits_are_for_author_and_admin(self, site, ticket):
        guest = site.api("bob", role="requester", tickets=[ticket])
        guest.sent(ticket, "mine")
        for user, role in (("alice", "agent"), ("carol", "requester"), ("host", "service")):
            check_problem(edit(site.api(user, role=role), ticket, 1, "x"), 403, "forbidden")
        assert edit(guest, ticket, 1, "still mine").status_code == 200
        assert edit(site.api("root", role="admin"), ticket, 1, "corrected").status_code == 200
        assert message(guest, ticket, 1)["sender_id"] == "bob"

    @pytest.mark.parametrize("user,role,status", [("bob", "requester", 200), ("alice", "agent", 200),
                                                  ("root", "admin", 200), ("carol", "requester", 403),
                                                  ("host", "service", 403)])  # fmt: skip
    def test_deletions_are_for_author_agent_and_admin(self, site, ticket, user, role, status):
        site.api("bob", role="requester", tickets=[ticket]).sent(ticket, "mine")
        answer = delete(site.api(user, role=role), ticket, 1)
        assert answer.status_code == status
        if status == 200:
            assert answer.json()["deleted_by"] == user
        else:
            check_problem(answer, 403, "forbidden")

    def test_who_may_not_act_is_not_told_what_exists(self, site, ticket):
        guest = site.api("eve", role="requester", tickets=["elsewhere"])
        for _ in range(2):
            check_problem(edit(guest, ticket, 1, "x"), 403, "not_a_participant")
            check_problem(delete(guest, ticket, 1), 403, "not_a_participant")
            site.api("alice").sent(ticket, "there")

    def test_a_participant_who_was_removed_changes_nothing(self, stack, site, ticket):
        guest = site.api("bob", role="requester", tickets=[ticket])
        guest.sent(ticket, "mine")
        stack.sql("UPDATE bellhop.participant SET removed_at = now() WHERE ticket_id = %s", ticket)
        check_problem(edit(guest, ticket, 1, "x"), 403, "not_a_participant")
        check_problem(delete(guest, ticket, 1), 403, "not_a_participant")

    def test_what_is_not_there_is_not_found(self, site, ticket):
        alice = site.api("alice")
        for _ in range(2):
            check_problem(edit(alice, ticket, 7, "x"), 404, "not_found")
            check_problem(delete(alice, ticket, 7), 404, "not_found")
            alice.sent(ticket, "one")

    def test_a_note_is_not_there_for_a_requester(self, site, ticket):
        site.api("bob").sent(ticket, "hidden", kind="note")
        guest = site.api("bob", role="requester", tickets=[ticket])
        check_problem(edit(guest, ticket, 1, "x"), 404, "not_found")
        check_problem(delete(guest, ticket, 1), 404, "not_found")

    def test_nobody_without_a_token(self, site, ticket):
        nobody = type(site.api("x"))(site, None)
        check_problem(delete(nobody, ticket, 1), 401, "unauthenticated")
        check_problem(edit(nobody, ticket, 1, "x"), 401, "unauthenticated")

    def test_a_cookie_needs_the_proof_that_a_send_needs(self, site, ticket):
        token = site.token("alice")
        site.api("alice").sent(ticket, "one")
        nobody = type(site.api("x"))(site, None)
        for call in (edit(nobody, ticket, 1, "x", {"Cookie": f"__Host-bellhop={token}"}),
                     delete(nobody, ticket, 1, {"Cookie": f"__Host-bellhop={token}"})):  # fmt: skip
            check_problem(call, 403, "csrf")

    def test_a_cookie_with_that_proof_is_enough(self, stack, site, ticket):
        token = site.token("alice")
        site.api("alice").sent(ticket, "one")
        nobody = type(site.api("x"))(site, None)
        proof = stack.bellhop("token", "--csrf", "-", input=token).stdout.strip()
        headers = {
            "Cookie": f"__Host-bellhop={token}", "X-CSRF-Token": proof, "Sec-Fetch-Site": "same-origin",
        }  # fmt: skip
        assert edit(nobody, ticket, 1, "two", headers).status_code == 200
        assert delete(nobody, ticket, 1, headers).status_code == 200


class TestRevisions:
    def test_former_texts(self, site, ticket):
        alice, root = site.api("alice"), site.api("root", role="admin")
        alice.sent(ticket, "one")
        assert revisions(root, ticket, 1).json() == {"revisions": []}
        second = edit(alice, ticket, 1, "two").json()
        third = edit(root, ticket, 1, "three").json()
        assert revisions(root, ticket, 1).json() == {
            "revisions": [
                {"rev": 1, "content": "one", "edited_at": second["edited_at"], "edited_by": "alice"},
                {"rev": 2, "content": "two", "edited_at": third["edited_at"], "edited_by": "root"},
            ]
        }
        older = revisions(root, ticket, 1, before=2).json()["revisions"]
        assert [revision["rev"] for revision in older] == [1]
        check_problem(revisions(root, ticket, 1, before="x"), 400, "invalid_field")

    def test_they_are_for_admins(self, site, ticket):
        site.api("alice").sent(ticket, "one")
        for role in ("requester", "agent", "service"):
            check_problem(revisions(site.api("alice", role=role), ticket, 1), 403, "forbidden")

    def test_of_what_is_no_message(self, site, ticket):
        root = site.api("root", role="admin")
        check_problem(revisions(root, ticket, 1), 404, "not_found")
        site.api("alice").sent(ticket, "one")
        edit(site.api("alice"), ticket, 1, "two")
        check_problem(revisions(root, ticket, 2), 404, "not_found")

    def test_a_deletion_takes_them(self, site, ticket):
        alice = site.api("alice")
        alice.sent(ticket, "one")
        edit(alice, ticket, 1, "two")
        delete(alice, ticket, 1)
        assert revisions(site.api("root", role="admin"), ticket, 1).json() == {"revisions": []}


class TestLive:
    def test_streams_are_told(self, site, ticket):
        alice = site.api("alice")
        alice.sent(ticket, "one")
        with site.api("bob", role="requester", tickets=[ticket]).stream(ticket) as stream:
            stream.hello()
            after = edit(alice, ticket, 1, "two").json()
            event = stream.wait_named("message-edited")
            assert event.data == {**after, "event_seq": 2, "prev": 1}
            assert event.id == f"{after['epoch']}.2"
            tomb = delete(alice, ticket, 1).json()
            event = stream.wait_named("message-deleted")
            assert event.data == {**tomb, "event_seq": 3, "prev": 2}
            edit(alice, ticket, 1, "never")
            alice.sent(ticket, "next")
            assert stream.wait_messages(1)[0].data["prev"] == 3
        polled = alice.poll(ticket, since=0, wait=0)["events"]
        assert [e["event"] for e in polled] == ["message", "message-edited", "message-deleted", "message"]

    @pytest.mark.parametrize("position", range(5))
    def test_a_stream_resumes_at_every_event(self, site, ticket, position):
        alice = site.api("alice")
        epoch = alice.sent(ticket, "one")["epoch"]
        alice.sent(ticket, "two")
        edit(alice, ticket, 1, "uno")
        delete(alice, ticket, 2)
        with alice.stream(ticket, last_event_id=f"{epoch}.{position}") as stream:
            events = stream.wait(lambda s: len(s.durable) >= 4 - position and s.durable or position == 4)
            if position < 4:
                assert [e.data["event_seq"] for e in events] == list(range(position + 1, 5))
                assert [e.data["prev"] for e in events] == list(range(position, 4))

    def test_changes_of_notes_are_nowhere_for_a_requester(self, site, ticket):
        agent, guest = site.api("alice"), site.api("bob", role="requester", tickets=[ticket])
        agent.sent(ticket, "one")
        agent.sent(ticket, "secret-note", kind="note")
        with guest.stream(ticket, since=0) as stream, agent.stream(ticket) as full:
            full.hello()
            edit(agent, ticket, 2, "secret-note edited")
            delete(agent, ticket, 2)
            agent.sent(ticket, "two")
            events = stream.wait_messages(2)
            assert [(e.data["event_seq"], e.data["prev"], e.data["n"]) for e in events] == [(1, 0, 1), (5, 1, 2)]
            assert not stream.named("message-edited", "message-deleted")
            assert "secret-note" not in repr(stream.events)
            full.wait_messages(1)
            assert [e.data["event_seq"] for e in full.durable] == [3, 4, 5]
            assert [e.data["n"] for e in full.durable] == [2, 2, 3]
        page = guest.page(ticket)
        assert [m["seq"] for m in page["messages"]] == [1, 5] and page["cursor"].endswith(".5")
        polled = guest.poll(ticket, since=0, wait=0)["events"]
        assert [e["data"]["event_seq"] for e in polled] == [1, 5]

    def test_an_edited_note_is_not_the_newest_for_a_requester(self, site, ticket):
        agent, guest = site.api("alice"), site.api("bob", role="requester", tickets=[ticket])
        agent.sent(ticket, "one")
        agent.sent(ticket, "hidden", kind="note")
        edit(agent, ticket, 2, "hidden still")
        assert guest.page(ticket)["cursor"].endswith(".1")
        assert guest.send(ticket, "hi", headers={"If-Match": '"1"'}).status_code == 201
        with guest.stream(ticket) as stream:
            assert stream.hello()["tickets"][ticket]["newest_seq"] == 4


def test_streams_fold_to_the_history(site, ticket):
    """Many at once send, edit and delete; who has followed from the start knows what the history says."""
    viewers = [site.api("viewer"), site.api("guest", role="requester", tickets=[ticket])]
    streams = [api.stream(ticket, since=0) for api in viewers]

    def work(number):
        api, choose = site.api(f"user-{number}"), random.Random(number)
        mine = []
        for step in range(25):
            if not mine or choose.random() < 0.4:
                kind = choose.choice(["text", "note"])
                mine.append(api.sent(ticket, f"{number} {step}", kind=kind)["seq"])
            elif choose.random() < 0.7:
                assert edit(api, ticket, choose.choice(mine), f"{number} {step}").status_code in (200, 409)
            else:
                assert delete(api, ticket, choose.choice(mine)).status_code == 200

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    site.api("user-1").sent(ticket, "the end")
    for api, stream in zip(viewers, streams):
        with stream:
            stream.wait(lambda s: s.messages and s.messages[-1].data["content"] == "the end")
            told, prev = {}, 0
            for event in stream.durable:
                assert event.data["prev"] == prev
                prev = event.data.pop("event_seq")
                del event.data["prev"]
                told[event.data["seq"]] = event.data
            assert [told[seq] for seq in sorted(told)] == api.history(ticket)


def test_pages_are_whole_while_the_trim_line_moves(make_directory, ticket):
    """A small window is trimmed all the time; whoever reads then sees no hole and nothing go back."""
    with Stack(make_directory(), env={"BELLHOP_WINDOW_EVENTS": "20", "BELLHOP_WINDOW_MIN": "10"}) as stack:
        alice, choose = stack.site.api("alice"), random.Random(7)
        done, faults, reads = threading.Event(), [], []

        def read():
            api, known = stack.site.api("reader"), {}
            while not done.is_set():
                # From the newest back, so that it grows at the other end.
                messages = api.history(ticket)
                numbers = [m["n"] for m in messages]
                if numbers != list(range(1, len(messages) + 1)):
                    faults.append(numbers)
                for m in messages:
                    state = (m["deleted_at"] is not None, m["rev"])
                    if state < known.get(m["seq"], state):
                        faults.append((m["seq"], known[m["seq"]], state))
                    known[m["seq"]] = state
                reads.append(len(messages))

        threads = [threading.Thread(target=read) for _ in range(2)]
        for thread in threads:
            thread.start()
        texts = {}
        for step in range(250):
            if not texts or choose.random() < 0.5:
                texts[alice.sent(ticket, f"text {step}")["seq"]] = f"text {step}"
                continue
            seq = choose.choice(sorted(texts))
            if texts[seq] is not None and choose.random() < 0.8:
                texts[seq] = edit(alice, ticket, seq, f"text {step}").json()["content"]
            else:
                texts[seq] = delete(alice, ticket, seq).json()["content"]
        done.set()
        for thread in threads:
            thread.join()
        assert not faults and len(reads) > 4
        assert {m["seq"]: m["content"] for m in alice.history(ticket)} == texts
        store = stack.redis()
        key = store.keys(f"*chat:{ticket}")[0]
        wait_for(lambda: store.xlen(key) < 200, "the trim")


class TestWithoutRedis:
    def test_streams_are_told_all_the_same(self, breakable, ticket):
        alice = breakable.site.api("alice")
        alice.sent(ticket, "one")
        alice.sent(ticket, "two")
        with alice.stream(ticket) as stream:
            stream.hello()
            breakable.freeze("redis")
            try:
                edit(alice, ticket, 1, "uno")
                delete(alice, ticket, 2)
                stream.wait_named("message-deleted")
                assert [e.data["event_seq"] for e in stream.durable] == [3, 4]
                assert [m["content"] for m in alice.page(ticket)["messages"]] == ["uno", None]
            finally:
                breakable.thaw("redis")
            until(lambda: alice.page(ticket), lambda page: page["cursor"].endswith(".4"), "the page")
            alice.sent(ticket, "three")
            stream.wait_messages(1)
            assert [(e.data["event_seq"], e.data["prev"]) for e in stream.durable] == [(3, 2), (4, 3), (5, 4)]

    def test_a_wiped_redis_is_filled_as_things_are_now(self, breakable, ticket):
        alice = breakable.site.api("alice")
        for text in ("one", "two", f"{ticket}-unwanted"):
            alice.sent(ticket, text)
        edit(alice, ticket, 1, "uno")
        delete(alice, ticket, 3)
        store = breakable.redis()
        for key in store.keys(f"*{ticket}*"):
            store.delete(key)
        edit(alice, ticket, 2, "dos")
        keys = wait_for(lambda: store.keys(f"*chat:{ticket}"), "the stream")
        entries = store.xrange(keys[0])
        assert [entry[0] for entry in entries] == [f"{seq}-0".encode() for seq in range(1, 7)]
        assert b"-unwanted" not in repr(entries).encode()
        assert [m["content"] for m in alice.page(ticket)["messages"]] == ["uno", "dos", None]


@pytest.mark.parametrize("server", ["lighttpd_stack", "apache_stack"])
def test_another_web_server_passes_them_on(request, server, ticket):
    alice = request.getfixturevalue(server).site.api("alice")
    alice.sent(ticket, "one")
    assert edit(alice, ticket, 1, "two", {"If-Match": '"1"'}).json()["rev"] == 2
    assert delete(alice, ticket, 1).json()["deleted_by"] == "alice"


class TestGone:
    """A text that was deleted is in no store, and in no replay."""

    def test_neither_store_has_it(self, stack, site, ticket):
        alice = site.api("alice")
        alice.sent(ticket, f"{ticket}-first-text")
        edit(alice, ticket, 1, f"{ticket}-second-text")
        alice.sent(ticket, "stays")
        store = stack.redis()
        stream = [key for key in store.keys("*") if key.endswith(f"chat:{ticket}".encode())][0]
        assert f"{ticket}-first-text".encode() in repr(store.xrange(stream)).encode()
        delete(alice, ticket, 1)
        entries = store.xrange(stream)
        assert [entry[0] for entry in entries] == [b"1-0", b"2-0", b"3-0", b"4-0"]
        for key in store.keys(f"*{ticket}*"):
            assert b"-text" not in store.dump(key)
        assert b"stays" in repr(entries).encode()
        for table in ("event", "revision"):
            rows = stack.sql(f"SELECT * FROM bellhop.{table} WHERE ticket_id = %s", ticket)
            assert "-text" not in str([[bytes(c) if isinstance(c, memoryview) else c for c in row] for row in rows])
        digests = stack.sql("SELECT digest IS NULL FROM bellhop.event WHERE ticket_id = %s AND seq = 1", ticket)
        assert digests == [(True,)]

    def test_no_replay_has_it(self, site, ticket):
        alice = site.api("alice")
        epoch = alice.sent(ticket, "deleted-text")["epoch"]
        edit(alice, ticket, 1, "deleted-text again")
        with alice.stream(ticket) as live:  # holds the ring of the ticket
            live.hello()
            alice.sent(ticket, "two")
            edit(alice, ticket, 3, "deleted-text thrice")
            live.wait_named("message-edited")
            delete(alice, ticket, 1)
            delete(alice, ticket, 3)
            live.wait(lambda s: len(s.named("message-deleted")) == 2, "both deletions")
            for options in ({"since": 0}, {"last_event_id": f"{epoch}.2"}, {"init": 50}):
                with alice.stream(ticket, **options) as replay:
                    replay.wait(lambda s: len(s.named("message-deleted")) == 2, "both deletions")
                    assert "deleted-text" not in repr(replay.events)
                    for event in replay.named("message", "message-edited"):
                        assert event.data["deleted_at"] and event.data["content"] is None
            assert "deleted-text" not in str(alice.poll(ticket, since=0, wait=0))

    def test_the_sweep_scrubs_what_was_deleted_without_redis(self, breakable, ticket):
        alice = breakable.site.api("alice")
        alice.sent(ticket, f"{ticket}-unwanted")
        breakable.freeze("redis")
        try:
            assert delete(alice, ticket, 1).json()["content"] is None
        finally:
            breakable.thaw("redis")
        store = breakable.redis()

        def is_clean():
            keys = store.keys(f"*{ticket}*")
            return keys and not any(b"-unwanted" in store.dump(key) for key in keys)

        wait_for(is_clean, "the scrub")
        until(lambda: alice.page(ticket), lambda page: page["messages"][0]["deleted_at"], "the tombstone")


class TestHistory:
    """Folding, whatever part of a ticket the streams hold."""

    def told(self, alice, ticket):
        """30 messages; every third edited, every fifth deleted, in between and at the end."""
        for number in range(30):
            seq = alice.sent(ticket, f"text {number}")["seq"]
            if number % 3 == 0:
                edit(alice, ticket, seq, f"edited {number}")
        seqs = [m["seq"] for m in alice.history(ticket)]
        for number in range(0, 30, 5):
            delete(alice, ticket, seqs[number])
        edit(alice, ticket, seqs[1], "edited last")
        return seqs

    def check(self, alice, ticket, seqs):
        def content(number):
            if number % 5 == 0:
                return None
            if number == 1:
                return "edited last"
            return f"edited {number}" if number % 3 == 0 else f"text {number}"

        expected = [(seq, number + 1, content(number)) for number, seq in enumerate(seqs)]
        for limit in (1, 7, 50):
            for bounds in ({}, {"before": seqs[20]}, {"after": seqs[4]}, {"after": 0}, {"around": seqs[15]}):
                page = alice.page(ticket, limit=limit, **bounds)["messages"]
                got = [(m["seq"], m["n"], m["content"]) for m in page]
                start = seqs.index(got[0][0])
                assert got == expected[start : start + len(got)], (limit, bounds)
                assert len(got) == min(limit, len(got)) and got
        assert [(m["seq"], m["n"], m["content"]) for m in alice.history(ticket)] == expected
        for seq, _, text in expected:
            assert message(alice, ticket, seq)["content"] == text

    def test_in_every_direction(self, stack, site, ticket):
        alice = site.api("alice")
        seqs = self.told(alice, ticket)
        self.check(alice, ticket, seqs)
        # The same with ever less of it in Redis, and with nothing.
        store = stack.redis()
        chat = [key for key in store.keys("*") if key.endswith(f"chat:{ticket}".encode())][0]
        meta = chat.replace(b":chat:", b":meta:")
        for first in (seqs[5], seqs[22], seqs[29] + 1):
            store.xtrim(chat, minid=f"{first}-0", approximate=False)
            store.hset(meta, "first", first)
            self.check(alice, ticket, seqs)
        store.delete(chat, meta)
        self.check(alice, ticket, seqs)

    def test_links_go_by_message_numbers(self, site, ticket):
        alice = site.api("alice")
        for number in range(6):
            seq = alice.sent(ticket, str(number))["seq"]
            edit(alice, ticket, seq, f"{number} edited")
        answer = alice.get(f"/v1/tickets/{ticket}/messages", limit=2, before=9)
        assert [m["seq"] for m in answer.json()["messages"]] == [5, 7]
        assert "before=5" in answer.links["prev"]["url"] and "after=7" in answer.links["next"]["url"]
        last = alice.page(ticket, limit=2)
        assert last["newest_seq"] == 11 and last["cursor"].endswith(".12") and not last["has_more_after"]


def test_the_command_shows_them(stack, site, ticket):
    alice = site.api("alice")
    alice.sent(ticket, "one")
    edit(alice, ticket, 1, "two")
    delete(alice, ticket, 1)
    alice.sent(ticket, "last")
    done = stack.bellhop("tail", "--as", "agent", "--since", "0", "--count", "2", ticket)
    assert done.returncode == 0, done.stderr
    assert "deleted" in done.stdout and "last" in done.stdout and "two" not in done.stdout
