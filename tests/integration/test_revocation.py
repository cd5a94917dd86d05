# SPDX-License-Identifier: BSD-2-Clause
"""Revocations: of one token, of all that a user was given, everywhere within a second, whatever is away."""

import os
import signal
import threading
import time
import uuid

import psycopg2
import pytest
from client import check_problem, until, wait_for

REFUSED = (401, "token_revoked")


@pytest.fixture
def user():
    return f"user-{uuid.uuid4().hex[:12]}"


def admin(site):
    return site.api("root", "admin")


def revoke(api, **body):
    return api.call("POST", "/v1/revocations", json=body)


def begin_anew(stack, name):
    """Other processes in the place of a master's children, who remember nothing."""
    before = stack.children(name)
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    wait_for(
        lambda: len(stack.children(name)) == len(before) and not set(before) & set(stack.children(name)), "new children"
    )


def refused_soon(call):
    answer = until(call, lambda answer: answer.status_code == 401, "the refusal")
    check_problem(answer, *REFUSED)


def later(user, site, **claims):
    """A token that is issued after the second that now is."""
    now = int(time.time())
    return site.api(user, iat=now + 2, **claims)


def test_one_token(site, ticket, user):
    lost, kept = site.api(user, jti=f"lost-{user}"), site.api(user, jti=f"kept-{user}")
    assert lost.send(ticket, "before").status_code == 201
    assert revoke(admin(site), jti=f"lost-{user}").status_code == 204
    for method, path in (
        ("GET", f"/v1/tickets/{ticket}/messages"),
        ("GET", f"/v1/tickets/{ticket}"),
        ("GET", f"/v1/tickets/{ticket}/poll"),
        ("GET", "/v1/auth"),
    ):
        # Each worker and each process has a list of its own.
        refused_soon(lambda method=method, path=path: lost.call(method, path))
    assert kept.send(ticket, "of another token").status_code == 201
    assert [message["content"] for message in kept.history(ticket)] == ["before", "of another token"]


def test_no_worker_lets_it_in_after_a_second(stack, site, ticket, user):
    api = site.api(user, jti=user)
    api.page(ticket)
    assert revoke(admin(site), jti=user).status_code == 204
    told = time.monotonic()
    refused_soon(lambda: api.get(f"/v1/tickets/{ticket}/messages"))
    wait_for(lambda: time.monotonic() > told + 1, "a second")
    for _ in range(40):
        check_problem(api.send(ticket, "after"), *REFUSED)
    assert site.api("anna").history(ticket) == []


def test_a_user(site, ticket, user):
    api, other = site.api(user), site.api("anna")
    without_iat = site.api(user, iat=None)
    assert revoke(admin(site), user_id=user).status_code == 204
    refused_soon(lambda: api.get(f"/v1/tickets/{ticket}/messages"))
    refused_soon(lambda: without_iat.get(f"/v1/tickets/{ticket}/messages"))
    assert other.get(f"/v1/tickets/{ticket}/messages").status_code == 200
    assert later(user, site).get(f"/v1/tickets/{ticket}/messages").status_code == 200


def test_open_streams_end(site, ticket, user):
    anna = site.api("anna").stream(ticket)
    one, two = site.api(user, jti=user).stream(ticket), site.api(user).stream(ticket)
    for stream in (anna, one, two):
        stream.hello()
    revoke(admin(site), jti=user)
    assert one.wait_named("bye").data["code"] == "token_revoked"
    one.ended.wait()
    assert not two.named("bye")
    revoke(admin(site), user_id=user)
    assert two.wait_named("bye").data["code"] == "token_revoked"
    site.api("anna").sent(ticket, "goes on")
    anna.wait_messages(1)
    again = site.api(user, jti=user).stream(ticket)
    assert again.status == 401


def test_a_waiting_poll_ends(site, ticket, user):
    api = site.api(user)
    cursor = api.poll(ticket)["cursor"]
    other = site.api("root", "admin")
    began = time.monotonic()
    answers = []
    thread = threading.Thread(
        target=lambda: answers.append(api.get(f"/v1/tickets/{ticket}/poll", cursor=cursor, wait=55))
    )
    thread.start()
    wait_for(lambda: time.monotonic() > began + 0.3, "the poll to wait")
    revoke(other, user_id=user)
    thread.join(20)
    check_problem(answers[0], *REFUSED)
    assert 'error="invalid_token"' in answers[0].headers["WWW-Authenticate"]
    refused_soon(lambda: api.get(f"/v1/tickets/{ticket}/poll", cursor=cursor))


@pytest.mark.parametrize(
    "body",
    [{}, {"jti": ""}, {"jti": 1}, {"user_id": "a b"}, {"jti": "x", "user_id": "y"}, {"jti": None}, {"user": "anna"}],
    ids=str,
)
def test_bad_bodies(site, body):
    check_problem(revoke(admin(site), **body), 400, "invalid_field")


@pytest.mark.parametrize("role", ["requester", "agent"])
def test_only_services_and_admins(site, role):
    check_problem(revoke(site.api("anna", role), user_id="bob"), 403, "forbidden")
    assert revoke(site.api("site", "service"), jti=uuid.uuid4().hex).status_code == 204


def test_while_redis_is_away_and_after_it_was_emptied(breakable, ticket, user):
    site = breakable.site
    api, stream = site.api(user), site.api(user).stream(ticket)
    stream.hello()
    breakable.stop("redis")
    assert revoke(admin(site), user_id=user).status_code == 204
    assert stream.wait_named("bye").data["code"] == "token_revoked"
    refused_soon(lambda: api.get(f"/v1/tickets/{ticket}/messages"))
    breakable.wipe("redis")
    breakable.start()
    refused_soon(lambda: breakable.site.api(user, iat=int(time.time()) - 60).get(f"/v1/tickets/{ticket}/messages"))


def test_daemons_that_start_without_postgres_know_it_from_redis(breakable, ticket, user):
    site = breakable.site
    api = site.api(user)
    site.api("anna").sent(ticket, "there")
    revoke(admin(site), user_id=user)
    wait_for(lambda: breakable.redis().hexists("bellhop:revoked", f"u{user}"), "the copy")
    breakable.redis().delete("bellhop:revoked")
    wait_for(
        lambda: breakable.redis().hexists("bellhop:revoked", f"u{user}")
        and breakable.redis().hexists("bellhop:revoked", "whole"),
        "a new copy",
    )
    breakable.stop("postgres")
    for name in ("api", "push"):
        begin_anew(breakable, name)
    check_problem(api.get(f"/v1/tickets/{ticket}/messages"), *REFUSED)
    assert api.stream(ticket).status == 401
    # Somebody else's window is read as before.
    until(
        lambda: site.api("anna").get(f"/v1/tickets/{ticket}/messages"),
        lambda answer: answer.status_code == 200,
        "the window",
    )


def test_nobody_is_let_in_where_no_list_can_be_had(breakable, ticket):
    site = breakable.site
    site.api("anna").sent(ticket, "there")
    breakable.stop("postgres")
    breakable.stop("archive")
    breakable.redis().delete("bellhop:revoked")
    for name in ("api", "push"):
        begin_anew(breakable, name)
    check_problem(site.api("anna").get(f"/v1/tickets/{ticket}/messages"), 503, "unavailable")
    assert site.api("anna").stream(ticket).wait_named("bye").data["code"] == "unavailable"


def test_while_postgres_is_away_nothing_can_be_revoked(breakable, user):
    breakable.stop("postgres")
    answer = until(
        lambda: revoke(admin(breakable.site), user_id=user), lambda answer: answer.status_code != 204, "503"
    )
    check_problem(answer, 503, "unavailable")


def test_what_no_token_can_need_is_dropped(stack, site, user):
    assert revoke(admin(site), jti=user).status_code == 204
    (days,) = stack.sql(
        "SELECT extract(day FROM expires_at - revoked_at) FROM bellhop.revocation WHERE jti = %s", user
    )[0]
    assert days >= 366


def test_what_is_dropped_is_in_the_copy_no_longer(breakable, user):
    old, kept = f"old-{user}", f"kept-{user}"
    for jti in (old, kept):
        revoke(admin(breakable.site), jti=jti)
    wait_for(lambda: breakable.redis().hexists("bellhop:revoked", f"j{kept}"), "the copy")
    breakable.sql("UPDATE bellhop.revocation SET expires_at = now() WHERE jti = %s", old)
    breakable.stop("archive")
    breakable.start()
    wait_for(lambda: not breakable.redis().hexists("bellhop:revoked", f"j{old}"), "the end of the old one")
    wait_for(
        lambda: breakable.redis().hexists("bellhop:revoked", f"j{kept}")
        and breakable.redis().hexists("bellhop:revoked", "whole"),
        "a new copy",
    )
    assert not breakable.redis().hexists("bellhop:revoked", f"j{old}")


def test_processes_forget_what_no_token_can_need(breakable, ticket, user):
    site = breakable.site
    site.api("anna").sent(ticket, "there")
    old, kept = (site.api(user, jti=f"{name}-{user}") for name in ("old", "kept"))
    for name in ("old", "kept"):
        revoke(admin(site), jti=f"{name}-{user}")
    # The archiver, which might drop it from the record, is not what this is about.
    breakable.stop("archive")
    breakable.sql(
        "UPDATE bellhop.revocation SET expires_at = clock_timestamp() + interval '5 s' WHERE jti = %s", f"old-{user}"
    )
    for name in ("api", "push"):
        begin_anew(breakable, name)
    for path in ("messages", "poll"):

        def look(api, path=path):
            return api.get(f"/v1/tickets/{ticket}/{path}")

        until(lambda: look(old), lambda answer: answer.status_code == 200, "the end of the revocation")  # noqa: B023
        over = "SELECT expires_at < clock_timestamp() FROM bellhop.revocation WHERE jti = %s"
        assert breakable.sql(over, f"old-{user}") == [(True,)]
        check_problem(look(kept), *REFUSED)


def test_the_longest_jti_counts_for_daemons_that_start_without_postgres(breakable, ticket, user):
    site = breakable.site
    jti = f"{user:x<128}"
    assert len(jti) == 128
    site.api("anna").sent(ticket, "there")
    revoke(admin(site), jti=jti)
    wait_for(lambda: breakable.redis().hexists("bellhop:revoked", f"j{jti}"), "the copy")
    breakable.stop("postgres")
    for name in ("api", "push"):
        begin_anew(breakable, name)
    api = site.api(user, jti=jti)
    check_problem(api.get(f"/v1/tickets/{ticket}/messages"), *REFUSED)
    assert api.stream(ticket).status == 401


def test_while_redis_is_frozen_and_once_it_is_empty(breakable, ticket, user):
    site = breakable.site
    site.api("anna").sent(ticket, "there")
    frozen, emptied = (site.api(user, jti=f"{name}-{user}") for name in ("f", "e"))
    stream, other = frozen.stream(ticket), emptied.stream(ticket)
    stream.hello()
    other.hello()
    breakable.freeze("redis")
    try:
        assert revoke(admin(site), jti=f"f-{user}").status_code == 204
        assert stream.wait_named("bye").data["code"] == "token_revoked"
        refused_soon(lambda: frozen.get(f"/v1/tickets/{ticket}/messages"))
    finally:
        breakable.thaw("redis")
    until(
        lambda: admin(site).get("/v1/healthz"), lambda answer: answer.headers["Bellhop-Mode"] == "full", "full mode"
    )
    breakable.redis().flushall()
    assert revoke(admin(site), jti=f"e-{user}").status_code == 204
    assert other.wait_named("bye").data["code"] == "token_revoked"
    for api in (frozen, emptied):
        refused_soon(lambda api=api: api.get(f"/v1/tickets/{ticket}/messages"))
        check_problem(api.get(f"/v1/tickets/{ticket}/poll"), *REFUSED)


def test_the_list_that_is_held_stays_in_force_without_postgres(breakable, ticket, user):
    site = breakable.site
    site.api("anna").sent(ticket, "there")
    api, other = site.api(user, jti=user), site.api(f"{user}-2")
    assert revoke(admin(site), jti=user).status_code == 204
    assert revoke(admin(site), user_id=f"{user}-2").status_code == 204
    told = time.monotonic()
    # Meanwhile nobody asks any worker anything; each looks by itself, all of them on a machine that has much to do.
    wait_for(lambda: time.monotonic() > told + 3, "three seconds")
    breakable.stop("postgres")
    for _ in range(20):
        for one in (api, other):
            check_problem(one.get(f"/v1/tickets/{ticket}/messages"), *REFUSED)
    for one in (api, other):
        check_problem(one.get(f"/v1/tickets/{ticket}/poll"), *REFUSED)
        assert one.stream(ticket).status == 401


def test_every_push_process_ends_its_streams(two_pushes, ticket, user):
    site = two_pushes.site
    streams = [site.api(user, jti=user).stream(f"{ticket}-{number}") for number in range(16)]
    for stream in streams:
        stream.hello()
    assert revoke(admin(site), jti=user).status_code == 204
    for stream in streams:
        assert stream.wait_named("bye").data["code"] == "token_revoked"
    # With so many tickets neither is left out.
    for push in ("push", "push2"):
        wait_for(lambda push=push: "token_revoked" in two_pushes.log(push), f"a stream of {push}")


@pytest.fixture
def many_revoked(breakable):
    """As many others as a site may have in a year, for daemons to read; the next tests' daemons need not."""
    breakable.sql(
        "INSERT INTO bellhop.revocation (jti, revoked_at, expires_at)"
        " SELECT 'other-' || n, now(), now() + interval '366 days' FROM generate_series(1, 20000) n"
    )
    yield
    breakable.sql("DELETE FROM bellhop.revocation WHERE jti LIKE 'other-%'")


def test_of_very_many_the_last_is_known_before_anybody_is_let_in(breakable, many_revoked, ticket, user):
    site = breakable.site
    site.api("anna").sent(ticket, "there")
    api = site.api(user, jti=user)
    assert revoke(admin(site), jti=user).status_code == 204
    for name in ("api", "push"):
        begin_anew(breakable, name)
    # A list of which more is to come lets nobody in.
    for call in (lambda: api.get(f"/v1/tickets/{ticket}/messages"), lambda: api.get(f"/v1/tickets/{ticket}/poll")):
        answer = until(call, lambda answer: answer.status_code not in (502, 503), "an answer")
        check_problem(answer, *REFUSED)
    until(
        lambda: site.api("anna").get(f"/v1/tickets/{ticket}/messages"),
        lambda answer: answer.status_code == 200,
        "somebody else's",
    )
    assert "no sign of life" not in breakable.log("api")


def test_a_page_of_the_list_is_planned_for_what_it_is(breakable, many_revoked):
    """Where the planner expects very much of it, each page is compiled first, which takes a quarter of a second."""
    at = breakable.owner_url.partition("@")[2]
    connection = psycopg2.connect(f"postgresql://admin:{breakable.admin_password}@{at}")
    try:
        with connection.cursor() as cursor:

            def seen():
                cursor.execute(
                    "SELECT query FROM pg_stat_activity"
                    " WHERE query LIKE '%bellhop.revocation %' AND pid <> pg_backend_pid()"
                )
                rows = cursor.fetchall()
                connection.rollback()
                return rows

            query = wait_for(seen, "somebody who reads it")[0][0]
            cursor.execute(f"PREPARE page (bigint, bigint) AS {query}")
            cursor.execute("EXPLAIN (FORMAT JSON) EXECUTE page (5000, 1000)")
            (plan,) = cursor.fetchone()[0]
    finally:
        connection.close()
    assert plan["Plan"]["Total Cost"] < 10000, plan
