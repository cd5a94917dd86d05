# SPDX-License-Identifier: BSD-2-Clause
"""contrib/redis: its users may do what the daemons need, and nothing that an operator would regret."""

import contextlib
import os
import subprocess

import pytest
import redis
from client import DEADLINE, wait_for
from stack import SOURCE, Stack

PASSWORD = "for-this-test-alone"


@pytest.fixture(scope="module")
def restricted(tmp_path_factory):
    """A stack whose daemons have been started again as the users of users.acl."""
    with contextlib.ExitStack() as cleaning:
        stack = cleaning.enter_context(Stack(tmp_path_factory.mktemp("redis")))
        for line in (SOURCE / "contrib" / "redis" / "users.acl").read_text().splitlines():
            _, name, *rules = line.replace("CHANGE_ME", PASSWORD).split()
            stack.redis().execute_command("ACL", "SETUSER", name, *rules)
        stack.redis().execute_command("FUNCTION", "FLUSH")
        at = stack.env["REDIS_URL"].rpartition("@")[2]
        env = {
            **os.environ,
            "REDIS_URL": f"redis://bellhop:{PASSWORD}@{at}",
            "REDIS_ADMIN_URL": f"redis://bellhop-admin:{PASSWORD}@{at}",
        }
        for name in ("archive", "api", "push"):
            stack.stop(name)
            log = cleaning.enter_context(open(stack.dir / "log" / f"{name}.log", "a"))
            command = [stack.program(f"bellhop-{name}"), "-c", stack.config]
            process = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            cleaning.callback(process.wait, DEADLINE)
            cleaning.callback(process.terminate)
        stack.daemon_env = env
        yield stack


def test_the_daemons_work_and_are_denied_nothing(restricted, ticket):
    api = restricted.site.api("alice")
    wait_for(lambda: api.get("/v1/readyz").json().get("mode") == "full", "mode full")
    with api.stream(ticket) as stream:
        for number in range(3):
            api.sent(ticket, f"number {number}")
        stream.wait_messages(3)
        said = api.call("POST", f"/v1/tickets/{ticket}/typing", json={"typing": True})
        assert said.status_code == 204
        stream.wait_named("typing-start")
        assert api.call("PUT", f"/v1/tickets/{ticket}/read", json={"seq": 2}).json() == {"seq": 2, "unread": 0}
        stream.wait_named("message-read")
        roster = f"/v1/tickets/{ticket}/presence"
        wait_for(lambda: [one["user_id"] for one in api.get(roster).json()["users"]] == ["alice"], "the roster")
        assert api.call("PUT", "/v1/presence", json={"status": "away"}).status_code == 204
        wait_for(lambda: stream.named("presence")[-1:] and stream.named("presence")[-1].data["status"] == "away",
                 "one's presence")  # fmt: skip
        assert [one["status"] for one in api.get("/v1/presence", users="alice").json()["users"]] == ["away"]
        assert "alice" in [one["user_id"] for one in api.get("/v1/presence/online").json()["users"]]
    assert len(api.history(ticket)) == 3
    assert api.get(f"/v1/tickets/{ticket}/typing").json()["typing"] != []
    assert api.call("GET", "/v1/health/redis").json()["status"] == "connected"
    assert restricted.redis().execute_command("ACL", "LOG") == []


def save(stack, directory, user):
    at = stack.env["REDIS_URL"].rpartition("@")[2]
    return subprocess.run(
        [SOURCE / "contrib" / "backup", "-c", stack.config, "save", directory],
        env={**stack.daemon_env, "REDIS_BACKUP_URL": f"redis://{user}:{PASSWORD}@{at}"},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def test_a_backup_with_a_copy_of_redis(restricted, tmp_path):
    done = save(restricted, tmp_path / "saved", "bellhop-backup")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "saved" / "redis.rdb").read_bytes().startswith(b"REDIS")
    assert restricted.redis().execute_command("ACL", "LOG") == []


def test_a_user_who_may_not_copy_redis_is_told_so(restricted, tmp_path):
    done = save(restricted, tmp_path / "saved", "bellhop")
    restricted.redis().execute_command("ACL", "LOG", "RESET")
    assert (done.returncode, done.stdout) == (1, "")
    assert "REDIS_BACKUP_URL" in done.stderr and "--no-redis" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_lost_functions_are_loaded_again(restricted, ticket):
    api = restricted.site.api("alice")
    restricted.redis().execute_command("FUNCTION", "FLUSH")
    api.sent(ticket, "while they are gone")
    wait_for(lambda: restricted.redis().execute_command("FUNCTION", "LIST"), "the functions")
    wait_for(lambda: api.get("/v1/readyz").json().get("mode") == "full", "mode full")
    assert restricted.redis().execute_command("ACL", "LOG") == []


def test_bellhop_check_is_content(restricted):
    done = restricted.bellhop("check", env=restricted.daemon_env)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    assert "NOPERM" not in done.stdout + done.stderr
    assert "redis channels: may be published to" in done.stdout


@pytest.mark.parametrize("rules", ["resetchannels", "-publish", "-pubsub|numsub"])
def test_bellhop_check_tells_who_may_not_publish(restricted, rules):
    name = "bellhop-silent"
    line = next(
        line for line in (SOURCE / "contrib/redis/users.acl").read_text().splitlines() if line.startswith("user bellhop ")
    )
    _, _, *given = line.replace("CHANGE_ME", PASSWORD).split()
    restricted.redis().execute_command("ACL", "SETUSER", name, "reset", *given, rules)
    url = restricted.daemon_env["REDIS_URL"].replace("//bellhop:", f"//{name}:")
    try:
        done = restricted.bellhop("check", env={"REDIS_URL": url})
    finally:
        restricted.redis().execute_command("ACL", "DELUSER", name)
        restricted.redis().execute_command("ACL", "LOG", "RESET")
    assert "redis channels: typing, presence and inbox are not told: NOPERM" in done.stdout


FORBIDDEN = [
    ("CONFIG", "GET", "*"),
    ("KEYS", "*"),
    ("FLUSHALL",),
    ("FLUSHDB",),
    ("EVAL", "return 1", "0"),
    ("SCRIPT", "FLUSH"),
    ("FUNCTION", "FLUSH"),
    ("FUNCTION", "LOAD", "x"),
    ("SHUTDOWN",),
    ("ACL", "LIST"),
    ("GET", "somebody-elses-key"),
    ("SET", "somebody-elses-key", "x"),
    ("PUBLISH", "somebody-elses-channel", "x"),
    ("REPLICAOF", "127.0.0.1", "1"),
]


@pytest.mark.parametrize("command", FORBIDDEN, ids=lambda command: "-".join(command[:2]))
def test_the_daemons_user_may_not(restricted, command):
    connection = redis.Redis.from_url(restricted.daemon_env["REDIS_URL"])
    with pytest.raises(redis.exceptions.NoPermissionError):
        connection.execute_command(*command)
