# SPDX-License-Identifier: BSD-2-Clause
"""How often a user may call: what is let in and refused, by whom it is counted, and what answers say of it."""

import contextlib
import os
import re
import shutil
import signal
import tempfile
import time
import uuid

import fcgi_client
import pytest
from client import DEADLINE, check_problem, wait_for
from daemon import Daemon
from stack import Stack, is_gone

WORKERS = 2
# An hour for the whole: however slow the machine is, nobody gets a call back within a test.
SENDS, CALLS = 5, 8
SLOW = {"SENDS": f"{SENDS}/3600", "CALLS": f"{CALLS}/3600", "DRY_RUN": "no"}


def configure(stack, **settings):
    """Writes limits into the settings file, and has the daemons read it: HUP reaches each process by itself."""
    with open(stack.config) as file:
        kept = [line for line in file if not line.startswith("BELLHOP_LIMIT_")]
    with open(stack.config, "w") as file:
        file.writelines(kept)
        file.writelines(f"BELLHOP_LIMIT_{name}={text}\n" for name, text in settings.items())
    for name, processes in (("api", WORKERS + 1), ("push", 2)):
        before = stack.log(name).count("settings reloaded")
        os.kill(stack.pid(name), signal.SIGHUP)
        wait_for(lambda: stack.log(name).count("settings reloaded") >= before + processes, f"{name}'s reload")  # noqa: B023


@pytest.fixture(scope="module")
def limited_stack():
    env = {"BELLHOP_LIMIT_SENDS": None, "BELLHOP_LIMIT_CALLS": None, "BELLHOP_API_WORKERS": str(WORKERS)}
    directory = tempfile.mkdtemp(prefix="bellhop-test-")
    with Stack(directory, env=env) as stack:
        yield stack
    shutil.rmtree(directory)


@pytest.fixture
def limited(limited_stack):
    """All of it runs, under limits that no test gets a call back from."""
    limited_stack.start()
    configure(limited_stack, **SLOW)
    return limited_stack


def sends(api, ticket, count):
    """The statuses of so many sends."""
    return [api.send(ticket, f"number {number}").status_code for number in range(count)]


def used_up(count, limit=SENDS):
    return [201] * limit + [429] * (count - limit)


def check_refusal(answer, policy, most_s):
    check_problem(answer, 429, "rate_limited")
    left = re.fullmatch(rf'"{policy}";r=0;t=(\d+)', answer.headers["RateLimit"])
    assert answer.headers["Retry-After"] == left[1] and 1 <= int(left[1]) <= most_s


# ---- what is let in


def test_a_burst_is_let_in_and_then_refused(limited, ticket):
    api = limited.site.api("ann-" + ticket)
    for left in reversed(range(SENDS)):
        answer = api.send(ticket, f"{left} are left")
        assert answer.status_code == 201
        assert answer.headers["RateLimit-Policy"] == f'"sends";q={SENDS};w=3600'
        assert re.fullmatch(rf'"sends";r={left};t=\d+', answer.headers["RateLimit"])
    answer = api.send(ticket, "one too many")
    check_refusal(answer, "sends", 3600 // SENDS)
    assert answer.headers["RateLimit-Policy"] == f'"sends";q={SENDS};w=3600'
    assert "one too many" not in [message["content"] for message in api.history(ticket)]


def test_who_waits_as_told_is_let_in(limited, ticket):
    configure(limited, SENDS="2/2")
    api = limited.site.api("ann-" + ticket)
    answer = api.send(ticket, "hello")
    while answer.status_code == 201:
        answer = api.send(ticket, "hello")
    end = time.monotonic() + int(answer.headers["Retry-After"])
    wait_for(lambda: time.monotonic() >= end, "the time to wait")
    assert api.send(ticket, "hello").status_code == 201


def test_users_and_policies_are_counted_apart(limited, ticket):
    ann, bob = limited.site.api("ann-" + ticket), limited.site.api("bob-" + ticket)
    assert sends(ann, ticket, SENDS + 1) == used_up(SENDS + 1)
    calls = [ann.get("/v1/unread").status_code for _ in range(CALLS + 1)]
    assert calls == [200] * CALLS + [429]
    check_refusal(ann.get("/v1/unread"), "calls", 3600 // CALLS)
    assert sends(bob, ticket, SENDS + 1) == used_up(SENDS + 1)
    answer = bob.get("/v1/unread")
    assert answer.headers["RateLimit-Policy"] == f'"calls";q={CALLS};w=3600'
    # Whoever asks under another role or token is the same user.
    assert limited.site.api("ann-" + ticket, role="admin").send(ticket, "again").status_code == 429


def test_services_are_exempt(limited, ticket):
    api = limited.site.api("site-" + ticket, role="service")
    for number in range(2 * SENDS):
        answer = api.send(ticket, f"number {number}")
        assert answer.status_code == 201
        assert "RateLimit" not in answer.headers and "RateLimit-Policy" not in answer.headers
    assert {api.get("/v1/unread").status_code for _ in range(2 * CALLS)} == {200}


def test_each_limit_can_be_off(limited, ticket):
    configure(limited, SENDS="0", CALLS=f"{CALLS}/3600")
    api = limited.site.api("ann-" + ticket)
    answer = api.send(ticket, "hello")
    assert answer.status_code == 201 and "RateLimit" not in answer.headers
    assert sends(api, ticket, 25) == [201] * 25  # more than the default, too
    assert "RateLimit" in api.get("/v1/unread").headers
    assert not limited.redis().exists(f"bellhop:rate:sends:ann-{ticket}")


def test_the_defaults_are_those_of_the_contract(limited, ticket):
    configure(limited)
    api = limited.site.api("ann-" + ticket)
    assert api.send(ticket, "hello").headers["RateLimit-Policy"] == '"sends";q=20;w=10'
    assert api.get("/v1/unread").headers["RateLimit-Policy"] == '"calls";q=120;w=10'


# ---- what is counted


def left_of(answer):
    return re.match(r'"(\w+)";r=(\d+);', answer.headers["RateLimit"]).groups()


def test_what_counts_as_what(limited, ticket):
    api = limited.site.api("ann-" + ticket, role="requester", tickets=[ticket])
    first = api.send(ticket, "hello", client_msg_id="once")
    again = api.send(ticket, "hello", client_msg_id="once")
    assert again.status_code == 200 and again.headers["Idempotent-Replayed"] == "true"
    assert [left_of(first), left_of(again)] == [("sends", "4"), ("sends", "3")]
    notice = api.call("POST", f"/v1/tickets/{ticket}/system-messages", json={"content": "no"})
    assert notice.status_code == 403 and left_of(notice) == ("sends", "2")
    bad = api.call("POST", f"/v1/tickets/{ticket}/messages", data=b"{")
    assert bad.status_code == 415 and left_of(bad) == ("sends", "1")
    message = f"/v1/tickets/{ticket}/messages/1"
    answers = [
        api.call("PATCH", message, json={"content": "hello there"}),
        api.get(message),
        api.call("DELETE", message),
        api.call("POST", f"/v1/tickets/{ticket}/typing", json={"typing": True}),
        api.get("/v1/presence/online"),
        api.get("/v1/tickets/no-ticket-of-mine"),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 204, 403, 403]
    assert [left_of(answer) for answer in answers] == [("calls", str(CALLS - 1 - i)) for i in range(len(answers))]


def test_what_does_not_count(limited, ticket):
    api = limited.site.api("ann-" + ticket)
    for path in ("/v1/auth", "/v1/healthz", "/v1/readyz", "/v1/openapi.yaml", "/v1/nothing"):
        answers = [api.get(path) for _ in range(CALLS + 1)]
        assert {answer.status_code for answer in answers} <= {200, 204, 404}, path
        assert not any("RateLimit" in answer.headers for answer in answers), path
    stranger = limited.site.api("ann-" + ticket, ttl=-3600)
    assert {stranger.get("/v1/unread").status_code for _ in range(CALLS + 1)} == {401}
    assert left_of(api.get("/v1/unread")) == ("calls", str(CALLS - 1))


def test_a_page_of_another_site_cannot_use_it_up(limited, ticket):
    """What is refused for where it comes from is not the user's doing."""
    user = "ann-" + ticket
    cookie = {"Cookie": "__Host-bellhop=" + limited.site.token(user), "Origin": "https://elsewhere.example"}
    nobody = limited.site.api(user)
    del nobody.session.headers["Authorization"]
    for _ in range(SENDS + 1):
        assert check_problem(nobody.send(ticket, "hello", headers=cookie), 403, "csrf")
    assert sends(limited.site.api(user), ticket, 1) == [201]


# ---- polls and streams


def polls(api, ticket, count):
    """The statuses of so many polls."""
    return [api.get(f"/v1/tickets/{ticket}/poll", wait=0).status_code for _ in range(count)]


def test_polls_count_as_calls(limited, ticket):
    api = limited.site.api("ann-" + ticket)
    assert left_of(api.get("/v1/unread")) == ("calls", str(CALLS - 1))
    answer = api.get(f"/v1/tickets/{ticket}/poll", wait=0)
    assert answer.status_code == 200 and left_of(answer) == ("calls", str(CALLS - 2))
    assert left_of(api.get("/v1/poll", tickets=ticket, wait=0)) == ("calls", str(CALLS - 3))
    assert polls(api, ticket, CALLS - 2) == [200] * (CALLS - 3) + [429]
    answer = api.get("/v1/poll", tickets=ticket, wait=0)
    check_refusal(answer, "calls", 3600 // CALLS)
    assert answer.headers["RateLimit-Policy"] == f'"calls";q={CALLS};w=3600'
    assert api.get("/v1/unread").status_code == 429
    assert polls(limited.site.api("site", role="service"), ticket, CALLS + 2) == [200] * (CALLS + 2)
    foreign = limited.site.api("bob-" + ticket, role="requester", tickets=[])
    answers = [foreign.get(f"/v1/tickets/{ticket}/poll", wait=0) for _ in range(CALLS + 1)]
    assert [answer.status_code for answer in answers] == [403] * CALLS + [429]
    assert left_of(answers[0]) == ("calls", str(CALLS - 1))


def test_polls_with_a_bad_query_count(limited, ticket):
    api = limited.site.api("ann-" + ticket)
    answers = [api.get("/v1/poll", tickets=ticket, wait="soon") for _ in range(CALLS + 1)]
    assert [answer.status_code for answer in answers] == [400] * CALLS + [429]
    check_problem(answers[0], 400, "invalid_field")
    assert left_of(answers[0]) == ("calls", str(CALLS - 1))


def test_polls_in_a_dry_run_and_without_a_limit(limited, ticket):
    configure(limited, **{**SLOW, "DRY_RUN": "yes"})
    api = limited.site.api("ann-" + ticket)
    assert polls(api, ticket, CALLS + 3) == [200] * (CALLS + 3)
    said = [line for line in limited.log("push").splitlines() if "would have refused" in line]
    assert any("policy=calls" in line and "ann-" + ticket in line for line in said)
    configure(limited, CALLS="0")
    assert "RateLimit" not in api.get(f"/v1/tickets/{ticket}/poll", wait=0).headers


def test_streams_are_not_counted(limited, ticket):
    api = limited.site.api("ann-" + ticket)
    assert polls(api, ticket, CALLS + 1)[-1] == 429
    for _ in range(CALLS + 1):
        with api.stream(ticket) as stream:
            stream.hello()
            assert "RateLimit" not in stream.headers


def first_events(path, uri, token, connections):
    """Opens a stream at a push process' own socket, leaves it open, and returns what came until its first event."""
    connection = connections.enter_context(fcgi_client.Connection(path))
    connection.request(fcgi_client.cgi_params("GET", uri, {"Authorization": "Bearer " + token}))
    seen = b""
    while not re.search(rb"event: (hello|bye)\n.*\n\n", seen, re.S):
        seen += connection.receive_record(time.monotonic() + DEADLINE)[2]
    return seen.decode()


def test_each_push_process_has_its_own_bound_of_streams(limited, ticket, tmp_path):
    path, uri = str(tmp_path / "other.sock"), f"/chat/v1/tickets/{ticket}/stream"
    api = limited.site.api("ann-" + ticket)
    with Daemon(limited, "push", path, BELLHOP_LIMIT_STREAMS=2).ready(), contextlib.ExitStack() as connections:
        for _ in range(2):
            assert "event: hello" in first_events(path, uri, api.token, connections)
        for _ in range(2):
            bye = first_events(path, uri, api.token, connections)
            assert "event: hello" not in bye and '"code":"too_many_streams"' in bye
        with api.stream(ticket) as stream:
            stream.hello()
        service = limited.site.token("ann-" + ticket, role="service")
        assert "event: hello" in first_events(path, uri, service, connections)


def test_a_lower_bound_of_streams_closes_none(limited, ticket):
    api = limited.site.api("ann-" + ticket)
    with api.stream(ticket) as one, api.stream(ticket) as two:
        one.hello(), two.hello()
        configure(limited, STREAMS="2")
        with api.stream(ticket) as third:
            assert third.wait_named("bye").data["code"] == "too_many_streams"
        api.sent(ticket, "still heard")
        one.wait_messages(1), two.wait_messages(1)
        two.close()

        def fits():
            with api.stream(ticket) as stream:
                return stream.wait(lambda s: s.events, "the first event")[0].name == "hello"

        wait_for(fits, "room")


# ---- a dry run


def test_a_dry_run_only_tells(limited, ticket):
    configure(limited, **{**SLOW, "DRY_RUN": "yes"})
    user = "ann-" + ticket
    api = limited.site.api(user)
    answers = [api.send(ticket, f"number {number}") for number in range(SENDS + 30)]
    assert {answer.status_code for answer in answers} == {201}
    assert [left_of(answer)[1] for answer in answers] == ["4", "3", "2", "1"] + ["0"] * 31
    said = [line for line in limited.log("api").splitlines() if "would have refused" in line and user in line]
    assert said and len(said) < 30 and all("policy=sends" in line for line in said)
    configure(limited, **SLOW)
    assert api.send(ticket, "now it counts").status_code == 429


# ---- who counts


def keys_of(stack, user):
    return {policy: stack.redis().pttl(f"bellhop:rate:{policy}:{user}") for policy in ("sends", "calls")}


def test_redis_keeps_it_no_longer_than_it_matters(limited, ticket):
    user = "ann-" + ticket
    sends(limited.site.api(user), ticket, SENDS + 3)
    assert 3_500_000 < keys_of(limited, user)["sends"] <= 3_600_000
    assert limited.redis().memory_usage(f"bellhop:rate:sends:{user}") < 200
    configure(limited, SENDS="1000000/1")
    other = limited.site.api("bob-" + ticket)
    other.send(ticket, "hello")
    wait_for(lambda: keys_of(limited, "bob-" + ticket)["sends"] == -2, "the end of the key")


def commands_of(stack, call):
    """What Redis is told meanwhile, but for what the archiver would say."""
    server, end, said = stack.redis(), uuid.uuid4().hex, []
    stack.freeze("archive")
    try:
        with server.monitor() as monitor:
            call()
            server.echo(end)
            while end not in (command := monitor.next_command())["command"]:
                said.append(command)
    finally:
        stack.thaw("archive")
    return said


def test_one_round_trip(limited, ticket):
    """The function is called once, and nothing else is asked for the user's sake."""
    user = "ann-" + ticket
    said = commands_of(limited, lambda: limited.site.api(user).get("/v1/unread").raise_for_status())
    of_user = [command["command"] for command in said if user in command["command"] and command["client_type"] != "lua"]
    assert len(of_user) == 1 and of_user[0].startswith("FCALL bellhop_rate_1_take 1 bellhop:rate:calls:"), of_user


def test_a_send_makes_no_round_trip_for_it(limited, ticket):
    """The count goes along with the event's push; a send that is stored nowhere is counted by itself."""
    user = "ann-" + ticket
    api = limited.site.api(user)
    server = limited.redis()
    api.sent(ticket, "the worker's connections are there")
    said = commands_of(limited, lambda: api.sent(ticket, "hello"))
    of_send = [c["command"] for c in said if ticket in c["command"] and c["client_type"] != "lua" and "FCALL" in c["command"]]
    assert ["rate:sends:" in command for command in of_send] == [True, False], of_send
    assert api.send(ticket, "hello", kind="odd").status_code == 400
    before = server.get(f"bellhop:rate:sends:{user}")
    assert api.send(ticket, "hello", kind="odd").status_code == 400
    wait_for(lambda: server.get(f"bellhop:rate:sends:{user}") != before, "the count")


def test_all_masters_count_together(limited, ticket, tmp_path):
    """Each lets in what it knows of, which may be one more than all of them should."""
    user = "ann-" + ticket
    token = limited.site.token(user)
    limits = {f"BELLHOP_LIMIT_{name}": text for name, text in SLOW.items()}
    path = str(tmp_path / "other.sock")

    def there():
        return fcgi_client.call(
            path, "POST", f"/chat/v1/tickets/{ticket}/messages", token=token, body={"content": "hello"}
        ).status

    with Daemon(limited, "api", path, BELLHOP_API_WORKERS=1, **limits).ready():
        assert sends(limited.site.api(user), ticket, 2) == [201, 201]
        assert [there() for _ in range(SENDS - 1)] == [201] * (SENDS - 2) + [429]
        assert sends(limited.site.api(user), ticket, 2) == [201, 429]
        assert there() == 429
    other = "bob-" + ticket
    with Daemon(limited, "api", path, BELLHOP_API_WORKERS=1, **limits).ready():
        token = limited.site.token(other)
        assert sends(limited.site.api(other), ticket, SENDS) == [201] * SENDS
        assert [there(), there()] == [201, 429]


# ---- without Redis


def redis_is_killed(stack):
    stack.kill("redis")


def redis_hangs(stack):
    stack.freeze("redis")


def the_function_is_missing(stack):
    stack.stop("archive")
    stack.redis().execute_command("FUNCTION", "DELETE", "bellhop_rate_1")


def redis_is_full(stack):
    stack.redis().config_set("maxmemory", "1")


def redis_reads_only(stack):
    stack.redis().execute_command("REPLICAOF", "127.0.0.1", "1")


def mend(stack):
    if not is_gone(stack.pid("redis")):
        stack.thaw("redis")
        stack.redis().config_set("maxmemory", "0")
        stack.redis().execute_command("REPLICAOF", "NO", "ONE")
    stack.start()


@pytest.fixture(params=[redis_is_killed, redis_hangs, the_function_is_missing, redis_is_full, redis_reads_only])
def broken(limited, request):
    yield lambda: request.param(limited)
    mend(limited)
    wait_for(lambda: "bellhop_rate_1" in str(limited.redis().function_list()), "the functions")


def test_limits_go_on_without_redis(limited, broken, ticket):
    """The master has kept what Redis said, and no send is lost or refused for want of Redis."""
    ann, bob = limited.site.api("ann-" + ticket), limited.site.api("bob-" + ticket)
    assert sends(ann, ticket, 2) == [201] * 2
    broken()
    assert sends(ann, ticket, SENDS) == used_up(SENDS, limit=SENDS - 2)
    assert sends(bob, ticket, SENDS + 2) == used_up(SENDS + 2)
    check_refusal(bob.send(ticket, "hello"), "sends", 3600 // SENDS)
    cy = limited.site.api("cy-" + ticket)
    assert polls(cy, ticket, CALLS + 2) == [200] * CALLS + [429] * 2
    service = limited.site.api("site", role="service")
    contents = [message["content"] for message in service.history(ticket)]
    assert len(contents) == 2 * SENDS


def test_a_wiped_redis_gives_no_second_burst(limited, ticket):
    """Of sends; of other calls, which Redis alone counts while it is there, one at most."""
    api = limited.site.api("ann-" + ticket)
    assert sends(api, ticket, SENDS + 1) == used_up(SENDS + 1)
    assert [api.get("/v1/unread").status_code for _ in range(CALLS + 1)] == [200] * CALLS + [429]
    limited.redis().flushall()
    assert set(sends(api, ticket, 2 * SENDS)) == {429}
    statuses = [api.get("/v1/unread").status_code for _ in range(2 * CALLS)]
    assert statuses.count(200) <= CALLS and set(statuses) == {200, 429}


def test_a_key_of_another_type_is_no_reason_to_refuse(limited, ticket):
    user = "ann-" + ticket
    limited.redis().rpush(f"bellhop:rate:sends:{user}", "x")
    assert sends(limited.site.api(user), ticket, SENDS + 1) == used_up(SENDS + 1)


# ---- settings


def test_a_bad_setting_changes_nothing(limited, ticket):
    with open(limited.config) as file:
        text = file.read()
    with open(limited.config, "w") as file:
        file.write(text.replace(f"SENDS={SLOW['SENDS']}", "SENDS=often"))
    try:
        said = "BELLHOP_LIMIT_SENDS"
        before = limited.log("api").count(said)
        os.kill(limited.pid("api"), signal.SIGHUP)
        wait_for(lambda: limited.log("api").count(said) >= before + WORKERS + 1, "the complaint")
        assert "must be N/S, such as 20/10" in limited.log("api")
        assert sends(limited.site.api("ann-" + ticket), ticket, SENDS + 1) == used_up(SENDS + 1)
    finally:
        with open(limited.config, "w") as file:
            file.write(text)


def test_a_new_setting_holds_at_once(limited, ticket):
    """What is kept of a user is when all is given back, so whoever has used little has the new limit at once."""
    api = limited.site.api("ann-" + ticket)
    assert sends(api, ticket, 1) == [201]
    configure(limited, SENDS="10/3600")
    assert sends(api, ticket, 9) == [201] * 8 + [429]
    configure(limited, SENDS="2/2")
    assert sends(api, ticket, 1) == [429]
    assert limited.site.api("bob-" + ticket).send(ticket, "hello").headers["RateLimit-Policy"] == '"sends";q=2;w=2'
