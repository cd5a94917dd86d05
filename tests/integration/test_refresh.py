# SPDX-License-Identifier: BSD-2-Clause
"""What becomes of open streams when their token is replaced: its end, its role and its tickets."""

import json
import threading
import time
import uuid

import psycopg2
import pytest
from client import Api, check_problem, until, wait_for
from test_session import Page

CHANNEL = "bellhop:system"
WAITING = """SELECT pid FROM pg_locks JOIN pg_stat_activity USING (pid)
             WHERE NOT granted AND application_name = 'bellhop-push'"""


@pytest.fixture
def user():
    return f"user-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def other_ticket(ticket):
    return f"{ticket}-other"


def logged_in(site, token):
    page = Page(site)
    page.login(token)
    return page


def follow(page, tickets, **options):
    headers = {"Cookie": page.cookie, "Sec-Fetch-Site": "same-origin"}
    stream = Api(page.site, None).stream_many(tickets, headers=headers, **options)
    stream.hello()
    return stream


def end_of_token():
    """Late enough for some calls before it, on a machine that has much to do."""
    return int(time.time()) + 9


def pass_by(end):
    wait_for(lambda: time.time() > end, "the token's end")


def texts(stream):
    return [event.data["content"] for event in stream.messages]


def check_chain(stream, viewer_api, ticket):
    """What it was given is what its viewer's own stream has, from its first message on, without a hole."""
    whole = viewer_api.stream(ticket, since=0)
    newest = stream.messages[-1].data["seq"]
    whole.wait(lambda s: [m for m in s.messages if m.data["seq"] == newest], "all of it")
    first = stream.messages[0].data["seq"]
    expected = [m.data["seq"] for m in whole.messages if first <= m.data["seq"] <= newest]
    whole.close()
    assert [m.data["seq"] for m in stream.messages] == expected


class TestEnd:
    def test_a_token_that_ends_soon_is_told_to_after_hello(self, site, ticket, user):
        with site.api(user, ttl=50).stream(ticket) as stream:
            stream.hello()
            auth = stream.wait_named("auth")
            assert 40 < auth.data["expires_in"] <= 50
            assert [event.name for event in stream.events][:2] == ["hello", "auth"]
        with site.api(user, ttl=300).stream(ticket) as stream:
            stream.hello()
            site.api("anna").sent(ticket, "to have something come after it")
            stream.wait_messages(1)
            assert not stream.named("auth")

    def test_it_ends_with_its_token(self, site, ticket, user):
        end = int(time.time()) + 3
        stream = site.api(user, exp=end).stream(ticket)
        assert stream.wait_named("bye").data["code"] == "token_expired"
        stream.ended.wait()
        assert time.time() >= end

    def test_in_the_leeway_there_is_time_to_refresh(self, site, ticket, user):
        """Not an end at once, from which a browser would come back for nothing until it is refused for good."""
        page = logged_in(site, site.token(user, ttl=300))
        page.cookie = page.cookie.partition("=")[0] + "=" + site.token(user, ttl=-5)
        with page.stream(ticket) as stream:
            stream.hello()
            assert 15 <= stream.wait_named("auth").data["expires_in"] <= 25
            assert page.refresh(site.token(user, ttl=600)).status_code == 200
            site.api("anna").sent(ticket, "it goes on")
            stream.wait_messages(1)
            assert not stream.named("bye")

    def test_the_leeway_ends_it(self, site, ticket, user):
        end = int(time.time()) - 27
        stream = site.api(user, exp=end).stream(ticket)
        assert stream.wait_named("bye").data["code"] == "token_expired"
        stream.ended.wait()
        assert time.time() >= end + 30
        assert site.api(user, exp=end).stream(ticket).status == 401

    def test_a_poll_that_was_let_in_may_wait(self, site, ticket, user):
        api = site.api(user, ttl=1)
        cursor = api.poll(ticket)["cursor"]
        began = time.monotonic()
        assert api.poll(ticket, cursor=cursor, wait=4)["events"] == []
        assert time.monotonic() >= began + 4

    def test_a_poll_ends_with_the_leeway(self, site, ticket, user):
        api = site.api(user, ttl=-27)
        cursor = site.api("anna").poll(ticket)["cursor"]
        answer = api.get(f"/v1/tickets/{ticket}/poll", cursor=cursor, wait=55)
        check_problem(answer, 401, "token_expired")

    def test_a_refresh_reaches_what_is_still_opening(self, stack, site, ticket, user):
        page = logged_in(site, site.token(user, "requester", ttl=5, tickets=[ticket]))
        site.api("anna").sent(ticket, "hello")
        end = time.time() + 5
        opened = []
        with psycopg2.connect(stack.owner_url) as record:
            record.cursor().execute("LOCK TABLE bellhop.ticket IN ACCESS EXCLUSIVE MODE")
            thread = threading.Thread(target=lambda: opened.append(page.stream(ticket)))
            thread.start()
            wait_for(lambda: stack.sql(WAITING), "the stream to ask the record")
            assert page.refresh(site.token(user, ttl=600)).status_code == 200
        record.close()
        thread.join(10)
        pass_by(end + 1)
        site.api("anna").sent(ticket, "after the end", kind="note")
        opened[0].wait_messages(1)
        opened[0].close()

    @pytest.mark.parametrize("jti", [True, False], ids=["with jti", "without jti"])
    def test_a_refresh_prolongs_it(self, site, ticket, user, jti):
        end = end_of_token()
        page = logged_in(site, site.token(user, exp=end, jti=user if jti else None))
        stream, many = page.stream(ticket), follow(page, [ticket])
        stream.wait_named("auth")
        many.wait_named("auth")
        assert page.refresh(site.token(user, ttl=600, jti=f"new-{user}" if jti else None)).status_code == 200
        pass_by(end + 1)
        site.api("anna").sent(ticket, "after the end")
        for one in (stream, many):
            one.wait_messages(1)
            assert len(one.named("auth")) == 1
            one.close()

    def test_it_is_announced_again(self, site, ticket, user):
        page = logged_in(site, site.token(user, ttl=300))
        stream = page.stream(ticket)
        stream.hello()
        end = int(time.time()) + 5
        page.refresh(site.token(user, exp=end))
        assert stream.wait_named("auth").data["expires_in"] <= 5
        assert stream.wait_named("bye").data["code"] == "token_expired"

    def test_the_body_names_the_token_of_streams_without_a_cookie(self, site, ticket, user):
        end = end_of_token()
        named, other = (site.api(user, exp=end, jti=f"{name}-{user}").stream(ticket) for name in "ab")
        for stream in (named, other):
            stream.wait_named("auth")
        assert Page(site).refresh(site.token(user), json={"jti": f"a-{user}"}).status_code == 200
        assert other.wait_named("bye").data["code"] == "token_expired"
        pass_by(end + 1)
        site.api("anna").sent(ticket, "after the end")
        named.wait_messages(1)
        named.close()

    def test_nobody_prolongs_what_is_another_user_s(self, site, ticket, user):
        stream = site.api(user, ttl=4, jti=user).stream(ticket)
        stream.wait_named("auth")
        assert Page(site).refresh(site.token("anna"), json={"jti": user}).status_code == 200
        assert stream.wait_named("bye").data["code"] == "token_expired"

    def test_what_was_published_oddly_prolongs_nothing(self, stack, site, ticket, user):
        end = int(time.time()) + 4
        stream = site.api(user, "requester", exp=end, jti=user).stream(ticket)
        stream.wait_named("auth")
        good = {
            "event": "renewed", "user_id": user, "replaced": user, "token_id": f"new-{user}", "name": None,
            "role": "agent", "tickets": "*", "exp": end + 600, "iat": end,
        }  # fmt: skip
        odd = [{key: value for key, value in good.items() if key != name} for name in good if name != "event"]
        odd += [
            {**good, **change}
            for change in (
                {"user_id": "anna"}, {"user_id": 7}, {"replaced": "other"}, {"replaced": ""}, {"replaced": "\u00e4"},
                {"token_id": ""}, {"token_id": None}, {"token_id": "x" * 129}, {"name": 7}, {"name": "a\nb"},
                {"role": "root"}, {"role": None}, {"tickets": "T-1"}, {"tickets": [".x"]}, {"tickets": [1]},
                {"exp": -1}, {"exp": 0}, {"exp": 1.5}, {"exp": "1"}, {"exp": 10**18}, {"iat": "x"},
                {"tickets": [f"T-{i}" for i in range(3000)]},
            )
        ]  # fmt: skip
        for payload in odd:
            stack.redis().publish(CHANNEL, json.dumps(payload))
        stack.redis().publish(CHANNEL, json.dumps(good)[:-1])
        stack.redis().publish("bellhop:live:" + ticket, json.dumps(good))
        assert stream.wait_named("bye").data["code"] == "token_expired"
        # The same, whole, does: nothing but the faults was in the way.
        again = site.api(user, "requester", ttl=30, jti=user).stream(ticket)
        again.wait_named("auth")
        stack.redis().publish(CHANNEL, json.dumps(good))
        site.api("anna").sent(ticket, "a note", kind="note")
        again.wait_messages(1)
        again.close()


class TestTickets:
    def test_one_that_neither_token_nor_membership_permits_leaves(self, site, ticket, other_ticket, user):
        page = logged_in(site, site.token(user, tickets=[ticket, other_ticket]))
        stream, alone = follow(page, [ticket, other_ticket]), page.stream(other_ticket)
        alone.hello()
        page.refresh(site.token(user, tickets=[ticket]))
        assert stream.wait_named("revoked").data == {"ticket_id": other_ticket}
        assert alone.wait_named("revoked").data == {"ticket_id": other_ticket}
        alone.ended.wait()
        site.api("anna").sent(other_ticket, "not for him")
        site.api("anna").sent(ticket, "for him")
        stream.wait_messages(1)
        assert texts(stream) == ["for him"]
        stream.close()

    def test_a_participant_stays_without_the_token_s_word(self, site, ticket, other_ticket, user):
        page = logged_in(site, site.token(user, tickets=[ticket, other_ticket]))
        assert site.api(user).send(other_ticket, "joins").status_code == 201
        stream = follow(page, [ticket, other_ticket])
        page.refresh(site.token(user, tickets=[]))
        assert stream.wait_named("revoked").data == {"ticket_id": ticket}
        site.api("anna").sent(other_ticket, "still for him")
        stream.wait_messages(1)
        assert len(stream.named("revoked")) == 1
        stream.close()

    def test_who_was_removed_is_let_in_no_longer_once_he_is_no_admin(self, site, ticket, user):
        page = logged_in(site, site.token(user, "admin"))
        site.api("anna").sent(ticket, "begins")
        assert site.api("anna").call("DELETE", f"/v1/tickets/{ticket}/participants/{user}").status_code == 204
        stream = page.stream(ticket)
        stream.hello()
        page.refresh(site.token(user, "agent"))
        assert stream.wait_named("revoked").data == {"ticket_id": ticket}
        stream.ended.wait()

    def of_two_tickets(self, site, user, *tickets):
        """A page whose token permits both, and its stream of them."""
        page = logged_in(site, site.token(user, tickets=tickets))
        for name in tickets:
            site.api("anna").sent(name, "there")
        return page, follow(page, tickets)

    def test_whom_nobody_can_ask_about_is_let_in_no_longer(self, breakable, ticket, other_ticket, user):
        page, stream = self.of_two_tickets(breakable.site, user, ticket, other_ticket)
        breakable.stop("postgres")
        stream.wait(lambda s: [e for e in s.named("mode") if e.data["mode"] == "no-postgres"], "no-postgres")
        page.refresh(breakable.site.token(user, tickets=[ticket]))
        assert stream.wait_named("revoked").data == {"ticket_id": other_ticket}
        stream.close()

    def test_whom_the_record_does_not_answer_for_is_let_in_no_longer(self, breakable, ticket, other_ticket, user):
        """PostgreSQL falls silent as it is asked who was added to the ticket."""
        page, stream = self.of_two_tickets(breakable.site, user, ticket, other_ticket)
        breakable.freeze("postgres")
        try:
            page.refresh(breakable.site.token(user, tickets=[ticket]))
            assert stream.wait_named("revoked").data == {"ticket_id": other_ticket}
        finally:
            breakable.thaw("postgres")
            stream.close()

    def test_whom_the_record_refuses_to_answer_for_is_let_in_no_longer(self, breakable, ticket, other_ticket, user):
        site = breakable.site
        page = logged_in(site, site.token(user, tickets=[ticket, other_ticket]))
        for name in (ticket, other_ticket):
            site.api("anna").sent(name, "there")
        stream = follow(page, [ticket, other_ticket])
        breakable.sql("REVOKE SELECT ON bellhop.participant FROM bellhop")
        try:
            page.refresh(site.token(user, tickets=[ticket]))
            assert stream.wait_named("revoked").data == {"ticket_id": other_ticket}
        finally:
            breakable.sql("GRANT SELECT ON bellhop.participant TO bellhop")
            stream.close()

    def test_a_second_refresh_does_not_stand_for_the_answer_to_the_first(self, breakable, ticket, user):
        """An admin could not be removed; whether the requester was is still being asked as he comes anew."""
        stream = breakable.site.api(user, "admin", jti=f"a-{user}").stream(ticket)
        stream.hello()
        breakable.freeze("postgres")
        try:
            for old, new in ("ab", "bc"):
                breakable.redis().publish(CHANNEL, json.dumps({
                    "event": "renewed", "user_id": user, "replaced": f"{old}-{user}", "token_id": f"{new}-{user}",
                    "name": None, "role": "requester", "tickets": [ticket], "exp": int(time.time()) + 600, "iat": None,
                }))  # fmt: skip
            assert stream.wait_named("revoked").data == {"ticket_id": ticket}
        finally:
            breakable.thaw("postgres")
            stream.close()


class TestRole:
    @pytest.mark.parametrize("many", [False, True], ids=["one", "many"])
    def test_who_is_staff_no_longer_gets_no_note_from_then_on(self, site, ticket, user, many):
        anna = site.api("anna")
        page = logged_in(site, site.token(user, "agent"))
        stream = follow(page, [ticket]) if many else page.stream(ticket)
        stream.hello()
        anna.sent(ticket, "one")
        anna.sent(ticket, "noted", kind="note")
        stream.wait_messages(2)
        page.refresh(site.token(user, "requester"))
        wait_for(lambda: page.call("GET", "/v1/session").json()["role"] == "requester", "the role")
        turned(stream, page, anna, ticket)
        seen = len(stream.messages)
        note = anna.sent(ticket, "secret", kind="note")
        anna.call("PATCH", f"/v1/tickets/{ticket}/messages/{note['seq']}", json={"content": "more secret"})
        anna.sent(ticket, "two")
        stream.wait(lambda s: "two" in texts(s), "two")
        after = stream.messages[seen:]
        assert [event.data["kind"] for event in after] == ["text"]
        # The public's own chain: the event before the second is the last one that the public could see.
        public = site.api("someone", "requester").page(ticket)["messages"]
        assert after[0].data["prev"] == public[-2]["seq"]
        assert after[0].data["n"] == public[-1]["n"]
        assert not stream.named("message-edited", "gap")
        stream.close()

    @pytest.mark.parametrize("many", [False, True], ids=["one", "many"])
    def test_who_is_staff_now_gets_notes_from_his_place_on(self, site, ticket, user, many):
        anna = site.api("anna")
        page = logged_in(site, site.token(user, "requester"))
        stream = follow(page, [ticket]) if many else page.stream(ticket)
        stream.hello()
        anna.sent(ticket, "one")
        stream.wait_messages(1)
        anna.sent(ticket, "noted before", kind="note")
        page.refresh(site.token(user, "agent"))
        stream.wait_messages(2)
        anna.sent(ticket, "noted after", kind="note")
        anna.sent(ticket, "two")
        stream.wait_messages(4)
        assert texts(stream) == ["one", "noted before", "noted after", "two"]
        assert [event.data["prev"] for event in stream.messages] == [0, 1, 2, 3]
        check_chain(stream, anna, ticket)
        stream.close()

    def test_notes_and_counts_of_the_inbox_follow_it(self, site, ticket, user):
        anna = site.api("anna")
        anna.sent(ticket, "begins")
        assert anna.call("PUT", f"/v1/tickets/{ticket}/participants/{user}", json={"role": "agent"}).status_code == 200
        assert site.api(user).call("PUT", f"/v1/tickets/{ticket}/read", json={"seq": 1}).status_code == 200
        page = logged_in(site, site.token(user, "agent"))
        headers = {"Cookie": page.cookie, "Sec-Fetch-Site": "same-origin"}
        stream = Api(site, None).stream_many([], inbox=1, headers=headers)
        stream.hello()
        anna.sent(ticket, "noted", kind="note")
        assert stream.wait_named("inbox").data["preview"] == "noted"
        page.refresh(site.token(user, "requester"))
        # Who was staff a moment ago is told nothing of notes: the first that comes now is of a message.
        until(
            lambda: (anna.sent(ticket, "said"), stream.named("inbox")[-1])[1],
            lambda event: event.data["preview"] == "said" and event.data["unread"] < 3,
            "the public's count",
        )
        before = len(stream.named("inbox"))
        anna.sent(ticket, "noted again", kind="note")
        anna.sent(ticket, "said again")
        stream.wait(lambda s: s.named("inbox")[-1].data["preview"] == "said again", "said again")
        assert all(event.data["preview"] != "noted again" for event in stream.named("inbox")[before:])
        stream.close()


def turned(stream, page, anna, ticket):
    """The refresh has reached the stream: a note is not followed by it any more."""

    def asked():
        note = anna.sent(ticket, "is it?", kind="note")
        mark = anna.sent(ticket, "mark")
        stream.wait(lambda s: mark["seq"] in [m.data["seq"] for m in s.messages], "the mark")
        return note["seq"] not in [m.data["seq"] for m in stream.messages]

    wait_for(asked, "the new role")


class TestRevocation:
    def test_the_token_that_holds_now_ends_it(self, site, ticket, user):
        root = site.api("root", "admin")
        page = logged_in(site, site.token(user, jti=f"old-{user}"))
        stream = page.stream(ticket)
        stream.hello()
        page.refresh(site.token(user, ttl=30, jti=f"new-{user}"))
        stream.wait_named("auth")
        root.call("POST", "/v1/revocations", json={"jti": f"old-{user}"})
        until(
            lambda: site.api(user, jti=f"old-{user}").get("/v1/auth"), lambda a: a.status_code == 401, "the refusal"
        )
        site.api("anna").sent(ticket, "goes on")
        stream.wait_messages(1)
        root.call("POST", "/v1/revocations", json={"jti": f"new-{user}"})
        assert stream.wait_named("bye").data["code"] == "token_revoked"

    def test_the_end_of_the_session_ends_it(self, site, ticket, user):
        page = logged_in(site, site.token(user, ttl=300))
        stream = page.stream(ticket)
        stream.hello()
        page.refresh(site.token(user, ttl=30))
        stream.wait_named("auth")
        assert page.write("DELETE", "/v1/session").status_code == 204
        assert stream.wait_named("bye").data["code"] == "token_revoked"


def test_without_redis_it_ends_and_comes_back_with_the_new_cookie(breakable, ticket, user):
    site = breakable.site
    page = logged_in(site, site.token(user, exp=end_of_token()))
    stream = page.stream(ticket)
    stream.wait_named("auth")
    breakable.stop("redis")
    answer = page.refresh(site.token(user))
    assert answer.status_code == 200
    assert stream.wait_named("bye").data["code"] == "token_expired"
    with page.stream(ticket, last_event_id=stream.last_id) as again:
        again.hello()
        site.api("anna").sent(ticket, "missed by nobody")
        again.wait_messages(1)


def test_streams_of_every_push_process_are_prolonged(two_pushes, ticket, user):
    site = two_pushes.site
    end = end_of_token()
    page = logged_in(site, site.token(user, exp=end))
    streams = {f"{ticket}-{number}": page.stream(f"{ticket}-{number}") for number in range(12)}
    for stream in streams.values():
        stream.wait_named("auth")
    page.refresh(site.token(user))
    pass_by(end + 1)
    for name, stream in streams.items():
        site.api("anna").sent(name, "after the end")
        stream.wait_messages(1)
        stream.close()
    # With so many tickets neither is left out.
    for push in ("push", "push2"):
        wait_for(lambda push=push: "token renewed" in two_pushes.log(push), f"a stream of {push}")
