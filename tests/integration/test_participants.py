# SPDX-License-Identifier: BSD-2-Clause
"""Who takes part in a ticket: adding, removing, the events of it, and that whoever is removed is out."""

import http.client
import json
import socket
import ssl
import threading
import time
import urllib.parse

import fcgi_client as fcgi
import pytest
from client import DEADLINE, WITHIN_A_SECOND, check_problem, wait_for
from lossy import Way
from test_start import Daemon

ROLES = ("requester", "agent", "service", "admin")


def put(api, ticket, user, role):
    answer = api.call("PUT", f"/v1/tickets/{ticket}/participants/{user}", json={"role": role})
    assert answer.status_code == 200, answer.text
    return answer.json()


def remove(api, ticket, user):
    answer = api.call("DELETE", f"/v1/tickets/{ticket}/participants/{user}")
    assert answer.status_code == 204, answer.text
    assert answer.content == b""


def people(api, ticket):
    """Participants as (user, role), in the order of joining."""
    answer = api.get(f"/v1/tickets/{ticket}/participants")
    assert answer.status_code == 200, answer.text
    assert set(answer.json()) == {"participants"}
    for person in answer.json()["participants"]:
        assert set(person) == {"user_id", "role", "joined_at"}
    return [(person["user_id"], person["role"]) for person in answer.json()["participants"]]


def events(api, ticket):
    """All events of the ticket, from the first."""
    found, cursor = [], {"since": "0"}
    while True:
        page = api.poll(ticket, wait=0, **cursor)
        found += page["events"]
        if not page["has_more"]:
            return found
        cursor = {"cursor": page["cursor"]}


def listed(stack, ticket, user):
    """What Redis says of the user's membership."""
    r = stack.redis()
    keys = r.keys(f"bellhop:*:who:{ticket}")
    value = r.hget(keys[0], user) if keys else None
    return value and value.decode()


# ---- adding


def test_adding_begins_a_ticket(site, ticket):
    alice, bob = site.api("alice"), site.api("bob", tickets=[])
    assert people(alice, ticket) == []
    check_problem(bob.get(f"/v1/tickets/{ticket}/participants"), 403, "not_a_participant")
    made = put(alice, ticket, "bob", "agent")
    assert set(made) == {"ticket_id", "user_id", "role", "joined_at"}
    assert (made["ticket_id"], made["user_id"], made["role"]) == (ticket, "bob", "agent")
    assert people(bob, ticket) == [("bob", "agent")]
    card = alice.get(f"/v1/tickets/{ticket}").json()
    assert (card["newest_seq"], card["participants"][0]["joined_at"]) == (1, made["joined_at"])
    # Whoever is a participant may act without the token's say; who has added need not be one.
    assert bob.sent(ticket, "hello")["seq"] == 2
    assert people(alice, ticket) == [("bob", "agent")]


def test_adding_is_an_event_that_everybody_sees(site, ticket):
    alice, rita = site.api("alice"), site.api("rita", "requester", tickets=[ticket])
    rita.sent(ticket, "help")
    with alice.stream(ticket, since="0") as staff, rita.stream(ticket, since="0") as public:
        put(alice, ticket, "x@y.example", "requester")
        for stream in (staff, public):
            data = stream.wait_named("participant").data
            at = data.pop("at")
            assert at.endswith("Z") and data == {
                "ticket_id": ticket,
                "user_id": "x@y.example",
                "role": "requester",
                "by": "alice",
                "event_seq": 2,
                "prev": 1,
            }
    assert [event["id"] for event in events(rita, ticket)] == ["1.1", "1.2"]


@pytest.mark.parametrize("role", ROLES)
def test_any_role_may_be_given(site, ticket, role):
    alice = site.api("alice")
    assert put(alice, ticket, "bob", role)["role"] == role
    assert people(alice, ticket) == [("bob", role)]


def test_only_changes_make_events(site, ticket):
    alice = site.api("alice")
    alice.sent(ticket, "hello")
    first = put(alice, ticket, "bob", "agent")
    assert put(alice, ticket, "bob", "agent") == first
    changed = put(alice, ticket, "bob", "requester")
    assert (changed["role"], changed["joined_at"]) == ("requester", first["joined_at"])
    # Who has joined by a message is there before anybody adds them.
    put(alice, ticket, "alice", "agent")
    remove(alice, ticket, "bob")
    remove(alice, ticket, "bob")
    again = put(alice, ticket, "bob", "requester")
    assert again["joined_at"] > first["joined_at"]
    told = [(e["data"]["user_id"], e["data"].get("role"), e["data"].get("removed")) for e in events(alice, ticket)[1:]]
    assert told == [
        ("bob", "agent", None),
        ("bob", "requester", None),
        ("bob", "removed", True),
        ("bob", "requester", None),
    ]


def test_a_participants_role_raises_nobody(site, ticket):
    alice, rita = site.api("alice"), site.api("rita", "requester", tickets=[])
    put(alice, ticket, "rita", "admin")
    alice.sent(ticket, "a secret", kind="note")
    assert rita.page(ticket)["messages"] == []
    check_problem(rita.call("DELETE", f"/v1/tickets/{ticket}/participants/alice"), 403, "forbidden")


@pytest.mark.parametrize(
    "body,status,code",
    [
        ({}, 400, "invalid_field"),
        ({"role": None}, 400, "invalid_field"),
        ({"role": 1}, 400, "invalid_field"),
        ({"role": "boss"}, 400, "invalid_field"),
        ({"role": "Agent"}, 400, "invalid_field"),
        ({"role": "removed"}, 400, "invalid_field"),
        ([], 400, "invalid_field"),
    ],
)
def test_roles_that_are_none(site, ticket, body, status, code):
    alice = site.api("alice")
    answer = alice.call("PUT", f"/v1/tickets/{ticket}/participants/bob", json=body)
    problem = check_problem(answer, status, code)
    assert problem["errors"][0]["pointer"] == ("" if body == [] else "/role")
    check_problem(alice.get(f"/v1/tickets/{ticket}"), 404, "not_found")


def test_paths_that_are_none(site, ticket):
    alice = site.api("alice")
    for user in ("a b", "a%2Fb", "%C3%A4", "x" * 65):
        answer = alice.call("PUT", f"/v1/tickets/{ticket}/participants/{user}", json={"role": "agent"})
        check_problem(answer, 404, "not_found")
    answer = alice.call("POST", f"/v1/tickets/{ticket}/participants/bob", json={"role": "agent"})
    check_problem(answer, 405, "method_not_allowed")
    assert answer.headers["Allow"] == "PUT, DELETE"


def test_changing_is_for_staff_that_may_act(site, ticket):
    alice, rita = site.api("alice"), site.api("rita", "requester", tickets=[ticket])
    eve = site.api("eve", tickets=[])
    rita.sent(ticket, "help")
    for api, code in ((rita, "forbidden"), (eve, "not_a_participant")):
        path = f"/v1/tickets/{ticket}/participants/bob"
        check_problem(api.call("PUT", path, json={"role": "agent"}), 403, code)
        check_problem(api.call("DELETE", path), 403, code)
    check_problem(eve.get(f"/v1/tickets/{ticket}/participants"), 403, "not_a_participant")
    assert people(rita, ticket) == people(alice, ticket) == [("rita", "requester")]


# ---- removing


def test_nobody_is_removed_from_a_ticket_that_has_not_begun(site, ticket):
    alice, eve = site.api("alice"), site.api("eve", tickets=[])
    path = f"/v1/tickets/{ticket}/participants/bob"
    check_problem(alice.call("DELETE", path), 404, "not_found")
    check_problem(eve.call("DELETE", path), 403, "not_a_participant")
    check_problem(alice.get(f"/v1/tickets/{ticket}"), 404, "not_found")


def every_call(api, ticket, seq=1):
    """The answers to every call about a ticket that a requester may make."""
    base = f"/v1/tickets/{ticket}"
    yield api.get(base)
    yield api.get(f"{base}/messages")
    yield api.get(f"{base}/messages", after=0)
    yield api.get(f"{base}/messages/{seq}")
    yield api.get(f"{base}/participants")
    yield api.get(f"{base}/poll", wait=0)
    yield api.get(f"{base}/poll", wait=0, since=0)
    yield api.get(f"{base}/poll", wait=0, cursor="1.1")
    yield api.get(f"{base}/stream")
    yield api.call("GET", f"{base}/stream", headers={"Last-Event-ID": "1.1"})
    yield api.call("HEAD", f"{base}/stream")
    yield api.send(ticket, "let me in")
    yield api.call("PATCH", f"{base}/messages/{seq}", json={"content": "other"})
    yield api.call("DELETE", f"{base}/messages/{seq}")
    yield api.call("PUT", f"{base}/read", json={"seq": 1})
    yield api.get(f"{base}/receipts")
    yield api.get(f"{base}/presence")
    yield api.get(f"{base}/typing")
    yield api.call("POST", f"{base}/typing", json={"typing": True})
    yield api.get("/v1/unread", ticket=ticket)


def every_call_for_staff(api, ticket):
    """The answers to those that a requester may not make."""
    base = f"/v1/tickets/{ticket}"
    yield api.call("PUT", f"{base}/participants/rita", json={"role": "agent"})
    yield api.call("DELETE", f"{base}/participants/alice")
    yield api.call("PUT", base, json={"title": "mine"})
    yield api.call("POST", f"{base}/system-messages", json={"content": "let me in"})
    yield api.call("POST", f"{base}/messages", json={"content": "let me in", "kind": "note"})
    yield api.call("POST", f"{base}/messages", json={"content": "let me in", "sender_id": "alice"})
    yield api.get(f"{base}/messages/1/revisions")


def test_who_may_not_act_on_a_ticket_is_told_that_first(site, ticket):
    """By every call the same, whatever the role would be told otherwise, and whether or not it has begun."""
    site.api("alice").sent(ticket, "hello")
    outsider, rita = site.api("eve", "requester", tickets=[]), site.api("rita", "requester", tickets=[ticket])
    for name in (ticket, f"{ticket}-absent"):
        for answer in every_call_for_staff(outsider, name):
            check_problem(answer, 403, "not_a_participant")
    for answer in every_call_for_staff(rita, ticket):
        check_problem(answer, 403, "forbidden")


def test_removed_is_out_whatever_the_token_says(site, ticket):
    alice = site.api("alice")
    alice.sent(ticket, "hello")
    removed = [site.api("rita", "requester", tickets=[ticket]), site.api("rita"), site.api("rita", tickets=[])]
    removed[0].sent(ticket, "help")
    remove(alice, ticket, "rita")
    for rita in removed:
        for answer in every_call(rita, ticket, seq=2):
            assert answer.status_code == 403, (answer.request.method, answer.request.path_url)
            if answer.request.method != "HEAD":
                check_problem(answer, 403, "not_a_participant")
        assert ticket not in rita.get("/v1/unread").json()["tickets"]
    for answer in every_call_for_staff(removed[1], ticket):
        check_problem(answer, 403, "not_a_participant")
    assert people(alice, ticket) == [("alice", "agent")]
    put(alice, ticket, "rita", "requester")
    assert [m["content"] for m in removed[2].page(ticket)["messages"]] == ["hello", "help"]
    assert removed[0].sent(ticket, "back")["n"] == 3


def test_whoever_never_took_part_is_kept_out_too(site, ticket):
    alice, rita = site.api("alice"), site.api("rita", "requester", tickets=[ticket])
    alice.sent(ticket, "hello")
    remove(alice, ticket, "rita")
    check_problem(rita.send(ticket, "help"), 403, "not_a_participant")
    check_problem(rita.get(f"/v1/tickets/{ticket}/poll", wait=0), 403, "not_a_participant")
    assert people(alice, ticket) == [("alice", "agent")]
    assert events(alice, ticket)[-1]["data"]["removed"] is True


def test_service_and_admin_cannot_be_removed(site, stack, ticket):
    """Their tokens act on all tickets; a message of theirs does not make them participants again."""
    alice, root = site.api("alice"), site.api("root", "admin", tickets=[])
    robot = site.api("robot", "service", tickets=[])
    alice.sent(ticket, "hello")
    root.sent(ticket, "I am here")
    with root.stream(ticket) as one, robot.stream(ticket) as other:
        one.hello(), other.hello()
        remove(alice, ticket, "root")
        remove(alice, ticket, "robot")
        root.sent(ticket, "still here")
        robot.sent(ticket, "still here", sender_id="root")
        for stream in (one, other):
            stream.wait_messages(2)
            assert len(stream.named("participant")) == 2 and not stream.named("revoked")
    assert people(root, ticket) == [("alice", "agent")]
    wait_for(lambda: listed(stack, ticket, "root") == "removed", "the removal in redis")
    check_problem(site.api("root").get(f"/v1/tickets/{ticket}"), 403, "not_a_participant")
    check_problem(site.api("root").get(f"/v1/tickets/{ticket}/messages"), 403, "not_a_participant")


# ---- open streams


def test_removal_takes_the_ticket_from_open_streams(site, ticket):
    alice, rita = site.api("alice"), site.api("rita", "requester", tickets=[ticket])
    rita.sent(ticket, "help")
    with rita.stream(ticket) as tab, rita.stream(ticket, since="0") as other_tab, alice.stream(ticket) as staff:
        for stream in (tab, other_tab, staff):
            stream.hello()
        other_tab.wait_messages(1)
        remove(alice, ticket, "rita")
        alice.sent(ticket, "now that rita is gone")
        for stream in (tab, other_tab):
            revoked = stream.wait_named("revoked", WITHIN_A_SECOND)
            assert revoked.data == {"ticket_id": ticket} and revoked.id is None
            assert stream.ended.wait(5), "nothing is left to listen to"
            assert stream.events[-1] is revoked and not stream.named("participant", "bye")
        staff.wait_messages(1)
        assert staff.named("participant")[0].data["removed"] is True
        assert not staff.named("revoked")
        last_id = other_tab.last_id
    with rita.stream(ticket, last_event_id=last_id) as again:
        assert again.status == 403


def begin_poll(api, ticket, cursor):
    """A poll that has been asked; its connection, to get the answer from."""
    url = urllib.parse.urlsplit(api.url)
    context = ssl.create_default_context(cafile=api.site.ca)
    connection = http.client.HTTPSConnection(url.hostname, url.port, timeout=30, context=context)
    path = f"{url.path}/v1/tickets/{ticket}/poll?wait=20&cursor={cursor}"
    connection.request("GET", path, headers={"Authorization": "Bearer " + api.token})
    return connection


def test_a_poll_that_has_nothing_is_refused_like_the_next(site, ticket):
    alice, rita = site.api("alice"), site.api("rita", "requester", tickets=[ticket])
    rita.sent(ticket, "help")
    cursor = rita.poll(ticket)["cursor"]
    poll = begin_poll(rita, ticket, cursor)
    with rita.stream(ticket) as stream:  # which is opened after the poll
        stream.hello()
        remove(alice, ticket, "rita")
        stream.wait_named("revoked")
    answer = poll.getresponse()
    assert answer.status == 403
    assert json.loads(answer.read())["code"] == "not_a_participant"
    poll.close()
    check_problem(rita.get(f"/v1/tickets/{ticket}/poll", cursor=cursor, wait=20), 403, "not_a_participant")


def test_others_events_are_no_business_of_ones_own(site, ticket):
    """Somebody's name that begins like another's, and a change of role, take nothing away."""
    alice, rita = site.api("alice"), site.api("rita", "requester", tickets=[ticket])
    rita.sent(ticket, "help")
    with rita.stream(ticket) as stream:
        stream.hello()
        for user in ("rit", "ritaa", "Rita"):
            remove(alice, ticket, user)
        put(alice, ticket, "rita", "agent")
        put(alice, ticket, "rita", "requester")
        alice.sent(ticket, "hello")
        stream.wait_messages(1)
        assert len(stream.named("participant")) == 5 and not stream.named("revoked")


def test_a_former_removal_is_history(site, ticket):
    """Who was removed and is back sees that like any event, replayed or not, and stays."""
    alice, rita = site.api("alice"), site.api("rita", "requester", tickets=[ticket])
    rita.sent(ticket, "help")
    remove(alice, ticket, "rita")
    put(alice, ticket, "rita", "requester")
    alice.sent(ticket, "hello")
    with rita.stream(ticket, since="0") as stream:
        stream.wait_messages(2)
        assert [event.id for event in stream.durable] == ["1.1", "1.2", "1.3", "1.4"]
        assert stream.durable[1].data["removed"] is True
        alice.sent(ticket, "still there?")
        stream.wait_messages(3)
        assert not stream.named("revoked")
        remove(alice, ticket, "rita")
        stream.wait_named("revoked")


# ---- while the stores are not all there


def test_it_holds_while_redis_is_away(breakable, ticket):
    site = breakable.site
    alice, rita = site.api("alice"), site.api("rita", "requester", tickets=[ticket])
    rita.sent(ticket, "help")
    with rita.stream(ticket) as stream, alice.stream(ticket) as staff:
        stream.hello(), staff.hello()
        breakable.kill("redis")
        stream.wait_named("mode")
        remove(alice, ticket, "rita")
        alice.sent(ticket, "now that rita is gone")
        stream.wait_named("revoked", WITHIN_A_SECOND)
        assert stream.ended.wait(5) and not stream.messages
        staff.wait_messages(1)
    for answer in every_call(rita, ticket):
        assert answer.status_code == 403, (answer.request.method, answer.request.path_url)
    breakable.start()
    for answer in every_call(rita, ticket):
        assert answer.status_code == 403, (answer.request.method, answer.request.path_url)


def test_it_holds_when_redis_falls_silent_just_then(breakable, ticket):
    """Nobody has found out yet that Redis is away, and so nobody asks the record in its place."""
    site = breakable.site
    alice, rita = site.api("alice"), site.api("rita", "requester", tickets=[ticket])
    rita.sent(ticket, "help")
    with rita.stream(ticket) as stream:
        stream.hello()
        breakable.freeze("redis")
        try:
            remove(alice, ticket, "rita")
            alice.sent(ticket, "now that rita is gone")
            stream.wait_named("revoked", WITHIN_A_SECOND)
            assert stream.ended.wait(5) and not stream.messages
            for answer in every_call(rita, ticket):
                assert answer.status_code == 403, (answer.request.method, answer.request.path_url)
        finally:
            breakable.thaw("redis")


def test_it_holds_when_redis_is_full(breakable, ticket):
    """It can be read and takes no writes: not the removal, and not the archiver's word that it has it all."""
    site = breakable.site
    alice, rita = site.api("alice"), site.api("rita", "requester", tickets=[ticket])
    rita.sent(ticket, "help")
    r = breakable.redis()
    with rita.stream(ticket) as stream:
        stream.hello()
        wait_for(lambda: rita.get(f"/v1/tickets/{ticket}").headers["Bellhop-Mode"] == "full", "the mode")
        r.config_set("maxmemory", "1")
        try:
            remove(alice, ticket, "rita")
            alice.sent(ticket, "now that rita is gone")
            for answer in every_call(rita, ticket):
                assert answer.status_code == 403, (answer.request.method, answer.request.path_url)
            stream.wait_named("revoked", WITHIN_A_SECOND)
            assert stream.ended.wait(5) and not stream.messages
        finally:
            r.config_set("maxmemory", "0")


def test_it_holds_while_postgresql_is_away(breakable, ticket):
    site = breakable.site
    alice, rita = site.api("alice"), site.api("rita", "requester", tickets=[ticket])
    bob = site.api("bob", "requester", tickets=[ticket])
    rita.sent(ticket, "help")
    remove(alice, ticket, "rita")
    wait_for(lambda: listed(breakable, ticket, "rita") == "removed", "the removal in redis")
    breakable.kill("postgres")
    # bob is not listed, and nobody but the token speaks for him: a window that is whole is enough.
    wait_for(lambda: bob.get(f"/v1/tickets/{ticket}/messages").status_code == 200, "the window")
    check_problem(rita.get(f"/v1/tickets/{ticket}/messages"), 403, "not_a_participant")
    check_problem(rita.get(f"/v1/tickets/{ticket}/poll", wait=0), 403, "not_a_participant")
    # Somebody deletes the list: now nothing speaks against rita, and that is no permission.
    r = breakable.redis()
    r.delete(*r.keys(f"bellhop:*:who:{ticket}"))
    for api in (rita, bob):
        check_problem(api.get(f"/v1/tickets/{ticket}/messages"), 503, "unavailable")
        check_problem(api.get(f"/v1/tickets/{ticket}/poll", wait=0), 503, "unavailable")
        with api.stream(ticket) as stream:
            assert stream.wait_named("bye").data["code"] == "unavailable"


def test_a_list_that_was_deleted_lets_nobody_in(site, stack, ticket):
    alice, rita = site.api("alice"), site.api("rita", "requester", tickets=[ticket])
    rita.sent(ticket, "help")
    remove(alice, ticket, "rita")
    r = stack.redis()
    for send in (False, True):
        wait_for(lambda: r.keys(f"bellhop:*:who:{ticket}"), "the list")
        r.delete(*r.keys(f"bellhop:*:who:{ticket}"))
        if send:
            # It begins the hash anew, but does not know of rita.
            alice.sent(ticket, "hello")
        for answer in every_call(rita, ticket):
            assert answer.status_code == 403, (answer.request.method, answer.request.path_url)
        alice.sent(ticket, "this one has the list loaded again")
        wait_for(lambda: listed(stack, ticket, "rita") == "removed", "the list")
    assert listed(stack, ticket, "alice") == "agent"


# ---- whatever happens at the same time


def reads(api, ticket, kind, number):
    """One look at the ticket, as a stream or a poll, from somewhere. The texts that it brought."""
    if kind == "page":
        answer = api.get(f"/v1/tickets/{ticket}/messages", limit=10)
        return [m["content"] for m in answer.json()["messages"]] if answer.status_code == 200 else []
    start = [{}, {"since": "0"}, {"init": "5"}][number % 3]
    if kind == "poll":
        answer = api.get(f"/v1/tickets/{ticket}/poll", wait=1, **start)
        events = answer.json()["events"] if answer.status_code == 200 else []
        return [e["data"].get("content") for e in events]
    if kind == "many":
        # Another ticket that stays: the stream goes on without this one.
        with api.stream_many([ticket, ticket + "-other"], **start) as stream:
            if stream.status == 200:
                stream.wait_named("revoked")
                api.sent(ticket + "-other", "done")
                stream.wait(lambda s: any(e.data["content"] == "done" for e in s.messages), "the other ticket")
            return [e.data.get("content") for e in stream.durable]
    with api.stream(ticket, **start) as stream:
        if stream.status == 200:
            assert stream.ended.wait(DEADLINE), "the stream of somebody who was removed goes on"
        return [e.data.get("content") for e in stream.durable]


@pytest.mark.parametrize("kind", ["stream", "many", "poll", "page"])
def test_nobody_slips_through_while_being_removed(site, ticket, kind):
    """
    Looks that begin before, while and after somebody is removed, again and again: none of them brings a word
    of what was said afterwards, and no stream stays.
    """
    alice = site.api("alice")
    alice.sent(ticket, "hello")
    for turn in range(12):
        user = f"rita{turn}"
        found, failed, stop = [], [], threading.Event()

        def look(number, user=user, found=found, failed=failed, stop=stop):
            api = site.api(user, "requester", tickets=[ticket, ticket + "-other"])
            try:
                while not stop.is_set():
                    found.extend(reads(api, ticket, kind, number))
            except Exception as fault:
                failed.append(fault)

        threads = [threading.Thread(target=look, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for number in range(turn % 5):
            alice.sent(ticket, f"before {turn}.{number}")
        remove(alice, ticket, user)
        for number in range(3):
            alice.sent(ticket, f"secret {turn}.{number}", kind="text")
        stop.set()
        for thread in threads:
            thread.join()
        assert not failed, failed
        assert f"secret {turn}.0" not in found and f"secret {turn}.2" not in found


def test_whoever_is_still_catching_up_is_cut_off(site, stack, ticket):
    """A client that does not read is removed in the middle of its replay: it gets no more of it."""
    alice, rita = site.api("alice"), site.api("rita", "requester", tickets=[ticket])
    text = "x" * 16000
    threads = [
        threading.Thread(target=lambda i=i: [site.api(f"u{i}").sent(ticket, text) for _ in range(100)]) for i in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with fcgi.Connection(str(stack.dir / "run" / "push.sock"), timeout=DEADLINE) as slow:
        slow.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        path = f"/chat/v1/tickets/{ticket}/stream?since=0"
        slow.request(fcgi.cgi_params("GET", path, {"Authorization": "Bearer " + rita.token}))
        while b"event: message" not in slow.buffer:
            slow.receive_some(time.monotonic() + DEADLINE)
        remove(alice, ticket, "rita")
        alice.sent(ticket, "now that rita is gone")
        out = slow.response().body
    assert out.endswith(b'event: revoked\ndata: {"ticket_id":"%s"}\n\n' % ticket.encode())
    assert 0 < out.count(b"event: message\n") <= 100, "no more than the page that was under way"
    assert b"rita is gone" not in out and b"event: participant" not in out


def test_every_process_hears_of_it(stack, site, ticket, tmp_path):
    alice, rita = site.api("alice"), site.api("rita", "requester", tickets=[ticket])
    rita.sent(ticket, "help")
    path = str(tmp_path / "push.sock")
    with Daemon(stack, "push", path).ready(), rita.stream(ticket) as here, open_stream(path, rita, ticket) as there:
        here.hello()
        read_until(there, b"event: hello")
        remove(alice, ticket, "rita")
        alice.sent(ticket, "now that rita is gone")
        here.wait_named("revoked", WITHIN_A_SECOND)
        out = there.response().body
        assert out.endswith(b'event: revoked\ndata: {"ticket_id":"%s"}\n\n' % ticket.encode())


class Holding(Way):
    """A way to PostgreSQL that keeps the answer to the statement that has `hold` in it until released."""

    def __init__(self, url, hold):
        self.hold = hold
        self.held, self.released = threading.Event(), threading.Event()
        super().__init__(url)

    def asked(self, data, marks):
        if self.hold in data:
            marks.add("hold")
        return data

    def answered(self, data, marks):
        if "hold" in marks and not self.held.is_set():
            self.held.set()
            assert self.released.wait(DEADLINE)
        return data


def open_stream(path, api, ticket):
    connection = fcgi.Connection(path, timeout=DEADLINE)
    token = {"Authorization": "Bearer " + api.token}
    connection.request(fcgi.cgi_params("GET", f"/chat/v1/tickets/{ticket}/stream", token))
    return connection


def read_until(connection, text):
    while text not in connection.buffer:
        connection.receive_some(time.monotonic() + DEADLINE)


@pytest.mark.parametrize("after", ["removed", "removed long ago", "added again"])
def test_a_removal_while_a_stream_opens(stack, site, ticket, tmp_path, after):
    """
    The record has said that she may, somebody removes her, and this process hears of that before it has the
    record's answer in hands: the event that would take the ticket from her is the past by then.
    """
    alice, rita = site.api("alice"), site.api("rita-held", "requester", tickets=[ticket])
    rita.sent(ticket, "help")
    way, path = Holding(stack.env["DATABASE_URL"], b"rita-held"), str(tmp_path / "push.sock")
    settings = {"DATABASE_URL": way.url, "BELLHOP_PG_TIMEOUT_MS": 15000, "BELLHOP_RING_EVENTS": 16}
    with Daemon(stack, "push", path, **settings).ready(), open_stream(path, alice, ticket) as staff:
        read_until(staff, b"event: hello")
        with open_stream(path, rita, ticket) as stream:
            assert way.held.wait(DEADLINE)
            remove(alice, ticket, "rita-held")
            if after == "added again":
                put(alice, ticket, "rita-held", "requester")
            for number in range(20 if after == "removed long ago" else 1):
                alice.sent(ticket, f"secret {number}")
            read_until(staff, b"secret 19" if after == "removed long ago" else b"secret 0")
            way.released.set()
            if after == "added again":
                read_until(stream, b"event: hello")
                alice.sent(ticket, "welcome back")
                read_until(stream, b"welcome back")
            else:
                answer = stream.response()
                assert answer.status == 403 and b"secret" not in answer.body
    way.close()


def test_another_epoch_asks_again_who_may_listen(breakable, ticket):
    """The record that was restored knows other people than the one that let them in."""
    site = breakable.site
    alice, rita = site.api("alice"), site.api("rita", "requester", tickets=[ticket])
    added, named = site.api("added", tickets=[]), site.api("named", tickets=[ticket])
    rita.sent(ticket, "help")
    put(alice, ticket, "added", "agent")
    streams = [api.stream(ticket) for api in (rita, added, named, site.api("robot", "service"))]
    for stream in streams:
        stream.hello()
    breakable.sql("UPDATE bellhop.participant SET removed_at = now() WHERE user_id = 'rita' AND ticket_id = %s", ticket)
    breakable.sql("DELETE FROM bellhop.participant WHERE user_id = 'added' AND ticket_id = %s", ticket)
    breakable.sql("SELECT bellhop.epoch_bump(epoch) FROM bellhop.deployment")
    for stream in streams[:2]:
        stream.wait_named("revoked")
        assert stream.ended.wait(5)
    alice.sent(ticket, "hello")
    for stream in streams[2:]:
        stream.wait_named("gap")
        stream.wait_messages(1)
        stream.close()
    assert not streams[0].messages and not streams[1].messages
