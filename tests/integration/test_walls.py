# SPDX-License-Identifier: BSD-2-Clause
"""
Nothing of a ticket reaches somebody who may not see it: every operation of the contract and every kind of live
event, with an outsider, a removed participant, a requester where notes are concerned, and with tokens that have
expired or were revoked. What is not named here fails, so that nothing new is forgotten.
"""

import uuid

import contract
import pytest
from client import Stream, check_problem, until

METHODS = ("get", "put", "post", "delete", "patch")
# What anybody may read, and what is about nobody's ticket.
OPEN = {"isAlive", "isReady", "contract"}
PERSONAL = {"whoAmI", "setPresence", "beginSession", "readSession", "refreshSession", "endSession"}
STAFF_ONLY = {"readOnline", "redisHealth", "revoke"}


def operations():
    """operationId → (METHOD, path)."""
    return {
        item[method]["operationId"]: (method.upper(), path)
        for path, item in contract.document()["paths"].items()
        for method in METHODS
        if method in item
    }


# What a call needs besides its path. None: nothing.
BODIES = {
    "sendMessage": {"content": "let me in"},
    "readHistory": None,
    "readMessage": None,
    "editMessage": {"content": "changed"},
    "deleteMessage": None,
    "readRevisions": None,
    "sendSystemMessage": {"content": "let me in"},
    "streamTicket": None,
    "pollTicket": None,
    "setTyping": {"typing": True},
    "readTyping": None,
    "markRead": {"seq": 1},
    "readReceipts": None,
    "readRoster": None,
    "readCard": None,
    "writeCard": {"title": "mine now"},
    "readParticipants": None,
    "addParticipant": {"role": "agent"},
    "removeParticipant": None,
    # Not about one ticket by its path:
    "streamTickets": None,
    "pollTickets": None,
    "readUnread": None,
    "readPresence": None,
    "setPresence": {"status": "online"},
    "readOnline": None,
    "listTickets": None,
    "revoke": {"jti": "none-of-anybody"},
    "whoAmI": None,
    "beginSession": None,
    "readSession": None,
    "refreshSession": {"jti": "none-of-anybody"},
    "endSession": None,
    "isAlive": None,
    "isReady": None,
    "redisHealth": None,
    "contract": None,
}
QUERIES = {
    "streamTickets": "?tickets={ticket}",
    "pollTickets": "?tickets={ticket}",
    "readUnread": "?ticket={ticket}",
    "readPresence": "?users=anna",
}


class Room:
    """A ticket with something of everything, and marks by which its texts are known."""

    def __init__(self, site, ticket):
        self.site, self.ticket = site, ticket
        self.secret, self.note_secret = f"secret-{uuid.uuid4().hex}", f"hidden-{uuid.uuid4().hex}"
        self.anna = site.api(f"anna-{uuid.uuid4().hex[:8]}")
        self.rita_id = f"rita-{uuid.uuid4().hex[:8]}"
        self.rita = site.api(self.rita_id, "requester", tickets=[ticket])
        self.anna.sent(ticket, self.secret)
        self.rita.sent(ticket, f"{self.secret} of rita")
        self.note = self.anna.sent(ticket, self.note_secret, kind="note")
        card = self.anna.call("PUT", f"/v1/tickets/{ticket}", json={"title": f"title {self.secret}"})
        assert card.status_code == 200

    def call(self, api, operation, ticket=None):
        method, path = operations()[operation]
        path = path.format(ticket=ticket or self.ticket, seq=1, user="somebody")
        query = QUERIES.get(operation, "").format(ticket=ticket or self.ticket)
        return api.call(method, path + query, json=BODIES[operation])


@pytest.fixture
def room(site, ticket):
    return Room(site, ticket)


def test_every_operation_is_named_here():
    assert set(BODIES) == set(operations())


TICKET_CALLS = sorted(set(BODIES) - OPEN - PERSONAL - STAFF_ONLY - {"listTickets", "readPresence"})


def outsiders(site, ticket):
    """People of every role that a token can have without naming the ticket."""
    return [site.api(f"out-{uuid.uuid4().hex[:8]}", role, tickets=["T-other"]) for role in ("requester", "agent")]


def shape(answer):
    """A refusal without what differs from call to call."""
    return answer.status_code, {key: value for key, value in answer.json().items() if key != "request_id"}


@pytest.mark.parametrize("operation", TICKET_CALLS)
def test_an_outsider_is_refused_and_learns_nothing(site, room, operation):
    for api in outsiders(site, room.ticket):
        answer = room.call(api, operation)
        assert answer.status_code == 403, answer.text
        assert room.secret not in answer.text and room.note_secret not in answer.text
        assert shape(answer) == shape(room.call(api, operation, f"none-{uuid.uuid4().hex}")), (
            "whether there is such a ticket"
        )
    assert [message["content"] for message in room.anna.history(room.ticket)] == [
        room.secret,
        f"{room.secret} of rita",
        room.note_secret,
    ]


@pytest.mark.parametrize("operation", TICKET_CALLS)
def test_a_removed_participant_is_refused(site, room, operation):
    gone = room.anna.call("DELETE", f"/v1/tickets/{room.ticket}/participants/{room.rita_id}")
    assert gone.status_code == 204
    answer = room.call(room.rita, operation)
    assert answer.status_code == 403, answer.text
    assert room.secret not in answer.text


def test_lists_leave_out_what_one_may_not_see(site, room):
    room.anna.call("DELETE", f"/v1/tickets/{room.ticket}/participants/{room.rita_id}")
    for api in [room.rita, *outsiders(site, room.ticket)]:
        for operation in ("listTickets", "readUnread"):
            method, path = operations()[operation]
            answer = api.call(method, path)
            assert answer.status_code == 200
            assert room.ticket not in answer.text and room.secret not in answer.text


def test_presence_of_strangers_is_unknown(site, room):
    with room.anna.stream(room.ticket) as stream:
        stream.hello()
        for api in outsiders(site, room.ticket)[:1]:
            (user,) = api.get("/v1/presence", users=user_of(room.anna)).json()["users"]
            assert (user["status"], user["last_seen"]) == ("unknown", None)
        until(
            lambda: room.rita.get("/v1/presence", users=user_of(room.anna)),
            lambda answer: answer.json()["users"][0]["status"] == "online",
            "her presence to people of her ticket",
        )


def user_of(api):
    return api.call("GET", "/v1/auth").headers["X-Bellhop-User"]


@pytest.mark.parametrize("operation", sorted(STAFF_ONLY))
def test_what_is_for_staff(site, room, operation):
    check_problem(room.call(room.rita, operation), 403, "forbidden")


@pytest.mark.parametrize("operation", sorted(set(BODIES) - OPEN))
def test_an_expired_token_and_none(site, room, operation):
    expired = site.api("anna", "admin", ttl=-3600)
    check_problem(room.call(expired, operation), 401, "token_expired")
    nobody = site.api("anna", "admin")
    del nobody.session.headers["Authorization"]
    check_problem(room.call(nobody, operation), 401, "unauthenticated")


def test_a_revoked_token(site, room):
    api = site.api(f"root-{uuid.uuid4().hex[:8]}", "admin", jti=uuid.uuid4().hex)
    jti = uuid.uuid4().hex
    lost = site.api("root", "admin", jti=jti)
    assert api.call("POST", "/v1/revocations", json={"jti": jti}).status_code == 204
    for operation in sorted(set(BODIES) - OPEN):
        # Each process has a list of its own.
        answer = until(lambda: room.call(lost, operation), lambda answer: answer.status_code == 401, operation)  # noqa: B023
        check_problem(answer, 401, "token_revoked")


# ---- notes


NOTE_CALLS = sorted({"readHistory", "pollTicket", "readReceipts", "readCard", "readTyping", "readParticipants"})


def test_notes_change_no_answer_that_a_requester_gets(site, room):
    """The same answers before and after a note, its edit and its deletion, to the last number."""

    def answers():
        found = {operation: room.call(room.rita, operation) for operation in NOTE_CALLS}
        found["list"] = room.rita.get("/v1/tickets")
        found["unread"] = room.rita.get("/v1/unread")
        found["read"] = room.rita.call("PUT", f"/v1/tickets/{room.ticket}/read", json={"seq": 1000000})
        found["since 0"] = room.rita.get(f"/v1/tickets/{room.ticket}/poll", since=0, wait=0)
        found["after"] = room.rita.get(f"/v1/tickets/{room.ticket}/messages", after=1)
        found["around"] = room.rita.get(f"/v1/tickets/{room.ticket}/messages", around=room.note["seq"])
        bodies = {name: answer.json() for name, answer in found.items()}
        for body in bodies.values():
            assert room.note_secret not in str(body)
        return bodies, found["list"].headers["ETag"]

    room.rita.call("PUT", f"/v1/tickets/{room.ticket}/read", json={"seq": 1000000})
    before = answers()
    note = room.anna.sent(room.ticket, room.note_secret, kind="note")
    assert answers() == before
    path = f"/v1/tickets/{room.ticket}/messages/{note['seq']}"
    assert room.anna.call("PATCH", path, json={"content": f"{room.note_secret} again"}).status_code == 200
    assert answers() == before
    assert room.anna.call("DELETE", path).status_code == 200
    assert answers() == before
    for operation in ("GET", "PATCH", "DELETE"):
        answer = room.rita.call(operation, path, json={"content": "x"} if operation == "PATCH" else None)
        check_problem(answer, 404, "not_found")


def test_notes_reach_no_stream_of_a_requester(site, room):
    paths = (
        f"/v1/tickets/{room.ticket}/stream?since=0",
        f"/v1/tickets/{room.ticket}/stream",
        f"/v1/stream?tickets={room.ticket}&inbox=1",
    )
    streams = [Stream(room.rita, path) for path in paths]
    hellos = [stream.hello() for stream in streams]
    note = room.anna.sent(room.ticket, room.note_secret, kind="note")
    path = f"/v1/tickets/{room.ticket}/messages/{note['seq']}"
    room.anna.call("PATCH", path, json={"content": f"{room.note_secret} again"})
    room.anna.call("DELETE", path)
    room.anna.sent(room.ticket, "the end")
    for stream, hello in zip(streams, hellos):
        stream.wait(lambda s: any(event.data["content"] == "the end" for event in s.messages), "the end")
        last = stream.messages[-1].data
        assert last["prev"] == hello["tickets"][room.ticket]["newest_seq"], "nothing between"
        assert room.note_secret not in str(stream.events)
        stream.close()


# ---- live events


def typing(room, is_typing):
    answer = room.anna.call("POST", f"/v1/tickets/{room.ticket}/typing", json={"typing": is_typing})
    assert answer.status_code == 204


def change_message(room, method):
    message = room.anna.sent(room.ticket, f"{room.secret} for a while")
    body = {"content": f"{room.secret} otherwise"} if method == "PATCH" else None
    answer = room.anna.call(method, f"/v1/tickets/{room.ticket}/messages/{message['seq']}", json=body)
    assert answer.status_code == 200


def look_in(room):
    visitor = room.site.api(f"visitor-{uuid.uuid4().hex[:8]}", "admin")
    with visitor.stream(room.ticket) as stream:
        stream.hello()


TRIGGERS = {
    "message": lambda room: room.anna.sent(room.ticket, room.secret),
    "message-edited": lambda room: change_message(room, "PATCH"),
    "message-deleted": lambda room: change_message(room, "DELETE"),
    "participant": lambda room: room.anna.call(
        "PUT", f"/v1/tickets/{room.ticket}/participants/{uuid.uuid4().hex}", json={"role": "agent"}
    ),
    "ticket": lambda room: room.anna.call(
        "PUT", f"/v1/tickets/{room.ticket}", json={"title": f"{room.secret} {uuid.uuid4().hex}"}
    ),
    "message-read": lambda room: room.anna.call("PUT", f"/v1/tickets/{room.ticket}/read", json={"seq": 1000000}),
    "typing-start": lambda room: typing(room, True),
    "typing-stop": lambda room: (typing(room, True), typing(room, False)),
    "presence": look_in,
    "inbox": lambda room: room.anna.sent(room.ticket, room.secret),
}
# About the connection, or told to its owner alone; what they hold is looked at in the other tests.
ABOUT_ONESELF = {"hello", "gap", "mode", "auth", "revoked", "ping", "bye"}


def test_every_kind_of_event_is_named_here():
    stream = contract.document()["components"]["responses"]["EventStream"]["content"]["text/event-stream"]
    assert set(TRIGGERS) | ABOUT_ONESELF == set(stream["x-events"])


@pytest.mark.parametrize("kind", sorted(TRIGGERS))
def test_no_event_of_a_ticket_reaches_an_outsider(site, room, kind):
    """An outsider and one who is removed listen to a ticket of their own, to their inbox, and ask for this one."""
    own = f"{room.ticket}-own"
    watcher = Stream(room.anna, f"/v1/stream?tickets={room.ticket}&inbox=1")
    watcher.hello()
    removed = room.anna.call("DELETE", f"/v1/tickets/{room.ticket}/participants/{room.rita_id}")
    assert removed.status_code == 204
    rita = site.api(room.rita_id, "requester", tickets=[room.ticket, own])
    outsider = site.api(f"out-{uuid.uuid4().hex[:8]}", "agent", tickets=[own])
    listeners = [Stream(api, f"/v1/stream?tickets={room.ticket},{own}&inbox=1") for api in (rita, outsider)]
    for stream in listeners:
        assert room.ticket not in stream.hello()["tickets"]
        assert stream.wait_named("revoked").data == {"ticket_id": room.ticket}
    TRIGGERS[kind](room)
    watcher.wait_named(kind)
    for api in (rita, outsider):
        api.sent(own, "the end")
    for stream in listeners:
        stream.wait(lambda s: len(s.messages) >= 2, "the end")
        about = [event for event in stream.events if event.data.get("ticket_id") == room.ticket]
        assert [event.name for event in about] == ["revoked"]
        assert room.secret not in str(stream.events)
        stream.close()
    watcher.close()


def test_who_is_removed_gets_nothing_after_it(site, room):
    stream = Stream(room.rita, f"/v1/stream?tickets={room.ticket}&inbox=1")
    stream.hello()
    room.anna.call("DELETE", f"/v1/tickets/{room.ticket}/participants/{room.rita_id}")
    stream.wait_named("revoked")
    for trigger in TRIGGERS.values():
        trigger(room)
    own = f"{room.ticket}-own"
    site.api(room.rita_id, "requester", tickets=[own]).sent(own, "the end")
    stream.wait(lambda s: any(event.data["ticket_id"] == own for event in s.named("inbox")), "her own ticket")
    at = [event.name for event in stream.events].index("revoked")
    assert [event for event in stream.events[at + 1 :] if event.data.get("ticket_id") == room.ticket] == []
    assert room.secret not in str(stream.events[at + 1 :])
    stream.close()


def test_who_only_writes_notes_is_not_known_to_requesters(site, room):
    """Neither that he takes part, nor since when; until he says something to all, or is added for all to see."""
    hidden_id = f"hidden-{uuid.uuid4().hex[:8]}"
    hidden = site.api(hidden_id)
    added_id = f"added-{uuid.uuid4().hex[:8]}"

    def known(user):
        card = room.rita.get(f"/v1/tickets/{room.ticket}").json()
        people = room.rita.get(f"/v1/tickets/{room.ticket}/participants").json()["participants"]
        listed = [t for t in room.rita.get("/v1/tickets").json()["tickets"] if t["ticket_id"] == room.ticket][0]
        answers = {user in [person["user_id"] for person in found] for found in (
            card["participants"], people, listed["participants"])}
        assert len(answers) == 1, (card, people, listed)
        (state,) = room.rita.get("/v1/presence", users=user).json()["users"]
        assert (state["status"] == "unknown") == (answers == {False})
        return answers == {True}

    watcher = room.rita.stream(room.ticket)
    watcher.hello()
    assert not known(hidden_id)
    etag = room.rita.get("/v1/tickets").headers["ETag"]
    hidden.sent(room.ticket, room.note_secret, kind="note")
    assert not known(hidden_id)
    assert room.rita.get("/v1/tickets").headers["ETag"] == etag
    staff = room.anna.get(f"/v1/tickets/{room.ticket}/participants").json()["participants"]
    assert hidden_id in [person["user_id"] for person in staff]
    with hidden.stream(f"{room.ticket}-elsewhere") as stream:
        stream.hello()
        until(
            lambda: room.anna.get("/v1/presence", users=hidden_id),
            lambda answer: answer.json()["users"][0]["status"] == "online",
            "his presence to staff",
        )
        first = hidden.sent(room.ticket, "to all")
        watcher.wait(lambda s: any(event.data["content"] == "to all" for event in s.messages), "the message")
        assert not [event for event in watcher.named("presence") if event.data["user_id"] == hidden_id]
    assert known(hidden_id)
    card = room.rita.get(f"/v1/tickets/{room.ticket}").json()
    (person,) = [person for person in card["participants"] if person["user_id"] == hidden_id]
    assert person["joined_at"] == first["sent_at"], "not the time of the note"
    site.api(added_id).sent(room.ticket, room.note_secret, kind="note")
    assert not known(added_id)
    path = f"/v1/tickets/{room.ticket}/participants/{added_id}"
    assert room.anna.call("PUT", path, json={"role": "admin"}).status_code == 200
    assert known(added_id)
    watcher.close()


def test_a_ticket_that_a_note_began(site, ticket):
    anna, rita = site.api("anna"), site.api("rita", "requester", tickets=[ticket])
    anna.sent(ticket, "before anybody", kind="note")
    check_problem(rita.get(f"/v1/tickets/{ticket}"), 404, "not_found")
    first = anna.sent(ticket, "hello")
    card = rita.get(f"/v1/tickets/{ticket}").json()
    assert card["created_at"] == first["sent_at"] == card["last_activity_at"]
    assert anna.get(f"/v1/tickets/{ticket}").json()["created_at"] < first["sent_at"]
