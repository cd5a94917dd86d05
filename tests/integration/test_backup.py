# SPDX-License-Identifier: BSD-2-Clause
"""
The drill: a record that is restored from an older backup begins a new epoch, every client learns of it, and
what they see then is what was saved.
"""

import os
import stat
import subprocess
import threading

import pytest
from client import Follower, wait_for
from conftest import running_stack
from stack import SOURCE

DAEMONS = ("push", "api", "archive")


@pytest.fixture(scope="module")
def drilled(request):
    """A stack whose record goes back in time."""
    yield from running_stack(request)


@pytest.fixture
def saved(drilled, tmp_path):
    """(stack, ticket, history, directory of a backup in which the ticket has that history)"""
    stack = drilled.start()
    ticket = tmp_path.name
    alice = stack.site.api("alice")
    for number in range(6):
        alice.sent(ticket, f"kept {number}")
    alice.call("PATCH", f"/v1/tickets/{ticket}/messages/2", json={"content": "edited"}).raise_for_status()
    alice.call("DELETE", f"/v1/tickets/{ticket}/messages/3").raise_for_status()
    directory = tmp_path / "saved"
    done = backup(stack, "save", "--no-redis", directory)
    assert done.returncode == 0, done.stderr
    return stack, ticket, alice.history(ticket), directory


def backup(stack, *arguments, **env):
    # Where the settings are is all that it is told, as a rule.
    env |= {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
    return subprocess.run(
        [SOURCE / "contrib" / "backup", "-c", stack.config, *arguments],
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


def stop_daemons(stack):
    for name in DAEMONS:
        stack.stop(name)


def epoch(stack, *arguments):
    done = stack.bellhop("epoch", *arguments)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def without_epoch(messages):
    return [{name: value for name, value in message.items() if name != "epoch"} for message in messages]


def is_whole(stack):
    done = stack.bellhop("verify")
    return done.returncode == 0 and not done.stderr


def test_the_drill(saved):
    stack, ticket, history, directory = saved
    alice = stack.site.api("alice")
    before = epoch(stack)
    followers = [Follower(stack.site.api(f"reader{i}"), ticket, init=50) for i in range(3)]
    for number in range(5):
        alice.sent(ticket, f"lost {number}")
    cursor = alice.page(ticket)["cursor"]
    for follower in followers:
        wait_for(lambda: any(e.id == cursor for e in follower.seen), "the last of them")  # noqa: B023
    stop_daemons(stack)
    done = backup(stack, "restore", directory, "--yes")
    assert done.returncode == 0, done.stderr
    stack.start()

    assert epoch(stack) > before
    with alice.stream(ticket, last_event_id=cursor) as stream:
        assert stream.wait_named("gap").data["reason"] == "epoch"
    assert without_epoch(alice.history(ticket)) == without_epoch(history)
    sent = [alice.sent(ticket, f"new {number}") for number in range(3)]
    assert [m["seq"] for m in sent] == [9, 10, 11]
    assert {m["epoch"] for m in sent} == {epoch(stack)}
    for follower in followers:
        wait_for(lambda: follower.seqs()[-3:] == [9, 10, 11], "what is new")  # noqa: B023
        assert any(e.name == "gap" and e.data["reason"] == "epoch" for e in follower.seen)
        follower.close()
    wait_for(lambda: is_whole(stack), "a record that is whole")


def test_restored_twice(saved):
    """The epoch of the lost time after the first is not used again."""
    stack, ticket, history, directory = saved
    stop_daemons(stack)
    assert backup(stack, "restore", directory, "--yes").returncode == 0
    assert stack.bellhop("migrate").returncode == 0
    first = epoch(stack)
    assert backup(stack, "restore", directory, "--yes").returncode == 0
    assert stack.bellhop("migrate").returncode == 0
    assert epoch(stack) > first
    stack.start()
    assert without_epoch(stack.site.api("alice").history(ticket)) == without_epoch(history)


def test_into_an_empty_database(saved):
    stack, ticket, history, directory = saved
    former = epoch(stack)
    wait_for(lambda: int(stack.redis().hget("bellhop:deployment", "epoch") or 0) == former, "the copy in Redis")
    stop_daemons(stack)
    stack.sql("DROP SCHEMA bellhop CASCADE")
    assert backup(stack, "restore", directory, "--yes").returncode == 0
    stack.start()
    assert epoch(stack) > former
    assert without_epoch(stack.site.api("alice").history(ticket)) == without_epoch(history)


def test_what_is_saved(saved):
    stack, _, _, directory = saved
    assert sorted(os.listdir(directory)) == ["SHA256SUMS", "manifest", "record.dump"]
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    manifest = dict(line.split("=", 1) for line in (directory / "manifest").read_text().splitlines())
    assert int(manifest["epoch"]) == epoch(stack)
    assert [(int(manifest["events"]),)] == stack.sql("SELECT count(*) FROM bellhop.event")
    again = backup(stack, "save", directory)
    assert (again.returncode, again.stdout) == (1, "")
    assert "nothing is overwritten" in again.stderr
    assert os.listdir(directory.parent) == ["saved"]


def test_with_redis(saved, tmp_path):
    stack, *_ = saved
    other = tmp_path / "other"
    url = stack.redis_url("bellhop-backup")
    assert backup(stack, "save", other, REDIS_BACKUP_URL=url).returncode == 0
    assert (other / "redis.rdb").read_bytes().startswith(b"REDIS")
    assert backup(stack, "verify", other).returncode == 0


def test_its_counts_are_those_of_what_is_in_it(saved, tmp_path):
    """While people send."""
    stack, ticket, *_ = saved
    over = threading.Event()

    def send():
        bob = stack.site.api("bob", "service")
        while not over.is_set():
            bob.sent(ticket, "and on")

    threads = [threading.Thread(target=send) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for number in range(3):
            other = tmp_path / f"busy{number}"
            done = backup(stack, "save", "--no-redis", other)
            assert done.returncode == 0, done.stderr
            manifest = dict(line.split("=", 1) for line in (other / "manifest").read_text().splitlines())
            command = ["pg_restore", "--data-only", "--schema=bellhop", "--file=-", other / "record.dump"]
            rows = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
            begin = [i for i, row in enumerate(rows) if row.startswith("COPY bellhop.event_")]
            events = sum(rows.index("\\.", i) - i - 1 for i in begin)
            assert int(manifest["events"]) == events > 0
    finally:
        over.set()
        for thread in threads:
            thread.join()


@pytest.mark.parametrize("name", ["record.dump", "manifest"])
def test_a_damaged_backup_is_refused(saved, name):
    stack, ticket, history, directory = saved
    content = bytearray((directory / name).read_bytes())
    content[len(content) // 2] ^= 1
    (directory / name).write_bytes(content)
    former = epoch(stack)
    stop_daemons(stack)
    assert backup(stack, "verify", directory).returncode == 1
    assert backup(stack, "restore", directory, "--yes").returncode == 1
    stack.start()
    assert epoch(stack) == former
    assert stack.site.api("alice").history(ticket) == history


def test_a_dump_that_breaks_off_changes_nothing(saved):
    """Even with sums that fit: there is one transaction, and its end does not come."""
    stack, ticket, history, directory = saved
    dump = directory / "record.dump"
    with dump.open("r+b") as file:
        file.truncate(dump.stat().st_size - 200)
    sums = subprocess.run(
        ["sha256sum", "manifest", "record.dump"], cwd=directory, capture_output=True, text=True, check=True
    )
    (directory / "SHA256SUMS").write_text(sums.stdout)
    former = epoch(stack)
    stop_daemons(stack)
    done = backup(stack, "restore", directory, "--yes")
    assert done.returncode == 1
    assert "nothing was changed" in done.stderr
    stack.start()
    assert epoch(stack) == former
    assert stack.site.api("alice").history(ticket) == history


def test_only_when_told_so_and_nobody_works(saved):
    stack, ticket, history, directory = saved
    former = epoch(stack)
    done = backup(stack, "restore", directory)
    assert (done.returncode, done.stdout) == (1, "")
    assert "--yes" in done.stderr
    done = backup(stack, "restore", directory, "--yes")
    assert (done.returncode, done.stdout) == (1, "")
    assert "the daemons run" in done.stderr
    assert epoch(stack) == former
    assert stack.site.api("alice").history(ticket) == history


@pytest.mark.parametrize("arguments", [[], ["save"], ["grow", "x"], ["save", "x", "y"], ["save", "--all", "x"]])
def test_wrong_usage(drilled, arguments):
    done = backup(drilled, *arguments)
    assert (done.returncode, done.stdout) == (2, "")


def test_a_directory_that_is_no_backup(drilled, tmp_path):
    assert backup(drilled, "verify", tmp_path).returncode == 1
    assert backup(drilled, "save", tmp_path / "none" / "saved").returncode == 1


def test_the_next_epoch(saved):
    """By hand, while everything runs."""
    stack, ticket, history, _ = saved
    alice = stack.site.api("alice")
    cursor = alice.page(ticket)["cursor"]
    former = epoch(stack)
    assert epoch(stack, "bump") == former + 1 == epoch(stack)
    wait_for(lambda: alice.sent(ticket, "after it")["epoch"] == former + 1, "a send in the next epoch")
    with alice.stream(ticket, last_event_id=cursor) as stream:
        assert stream.wait_named("gap").data["reason"] == "epoch"
    assert without_epoch(alice.history(ticket))[: len(history)] == without_epoch(history)
    assert stack.bellhop("epoch", "jump").returncode == 2
