# SPDX-License-Identifier: BSD-2-Clause
"""Who is there: what clients say of themselves, who may know, last seen, and who looks at a ticket."""

import itertools
import json
import os
import secrets
import signal
import threading
import time

import pytest
from client import Follower, check_problem, wait_for



def until(call, condition, what, deadline=20):
    answers = []

    def met():
        answers[:] = [call()]
        return condition(answers[0])

    wait_for(met, what, deadline)
    return answers[0]


USERS = itertools.count(1)
SHARDS = range(16)


@pytest.fixture
def user():
    """A function that gives a user whom no other test uses."""
    return lambda: f"u{secrets.token_hex(3)}-{next(USERS)}"


def say(api, status):
    return api.call("PUT", "/v1/presence", json={"status": status})


def states(api, *users):
    answer = api.get("/v1/presence", users=",".join(users))
    assert answer.status_code == 200, answer.text
    return {found["user_id"]: found for found in answer.json()["users"]}


def status(api, user):
    return states(api, user)[user]["status"]


def online(api):
    answer = api.get("/v1/presence/online")
    assert answer.status_code == 200, answer.text
    return {found["user_id"]: found["status"] for found in answer.json()["users"]}


def roster(api, ticket):
    answer = api.get(f"/v1/tickets/{ticket}/presence")
    assert answer.status_code == 200, answer.text
    found = answer.json()["users"]
    return None if found is None else {one["user_id"]: one["status"] for one in found}


def presence_key(stack, user):
    hash_value = 2166136261
    for byte in user.encode():
        hash_value = (hash_value ^ byte) * 16777619 % 2**32
    return f"bellhop:{{u{hash_value % 16}}}:presence:{user}"


def end_what_was_said(stack, user):
    """As if its minute were over."""
    r = stack.redis()
    key = presence_key(stack, user)
    seconds, micros = r.time()
    end = seconds * 1000 + micros // 1000
    said = r.hget(key, "api").decode().split()[1]
    r.hset(key, "api", f"{end} {said}")
    for name in ("online", "due", "away"):
        r.zadd(key.partition("presence")[0] + name, {user: end}, xx=True)
    return end


class TestWhatClientsSay:
    def test_online_away_offline(self, site, user):
        ann, me = user(), site.api("alice")
        api = site.api(ann)
        assert states(me, ann)[ann] == {"user_id": ann, "status": "offline", "last_seen": None}
        assert say(api, "online").status_code == 204
        assert states(me, ann)[ann] == {"user_id": ann, "status": "online", "last_seen": None}
        assert online(me)[ann] == "online"
        assert say(api, "away").status_code == 204
        assert status(me, ann) == "away" and online(me)[ann] == "away"
        assert say(api, "offline").status_code == 204
        found = states(me, ann)[ann]
        assert found["status"] == "offline" and found["last_seen"].endswith("Z")
        assert ann not in online(me)

    @pytest.mark.parametrize("body", [{}, {"status": "unknown"}, {"status": 1}, {"status": None}])
    def test_anything_else_is_refused(self, site, user, body):
        answer = site.api(user()).call("PUT", "/v1/presence", json=body)
        problem = check_problem(answer, 400, "invalid_field")
        assert problem["errors"][0]["pointer"] == "/status"

    def test_a_minute_later_it_does_not_hold(self, stack, site, user):
        ann, me = user(), site.api("alice")
        say(site.api(ann), "away")
        pubsub = stack.redis().pubsub(ignore_subscribe_messages=True)
        pubsub.subscribe("bellhop:system")
        wait_for(lambda: stack.redis().pubsub_numsub("bellhop:system")[0][1] > 0, "the subscription")
        end_what_was_said(stack, ann)
        assert status(me, ann) == "offline"

        def told():
            message = pubsub.get_message(timeout=0.1)
            return message and ann in message["data"].decode() and message["data"].decode()

        assert '"status":"offline"' in wait_for(told, "the archiver's notice")
        pubsub.close()


class TestReading:
    def test_many_in_the_order_asked_for_each_once(self, site, user):
        names = [user() for _ in range(200)]
        say(site.api(names[7]), "online")
        answer = site.api("alice").get("/v1/presence", users=",".join(names))
        found = [one["user_id"] for one in answer.json()["users"]]
        assert found == names
        assert [one["status"] for one in answer.json()["users"]].count("online") == 1
        twice = site.api("alice").get("/v1/presence", users=f"{names[1]},{names[0]},{names[1]}")
        assert [one["user_id"] for one in twice.json()["users"]] == [names[1], names[0]]

    @pytest.mark.parametrize("users", ["", "a,,b", "a b", "a/b", ",".join("x" * 201), "x" * 65])
    def test_a_bad_list_is_refused(self, site, users):
        check_problem(site.api("alice").get("/v1/presence", users=users), 400, "invalid_field")

    def test_no_list_is_refused(self, site):
        check_problem(site.api("alice").get("/v1/presence"), 400, "invalid_field")

    def test_everybody_is_for_staff(self, site):
        check_problem(site.api("rita", "requester").get("/v1/presence/online"), 403, "forbidden")

    def test_last_seen_outlives_redis(self, stack, site, user):
        ann, me = user(), site.api("alice")
        say(site.api(ann), "online")
        say(site.api(ann), "offline")
        seen = states(me, ann)[ann]["last_seen"]
        wait_for(lambda: stack.sql("SELECT 1 FROM bellhop.user_seen WHERE user_id = %s", ann), "the record")
        r = stack.redis()
        until(
            lambda: [r.zscore(f"bellhop:{{u{shard}}}:gone", ann) for shard in SHARDS],
            lambda scores: not any(scores),
            "nothing left to write",
        )
        r.delete(presence_key(stack, ann))
        assert states(me, ann)[ann] == {"user_id": ann, "status": "offline", "last_seen": seen}


class TestRequesters:
    def test_strangers_are_unknown(self, site, user, ticket):
        rita, ann, stranger = user(), user(), user()
        requester = site.api(rita, "requester", tickets=[ticket])
        for name in (ann, stranger, rita):
            say(site.api(name), "online")
        site.api(ann).sent(ticket, "hello")
        site.api(stranger).sent(f"{ticket}-other", "hello")
        found = states(requester, ann, stranger, rita)
        assert [found[name]["status"] for name in (ann, stranger, rita)] == ["online", "unknown", "online"]
        assert found[stranger]["last_seen"] is None

    def test_membership_counts_without_a_claim(self, site, user, ticket):
        rita, ann = user(), user()
        say(site.api(ann), "away")
        site.api(ann).sent(ticket, "hello")
        site.api(rita, "requester", tickets=[ticket]).sent(ticket, "hello")
        later = site.api(rita, "requester", tickets=[])
        assert status(later, ann) == "away"
        assert status(site.api(user(), "requester", tickets=[]), ann) == "unknown"

    def test_whoever_was_removed_is_a_stranger(self, stack, site, user, ticket):
        rita, ann = user(), user()
        say(site.api(ann), "online")
        site.api(ann).sent(ticket, "hello")
        requester = site.api(rita, "requester", tickets=[ticket])
        requester.sent(ticket, "hello")
        assert status(requester, ann) == "online"
        remove = "UPDATE bellhop.participant SET removed_at = now() WHERE ticket_id = %s AND user_id = %s"
        stack.sql(remove, ticket, rita)
        assert status(requester, ann) == "unknown"
        restore = "UPDATE bellhop.participant SET removed_at = NULL WHERE ticket_id = %s AND user_id = %s"
        stack.sql(restore, ticket, rita)
        assert status(requester, ann) == "online"
        stack.sql(remove, ticket, ann)
        assert status(requester, ann) == "unknown"


class TestRoster:
    def test_needs_permission(self, site, user, ticket):
        site.api("alice").sent(ticket, "hello")
        outsider = site.api(user(), "requester", tickets=[])
        check_problem(outsider.get(f"/v1/tickets/{ticket}/presence"), 403, "not_a_participant")
        assert roster(site.api(user(), "requester", tickets=[ticket]), ticket) == {}

    def test_of_a_ticket_that_has_not_begun(self, site, ticket):
        assert roster(site.api("alice"), ticket) == {}


class TestRedisAway:
    def test_everything_is_unknown(self, breakable, user, ticket):
        site, ann = breakable.site, user()
        me = site.api("alice")
        me.sent(ticket, "hello")
        breakable.kill("redis")
        try:
            until(
                lambda: states(me, ann)[ann],
                lambda found: found == {"user_id": ann, "status": "unknown", "last_seen": None},
                "unknown",
            )
            assert say(me, "online").status_code == 204
            for path in ("/v1/presence/online", f"/v1/tickets/{ticket}/presence"):
                assert me.get(path).json() == {"users": None}
        finally:
            breakable.start()
        until(lambda: status(me, ann), lambda found: found == "offline", "redis")

    def test_hello_does_not_tell_who_looked_before_redis_froze(self, breakable, user, ticket):
        """Connections to it stay open for a while; whoever has gone meanwhile would be told as looking."""
        ann, me = user(), breakable.site.api("alice")
        with breakable.site.api(ann).stream(ticket) as stream:
            stream.hello()
            until(lambda: roster(me, ticket), lambda found: ann in found, "the roster")
            breakable.freeze("redis")
            try:
                stream.wait_named("mode")
                with me.stream(ticket) as late:
                    hello = late.hello()
            finally:
                breakable.thaw("redis")
            assert hello["mode"] == "no-redis"
            assert (hello["tickets"][ticket]["typing"], hello["tickets"][ticket]["present"]) == (None, None)


GRACE, LEASE = 10, 30  # seconds: a page may take to load again; a process may be silent


class TestStreams:
    def test_online_with_the_first_offline_after_the_last(self, site, user, ticket):
        ann, me = user(), site.api("alice")
        with site.api(ann).stream(ticket) as first:
            first.hello()
            until(lambda: status(me, ann), lambda found: found == "online", "online")
            assert roster(me, ticket) == {ann: "online"}
            with site.api(ann).stream(f"{ticket}-b") as second:
                second.hello()
                until(lambda: roster(me, f"{ticket}-b"), lambda found: found == {ann: "online"}, "the roster")
                first.close()
                left_at = time.monotonic()
                until(lambda: roster(me, ticket), lambda found: found == {}, "the end of the roster", 20)
                assert time.monotonic() - left_at > GRACE - 1
                assert status(me, ann) == "online"
        left_at = time.monotonic()
        found = until(lambda: states(me, ann)[ann], lambda one: one["status"] == "offline", "offline", 20)
        assert GRACE - 1 < time.monotonic() - left_at < GRACE + 5
        assert found["last_seen"] is not None

    def test_a_page_that_loads_again_never_goes(self, stack, site, user, ticket):
        ann = user()
        pubsub = stack.redis().pubsub(ignore_subscribe_messages=True)
        pubsub.subscribe("bellhop:system", f"bellhop:live:{ticket}")
        told = []
        for _ in range(3):
            with site.api(ann).stream(ticket) as stream:
                stream.hello()
                until(lambda: roster(site.api("alice"), ticket), lambda found: ann in found, "the roster")
        with site.api(ann).stream(ticket) as stream:
            stream.hello()
            end = time.monotonic() + GRACE + 3
            while time.monotonic() < end:
                message = pubsub.get_message(timeout=0.5)
                if message and ann in message["data"].decode():
                    told.append(json.loads(message["data"])["status"])
        assert told == ["online", "online"], "once for all, once for the ticket"
        pubsub.close()

    def test_a_poll_counts_for_its_wait_and_fifteen_seconds(self, site, user, ticket):
        ann, me = user(), site.api("alice")
        asked_at = time.monotonic()
        site.api(ann).poll(ticket, wait=0)
        until(lambda: status(me, ann), lambda found: found == "online", "online")
        assert roster(me, ticket) == {ann: "online"}
        until(lambda: status(me, ann), lambda found: found == "offline", "offline", 30)
        assert 14 < time.monotonic() - asked_at < 20
        assert roster(me, ticket) == {}

    def test_away_counts_more_than_a_stream(self, site, user, ticket):
        ann, me = user(), site.api("alice")
        with site.api(ann).stream(ticket) as stream:
            stream.hello()
            until(lambda: status(me, ann), lambda found: found == "online", "online")
            say(site.api(ann), "away")
            assert status(me, ann) == "away" and roster(me, ticket) == {ann: "away"}
            say(site.api(ann), "offline")
            assert status(me, ann) == "online"

    def test_whoever_is_removed_is_gone_at_once(self, site, user, ticket):
        rita, me = user(), site.api("alice")
        requester = site.api(rita, "requester", tickets=[ticket])
        requester.sent(ticket, "hello")
        with requester.stream(ticket) as stream:
            stream.hello()
            until(lambda: roster(me, ticket), lambda found: rita in found, "the roster")
            assert me.call("DELETE", f"/v1/tickets/{ticket}/participants/{rita}").status_code == 204
            until(lambda: roster(me, ticket), lambda found: rita not in found, "the end", 3)

    def test_redis_comes_back_empty(self, breakable, user, ticket):
        site, ann = breakable.site, user()
        me = site.api("alice")
        with site.api(ann).stream(ticket) as stream:
            stream.hello()
            until(lambda: status(me, ann), lambda found: found == "online", "online")
            breakable.redis().flushall()
            until(lambda: status(me, ann), lambda found: found == "online", "online again")
            until(lambda: roster(me, ticket), lambda found: found == {ann: "online"}, "the roster again")
            breakable.kill("redis")
            breakable.wipe("redis")
            breakable.start()
            until(lambda: status(me, ann), lambda found: found == "online", "online again")


@pytest.fixture
def pair(two_pushes):
    return two_pushes.start()


def tickets_of_both(stack, ticket):
    """Tickets whose streams go to one push process and to the other."""
    found = {}
    for number in itertools.count():
        name = f"{ticket}-{number}"
        before = {push: stack.log(push).count("poll ended") for push in ("push", "push2")}
        stack.site.api("alice").poll(name, wait=0)
        wait_for(
            lambda: [p for p in before if stack.log(p).count("poll ended") > before[p]], "the poll's log line"
        )
        for push in before:
            if stack.log(push).count("poll ended") > before[push]:
                found.setdefault(push, name)
        if len(found) == 2:
            return found["push"], found["push2"]


class TestTwoProcesses:
    def test_online_while_either_has_a_stream(self, pair, user, ticket):
        one, two = tickets_of_both(pair, ticket)
        ann, me = user(), pair.site.api("alice")
        with pair.site.api(ann).stream(one) as first, pair.site.api(ann).stream(two) as second:
            first.hello(), second.hello()
            until(lambda: (roster(me, one), roster(me, two)), lambda found: ann in found[0] and ann in found[1], "both")
            first.close()
            until(lambda: roster(me, one), lambda found: ann not in found, "the end of one", 20)
            assert status(me, ann) == "online" and ann in roster(me, two)
            second.close()
            until(lambda: status(me, ann), lambda found: found == "offline", "offline", 20)

    def test_a_killed_process_is_forgotten_within_one_lease(self, pair, user, ticket):
        one, two = tickets_of_both(pair, ticket)
        both, lost, me = user(), user(), pair.site.api("alice")
        streams = [pair.site.api(both).stream(one), pair.site.api(both).stream(two), pair.site.api(lost).stream(two)]
        for stream in streams:
            stream.hello()
        until(lambda: set(roster(me, two)), lambda found: {both, lost} <= found, "the roster")
        for pid in [pair.pid("push2"), *pair.children("push2")]:
            os.kill(pid, signal.SIGKILL)
        killed_at = time.monotonic()
        found = until(lambda: states(me, lost)[lost], lambda one: one["status"] == "offline", "offline", 45)
        assert time.monotonic() - killed_at < 33 and found["last_seen"] is not None
        until(lambda: roster(me, two), lambda left: not {both, lost} & set(left), "the end of the roster", 5)
        assert status(me, both) == "online"
        for stream in streams:
            stream.close()


def told(stream, user, ticket=None):
    """What a stream was told of a user: at all, or of looking at its ticket."""
    found = [event.data for event in stream.named("presence") if event.data["user_id"] == user]
    return [data["status"] for data in found if data.get("ticket_id") == ticket]


class TestFaults:
    def test_a_new_push_process_is_no_absence(self, breakable, user, ticket):
        site, ann = breakable.site, user()
        me = site.api("alice")
        pubsub = breakable.redis().pubsub(ignore_subscribe_messages=True)
        pubsub.subscribe("bellhop:system", f"bellhop:live:{ticket}")
        follower = Follower(site.api(ann), ticket)
        until(lambda: roster(me, ticket), lambda found: ann in found, "the roster")
        os.kill(breakable.pid("push"), signal.SIGUSR2)
        wait_for(lambda: follower.connections == 2, "the stream to come back")
        told_statuses = []
        end = time.monotonic() + LEASE + 3
        while time.monotonic() < end:
            message = pubsub.get_message(timeout=0.5)
            if message and ann in message["data"].decode():
                told_statuses.append(json.loads(message["data"])["status"])
        follower.close()
        pubsub.close()
        assert told_statuses == ["online", "online"], "once for all, once for the ticket"

    def test_without_postgresql(self, breakable, user, ticket):
        site, ann, bob = breakable.site, user(), user()
        me = site.api("alice")
        me.sent(ticket, "hello")
        requester = site.api(user(), "requester", tickets=[ticket])
        with me.stream(ticket) as stream, site.api(ann).stream(ticket) as other:
            stream.hello(), other.hello()
            until(lambda: status(me, ann), lambda found: found == "online", "online")
            breakable.kill("postgres", signal.SIGINT)
            try:
                say(site.api(bob), "away")
                assert status(me, bob) == "away"
                assert status(requester, ann) == "unknown", "who shares a ticket cannot be told"
                end_what_was_said(breakable, bob)
                other.close()
                stream.wait(lambda s: told(s, ann, ticket)[-1:] == ["offline"], "that ann looks no longer", 20)
                stream.wait(lambda s: told(s, ann)[-1:] == ["offline"], "that ann is gone")
                found = states(me, ann, bob)
                assert [found[one]["status"] for one in (ann, bob)] == ["offline", "offline"]
                assert found[ann]["last_seen"] is not None
            finally:
                breakable.start()
        wait_for(lambda: breakable.sql("SELECT 1 FROM bellhop.user_seen WHERE user_id = %s", ann), "the record", 30)

    def test_without_the_archiver_what_is_over_is_over(self, breakable, user, ticket):
        site, ann = breakable.site, user()
        me = site.api("alice")
        breakable.stop("archive")
        try:
            say(site.api(ann), "away")
            end_what_was_said(breakable, ann)
            assert status(me, ann) == "offline" and ann not in online(me)
        finally:
            breakable.start()


class TestEvents:
    def test_watchers_of_a_ticket_hear_of_its_people(self, site, user, ticket):
        ann, bob, stranger, me = user(), user(), user(), site.api("alice")
        site.api(ann).sent(ticket, "hello")
        with me.stream(ticket) as stream:
            stream.hello()
            until(lambda: roster(me, ticket), lambda found: "alice" in found, "the roster")
            say(site.api(ann), "online")
            stream.wait(lambda s: told(s, ann) == ["online"], "ann's presence")
            say(site.api(ann), "away")
            stream.wait(lambda s: told(s, ann) == ["online", "away"], "ann's presence")
            # Whoever speaks belongs from then on, and nobody hears of strangers.
            site.api(bob).sent(ticket, "hello")
            stream.wait_messages(1)
            say(site.api(stranger), "online")
            say(site.api(bob), "online")
            stream.wait(lambda s: told(s, bob) == ["online"], "bob's presence")
            assert told(stream, stranger) == []
            say(site.api(ann), "offline")
            event = stream.wait(lambda s: told(s, ann)[-1] == "offline" and s.named("presence")[-1], "ann's end")
            assert event.data["last_seen"] is not None and event.id is None

    def test_participants_come_and_go(self, site, user, ticket):
        ann, me = user(), site.api("alice")
        me.sent(ticket, "hello")
        with me.stream(ticket) as stream:
            stream.hello()
            path = f"/v1/tickets/{ticket}/participants/{ann}"
            assert me.call("PUT", path, json={"role": "agent"}).status_code == 200
            stream.wait_named("participant")
            say(site.api(ann), "online")
            stream.wait(lambda s: told(s, ann) == ["online"], "ann's presence")
            assert me.call("DELETE", path).status_code == 204
            stream.wait(lambda s: len(s.named("participant")) == 2, "the removal")
            say(site.api(ann), "away")
            say(me, "away")
            stream.wait(lambda s: told(s, "alice")[-1:] == ["away"], "one's own presence")
            assert told(stream, ann) == ["online"]
        say(me, "offline")

    def test_looking_is_told_with_the_ticket(self, site, user, ticket):
        ann, rita, me = user(), user(), site.api("alice")
        requester = site.api(rita, "requester", tickets=[ticket])
        with requester.stream(ticket) as stream, requester.stream(f"{ticket}", since=0) as second:
            stream.hello(), second.hello()
            with site.api(ann).stream(ticket) as other:
                other.hello()
                for one in (stream, second):
                    one.wait(lambda s: told(s, ann, ticket) == ["online"], "that ann looks")
                # She looks, so what becomes of her presence is told, too.
                say(site.api(ann), "away")
                stream.wait(lambda s: told(s, ann)[-1:] == ["away"], "that she is away")
                say(site.api(ann), "offline")
            stream.wait(lambda s: told(s, ann, ticket) == ["online", "offline"], "that she looks no longer", 20)
            stream.wait(lambda s: told(s, ann)[-1:] == ["offline"], "that she is gone")

    def test_a_poll_is_told_only_where_it_asks_for_it(self, site, user, ticket):
        ann = user()
        site.api(ann).sent(ticket, "hello")
        api = site.api("alice")
        cursor = api.poll(ticket)["cursor"]
        answers = {}

        def ask(name, **params):
            answers[name] = api.poll(ticket, cursor=cursor, wait=3, **params)["events"]

        threads = [
            threading.Thread(target=ask, args=("plain",)),
            threading.Thread(target=ask, args=("all",), kwargs={"ephemeral": 1}),
        ]
        for thread in threads:
            thread.start()
        until(lambda: roster(site.api("carl"), ticket), lambda found: "alice" in found, "the poll")
        say(site.api(ann), "online")
        for thread in threads:
            thread.join()
        assert answers["plain"] == []
        assert {event["event"] for event in answers["all"]} == {"presence"}

    def test_over_two_processes(self, pair, user, ticket):
        one, two = tickets_of_both(pair, ticket)
        ann, me = user(), pair.site.api("alice")
        for name in (one, two):
            pair.site.api(ann).sent(name, "hello")
        with me.stream(one) as first, me.stream(two) as second:
            first.hello(), second.hello()
            say(pair.site.api(ann), "away")
            for stream in (first, second):
                stream.wait(lambda s: told(s, ann) == ["away"], "ann's presence")
