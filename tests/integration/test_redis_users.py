# SPDX-License-Identifier: BSD-2-Clause
"""
contrib/redis: its users may do what the daemons need, nothing that an operator would regret, and nothing that
nobody uses. Every stack of these tests runs as them; here it is looked at closely.
"""

import os
import subprocess

import pytest
import redis
from client import wait_for
from conftest import running_stack
from stack import SOURCE

QUICK = {"BELLHOP_WINDOW_EVENTS": "5", "BELLHOP_WINDOW_MIN": "5", "BELLHOP_HEARTBEAT_MS": "1000"}
# Calls are counted, and none is refused.
COUNTED = {"BELLHOP_LIMIT_SENDS": "1000000/1", "BELLHOP_LIMIT_CALLS": "1000000/1"}
SERVER_ONLY = {"auth", "acl", "config", "ping", "command"}  # of these tests themselves


@pytest.fixture(scope="module")
def walked(request):
    """A stack that has done everything it can do, faults of Redis included; nobody else has used its Redis."""
    for stack in running_stack(request, env={**QUICK, **COUNTED}):
        admin = stack.redis()
        admin.config_resetstat()
        stack.commands = set()
        for part in (people, texts, upkeep, faults, commands, everything_again):
            part(stack, f"T-{part.__name__}")
            wait_for(lambda: stack.site.api("alice").get("/v1/readyz").json().get("mode") == "full", "mode full")
        yield stack


def note_commands(stack):
    """A restarted Redis counts from nothing."""
    stats = stack.redis().info("commandstats")
    stack.commands |= {name.removeprefix("cmdstat_") for name in stats}


def people(stack, ticket):
    alice, bob = stack.site.api("alice"), stack.site.api("bob")
    alice.sent(ticket, "hello")
    with alice.stream_many([ticket], inbox=1) as stream:
        with bob.stream(ticket):
            stream.wait(lambda _: any(e.data.get("user_id") == "bob" for e in stream.named("presence")), "bob to come")
            assert bob.call("POST", f"/v1/tickets/{ticket}/typing", json={"typing": True}).status_code == 204
            stream.wait_named("typing-start")
            bob.sent(ticket, "hi")
            assert alice.call("PUT", f"/v1/tickets/{ticket}/read", json={"seq": 2}).json()["seq"] == 2
            stream.wait_named("message-read")
            stream.wait_named("inbox")
            assert bob.call("PUT", "/v1/presence", json={"status": "away"}).status_code == 204
            roster = f"/v1/tickets/{ticket}/presence"
            wait_for(lambda: {one["user_id"] for one in alice.get(roster).json()["users"]} >= {"alice", "bob"}, "both")
            assert [one["status"] for one in alice.get("/v1/presence", users="bob").json()["users"]] == ["away"]
            assert "bob" in [one["user_id"] for one in alice.get("/v1/presence/online").json()["users"]]
            assert alice.get(f"/v1/tickets/{ticket}/typing").status_code == 200
        assert bob.call("PUT", "/v1/presence", json={"status": "offline"}).status_code == 204
        wait_for(lambda: stack.sql("SELECT 1 FROM bellhop.user_seen WHERE user_id = 'bob'"), "bob to be gone")
        # Who comes back is no longer forgotten by and by.
        with bob.stream(ticket):
            wait_for(lambda: alice.get("/v1/presence", users="bob").json()["users"][0]["status"] == "online", "bob")


def texts(stack, ticket):
    alice, bob, root = stack.site.api("alice"), stack.site.api("bob"), stack.site.api("root", "admin")
    sent = [alice.sent(ticket, f"text {number}") for number in range(3)]
    with bob.stream(ticket, init=50) as stream:
        at = f"/v1/tickets/{ticket}/messages/{sent[0]['seq']}"
        assert alice.call("PATCH", at, json={"content": "edited"}).status_code == 200
        assert alice.call("DELETE", at).status_code in (200, 204)
        assert alice.call("PUT", f"/v1/tickets/{ticket}", json={"title": "A title"}).status_code == 200
        put = alice.call("PUT", f"/v1/tickets/{ticket}/participants/carol", json={"role": "agent"})
        assert put.status_code in (200, 201)
        assert alice.call("DELETE", f"/v1/tickets/{ticket}/participants/carol").status_code in (200, 204)
        stream.wait(lambda _: len(stream.durable) >= 3, "the events")
    assert alice.get(f"/v1/tickets/{ticket}/messages", after=0).status_code == 200
    assert alice.get(f"/v1/tickets/{ticket}/messages").status_code == 200
    assert alice.get("/v1/tickets").status_code == alice.get("/v1/unread").status_code == 200
    assert alice.poll(ticket, since=0, wait=0)["events"]
    assert alice.call("GET", "/v1/health/redis").json()["status"] == "connected"
    revoked = root.call("POST", "/v1/revocations", json={"user_id": "eve"})
    assert revoked.status_code == 204, revoked.text


def upkeep(stack, ticket):
    """More than the window holds is trimmed."""
    alice = stack.site.api("alice")
    for number in range(20):
        alice.sent(ticket, f"number {number}")
    chat = wait_for(lambda: stack.redis().keys(f"bellhop:*:chat:{ticket}"), "the stream")[0]
    wait_for(lambda: stack.redis().xlen(chat) <= 10, "the trim", 60)
    wait_for(lambda: stack.redis().hexists("bellhop:revoked", "whole"), "the copy of the revocations")


def faults(stack, ticket):
    alice = stack.site.api("alice")
    for harm in (
        lambda r: r.flushall(),
        lambda r: r.function_flush(),
        lambda r: r.delete(*r.keys("bellhop:*:chat:*")),
        lambda r: r.config_set("maxmemory", 1),
    ):
        alice.sent(ticket, "before")
        harm(stack.redis())
        alice.sent(ticket, "meanwhile")
        stack.redis().config_set("maxmemory", 0)
        wait_for(lambda: alice.get("/v1/readyz").json().get("mode") == "full", "mode full")
    with alice.stream(ticket, init=50) as stream:
        note_commands(stack)
        stack.kill("redis")
        alice.sent(ticket, "while it is away")
        stack.start()
        alice.sent(ticket, "after")
        stream.wait_messages(10)


def commands(stack, ticket):
    """The operator's command, and a copy."""
    alice = stack.site.api("alice")
    alice.sent(ticket, "kept")
    wait_for(lambda: stack.bellhop("verify").returncode == 0, "a record that is whole")
    for arguments in (
        ("rebuild", ticket),
        ("hold", ticket),
        ("release", ticket),
        ("export", ticket),
        ("purge", "--older-than", "90d"),
        ("epoch", "bump"),
    ):
        done = stack.bellhop(*arguments)
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)
    stack.bellhop("check", env={"REDIS_URL": stack.env["REDIS_URL"].removesuffix("0") + "1"})
    # The archiver drops what is left of the former epoch.
    former = stack.sql("SELECT epoch FROM bellhop.deployment")[0][0] - 1
    wait_for(lambda: not stack.redis().keys(f"bellhop:{former}:*"), "the former epoch to go", 60)


def everything_again(stack, ticket):
    people(stack, ticket)
    note_commands(stack)


def denied(stack):
    """What Redis denied anybody, but for what `bellhop check` tries on purpose."""
    return [
        [entry[name] for name in ("username", "reason", "object")] + [entry["client-info"]["name"], entry["client-info"]["cmd"], entry["client-info"]["addr"]]
        for entry in stack.redis().acl_log()
        if entry["client-info"]["name"] != "bellhop-check"
    ]


def test_nothing_was_denied(walked):
    assert denied(walked) == []


def allowed(name):
    lines = (SOURCE / "contrib" / "redis" / "users.acl").read_text().splitlines()
    rules = next(line.split() for line in lines if line.split()[1] == name)
    return {rule[1:] for rule in rules if rule[0] == "+"}


def test_each_command_that_is_allowed_is_used(walked):
    assert walked.commands - SERVER_ONLY >= {"fcall", "xread", "subscribe"}
    given = allowed("bellhop") | allowed("bellhop-admin")
    assert sorted(given - walked.commands) == []


def test_nobody_may_more_than_single_commands():
    for line in (SOURCE / "contrib" / "redis" / "users.acl").read_text().splitlines():
        assert " -@all " in line and "+@" not in line and "allkeys" not in line and "~*" not in line


def test_the_daemons_are_the_users_of_the_file(walked):
    clients = {(one["name"], one["user"]) for one in walked.redis().client_list() if one["name"].startswith("bellhop")}
    assert {"bellhop"} <= {user for _, user in clients} <= {"bellhop", "bellhop-admin"}
    assert {name for name, _ in clients} >= {"bellhop-api", "bellhop-archive"}
    assert not walked.redis().acl_getuser("default")["enabled"]


def save(stack, directory, user):
    return subprocess.run(
        [SOURCE / "contrib" / "backup", "-c", stack.config, "save", directory],
        env={**os.environ, "REDIS_BACKUP_URL": stack.redis_url(user)},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def test_a_backup_with_a_copy_of_redis(walked, tmp_path):
    done = save(walked, tmp_path / "saved", "bellhop-backup")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "saved" / "redis.rdb").read_bytes().startswith(b"REDIS")
    assert denied(walked) == []


def test_a_user_who_may_not_copy_redis_is_told_so(walked, tmp_path):
    done = save(walked, tmp_path / "saved", "bellhop")
    walked.redis().execute_command("ACL", "LOG", "RESET")
    assert (done.returncode, done.stdout) == (1, "")
    assert "REDIS_BACKUP_URL" in done.stderr and "--no-redis" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_bellhop_check_is_content(walked):
    done = walked.bellhop("check")
    assert done.returncode in (0, 1), done.stdout + done.stderr
    assert "NOPERM" not in done.stdout + done.stderr
    assert "redis channels: may be published to" in done.stdout


@pytest.mark.parametrize("rules", ["resetchannels", "-publish", "-pubsub|numsub"])
def test_bellhop_check_tells_who_may_not_publish(walked, rules):
    url = walked.redis_user("bellhop-silent", rules=[rules])
    try:
        done = walked.bellhop("check", env={"REDIS_URL": url})
    finally:
        walked.redis().execute_command("ACL", "DELUSER", "bellhop-silent")
        walked.redis().execute_command("ACL", "LOG", "RESET")
    assert "redis channels: typing, presence and inbox are not told: NOPERM" in done.stdout


FORBIDDEN = [
    ("CONFIG", "GET", "*"),
    ("KEYS", "*"),
    ("FLUSHALL",),
    ("FLUSHDB",),
    ("EVAL", "return 1", "0"),
    ("SCRIPT", "FLUSH"),
    ("FUNCTION", "FLUSH"),
    ("FUNCTION", "DELETE", "bellhop_2"),
    ("SHUTDOWN",),
    ("ACL", "LIST"),
    ("ACL", "SETUSER", "bellhop", "+@all"),
    ("CLIENT", "LIST"),
    ("MONITOR",),
    ("GET", "somebody-elses-key"),
    ("SET", "somebody-elses-key", "x"),
    ("PUBLISH", "somebody-elses-channel", "x"),
    ("PSUBSCRIBE", "bellhop:*"),
    ("REPLICAOF", "127.0.0.1", "1"),
]
OF_ONE = {
    "bellhop": [("FUNCTION", "LOAD", "x"), ("RENAME", "bellhop:a", "b"), ("RESTORE", "bellhop:a", "0", "x")],
    "bellhop-admin": [("GET", "bellhop:deployment"), ("FCALL", "bellhop_2_swept", "0"), ("PUBLISH", "bellhop:system", "")],
    "bellhop-backup": [("GET", "bellhop:deployment"), ("FUNCTION", "LOAD", "x"), ("XREAD", "STREAMS", "bellhop:a", "0")],
}


@pytest.mark.parametrize("user", OF_ONE)
def test_nobody_may(walked, user):
    url = walked.redis_user(f"{user}-too", like=user)
    connection = redis.Redis.from_url(url)
    for command in FORBIDDEN + OF_ONE[user]:
        with pytest.raises((redis.exceptions.NoPermissionError, redis.exceptions.ResponseError), match="(?i)permission"):
            connection.execute_command(*command)
    walked.redis().execute_command("ACL", "DELUSER", f"{user}-too")
    walked.redis().execute_command("ACL", "LOG", "RESET")
