# SPDX-License-Identifier: BSD-2-Clause
"""What survives what: every send that was answered 201 is there once, in order, for everybody."""

import os
import signal
import threading

import pytest
from client import Follower, check_problem, until, wait_for


class Load:
    """Sends while something breaks; remembers what was acknowledged. Retries with the same id."""

    def __init__(self, site, ticket, senders=3):
        self.site, self.ticket = site, ticket
        self.acknowledged = []
        self.refused = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(i,), daemon=True) for i in range(senders)]
        for thread in self._threads:
            thread.start()

    def _run(self, index):
        api, number = self.site.api(f"sender{index}"), 0
        while not self._stop.is_set():
            number += 1
            uid = f"{index}-{number}"
            while not self._stop.is_set():
                try:
                    answer = api.send(self.ticket, f"text {uid}", client_msg_id=uid)
                except OSError:
                    self._stop.wait(0.1)
                    continue
                if answer.status_code in (200, 201):
                    self.acknowledged.append((answer.json()["seq"], uid))
                    break
                assert answer.status_code in (502, 503), answer.text
                self.refused.append(answer)
                self._stop.wait(0.1)

    def grow(self, count, deadline=40):
        target = len(self.acknowledged) + count
        wait_for(lambda: len(self.acknowledged) >= target, f"{count} more sends", deadline)

    def stop(self):
        self._stop.set()
        for thread in self._threads:
            thread.join(30)


def settle(site, ticket, load, followers):
    """Everything acknowledged is in the history once, dense; every follower saw exactly that."""
    load.stop()
    history = site.api("judge", role="admin").history(ticket)
    assert [m["seq"] for m in history] == list(range(1, len(history) + 1))
    named = {m["seq"]: m["client_msg_id"] for m in history}
    assert len(set(named.values())) == len(named)
    for seq, uid in load.acknowledged:
        assert named[seq] == uid
    for follower in followers:
        follower.wait_count(len(history))
        assert follower.seqs() == list(range(1, len(history) + 1))
        follower.close()


@pytest.fixture
def storm(breakable, ticket):
    """A stack that may be broken, with senders and reconnecting readers at work on it."""
    site = breakable.site
    followers = [Follower(site.api(f"reader{i}"), ticket, since=0) for i in range(5)]
    load = Load(site, ticket)
    load.grow(20)
    yield breakable, site, load, lambda: settle(site, ticket, load, followers)
    load.stop()
    for follower in followers:
        follower.close()


def test_an_api_worker_is_killed(storm):
    stack, _, load, settled = storm
    for _ in range(3):
        os.kill(stack.children("api")[0], signal.SIGKILL)
        load.grow(20)
    settled()


def test_the_push_process_is_killed(storm):
    stack, _, load, settled = storm
    for _ in range(2):
        before = stack.children("push")
        os.kill(before[0], signal.SIGKILL)
        load.grow(20)
        wait_for(lambda: stack.children("push") and stack.children("push") != before, "another process")
    settled()


def test_the_push_process_is_replaced_in_service(storm):
    stack, _, load, settled = storm
    before = stack.children("push")
    os.kill(stack.pid("push"), signal.SIGUSR2)
    load.grow(20)
    wait_for(lambda: not set(stack.children("push")) & set(before), "the successor")
    load.grow(20)
    settled()


def test_the_daemons_are_restarted_whole(storm):
    stack, _, load, settled = storm
    for name in ("push", "api", "archive"):
        stack.stop(name)
        stack.start()
        load.grow(10)
    settled()


def test_redis_restarts_with_its_data(storm):
    stack, _, load, settled = storm
    stack.kill("redis")
    load.grow(20)  # with PostgreSQL alone
    stack.start()
    load.grow(30)
    settled()


def test_redis_restarts_without_its_data(storm):
    stack, _, load, settled = storm
    stack.kill("redis")
    stack.wipe("redis")
    load.grow(20)
    stack.start()
    load.grow(30)
    settled()


def test_redis_is_flushed(storm):
    stack, _, load, settled = storm
    for command in (("FLUSHALL",), ("FUNCTION", "FLUSH"), ("FLUSHALL",)):
        stack.redis().execute_command(*command)
        load.grow(25)
    settled()


def test_redis_hangs(storm):
    stack, _, load, settled = storm
    os.kill(stack.pid("redis"), signal.SIGSTOP)
    try:
        load.grow(20)
    finally:
        os.kill(stack.pid("redis"), signal.SIGCONT)
    load.grow(20)
    settled()


def test_the_archiver_is_away(storm):
    """Nobody sweeps: windows are trusted no more, and nobody notices but by the mode."""
    stack, site, load, settled = storm
    stack.stop("archive")
    api = site.api("alice")
    wait_for(lambda: api.get("/v1/tickets/T-9/messages").headers["Bellhop-Mode"] == "no-redis", "the mode")
    load.grow(20)
    stack.start()
    load.grow(20)
    settled()


@pytest.fixture
def missed(breakable, ticket):
    """A message whose deletion Redis has not heard of, and nobody but the api is there to tell it."""
    alice = breakable.site.api("alice")
    path = f"/v1/tickets/{ticket}/messages/{alice.sent(ticket, 'secret')['seq']}"
    wait_for(lambda: alice.page(ticket)["messages"], "the window")
    breakable.freeze("archive")
    breakable.freeze("redis")
    try:
        # What was written to it is done when it wakes: so the api has to know that it is away.
        assert until(lambda: alice.get(path), lambda a: a.headers["Bellhop-Mode"] == "no-redis", "the mode")
        assert alice.call("DELETE", path).status_code == 200
        breakable.thaw("redis")
        yield breakable, alice, ticket
    finally:
        breakable.thaw("redis")
        breakable.thaw("archive")


def test_what_redis_missed_is_not_read_from_it(missed):
    """The last sweep is young enough for a window to be believed, and older than the deletion."""
    _, alice, ticket = missed
    answers = []

    def is_back():
        answers.append(alice.get(f"/v1/tickets/{ticket}/messages"))
        return answers[-1].headers["Bellhop-Mode"] == "full" or len(answers) == 100

    wait_for(is_back, "full mode, or the end of all trust")
    assert [m["content"] for answer in answers for m in answer.json()["messages"]] == [None] * len(answers)


def test_what_redis_missed_before_the_api_started_is_not_read_from_it(missed):
    stack, alice, ticket = missed
    stack.stop("api")
    stack.start()
    for _ in range(10):
        assert [m["content"] for m in alice.page(ticket)["messages"]] == [None]


def test_postgres_restarts(storm):
    stack, _, load, settled = storm
    stack.stop("postgres")
    wait_for(lambda: load.refused, "a refusal")
    check_problem(load.refused[0], 503, "unavailable")
    assert int(load.refused[0].headers["Retry-After"]) >= 1
    stack.start()
    load.grow(20)
    settled()


def kill_backends(stack):
    stack.sql("select pg_terminate_backend(pid) from pg_stat_activity "
              "where pid <> pg_backend_pid() and backend_type = 'client backend'")  # fmt: skip


def test_postgres_backends_are_killed(storm):
    stack, _, load, settled = storm
    for _ in range(5):
        kill_backends(stack)
        load.grow(10)
    settled()


def chat_key(stack, ticket):
    return stack.redis().keys(f"bellhop:*:chat:{ticket}")[0]


def test_a_lost_connection_does_not_shorten_what_a_stream_begins_with(breakable, ticket):
    """PostgreSQL is there all the while, so nobody is left to a window that begins later than the record."""
    alice = breakable.site.api("alice")
    for number in range(30):
        alice.sent(ticket, str(number))
    breakable.redis().xtrim(chat_key(breakable, ticket), maxlen=3, approximate=False)
    for _ in range(20):
        kill_backends(breakable)
        with alice.stream(ticket, init=200) as stream:
            first = stream.wait(lambda s: s.events, "the first event")[0]
            assert first.name == "hello", first
            assert first.data["tickets"][ticket]["unread"] is not None
            stream.wait_messages(30)


def cut_off_readers(stack):
    """Ends the connections on which push waits for events, and only those."""
    redis = stack.redis()
    for client in redis.client_list():
        if client["name"] == "bellhop-push-reader":
            redis.client_kill_filter(_id=client["id"])


@pytest.mark.parametrize("is_quiet", [True, False])
def test_an_event_that_left_redis_before_it_was_read_is_told(breakable, ticket, is_quiet):
    """
    By hand, and at the stream's end: what Redis knows of the ticket still counts it. Nobody says more there;
    where another ticket of the same call is never quiet, the call does not time out either.
    """
    alice, other = breakable.site.api("alice"), f"{ticket}-other"
    for name in (ticket, other):
        alice.sent(name, "there")
    with alice.stream(ticket, since=0) as stream, alice.stream(other) as neighbour:
        stream.wait_messages(1)
        neighbour.hello()
        breakable.freeze("push")
        try:
            if is_quiet:
                cut_off_readers(breakable)
            else:
                alice.sent(other, "ends the call")
            gone = alice.sent(ticket, "gone")
            assert breakable.redis().xdel(chat_key(breakable, ticket), f"{gone['seq']}-0") == 1
        finally:
            breakable.thaw("push")

        def is_told():
            if not is_quiet:
                alice.sent(other, "and on")
            return len(stream.messages) > 1

        wait_for(is_told, "the event")
        assert stream.messages[-1].data["content"] == "gone"


def age(stack, ticket):
    """So that the sweep does not look at the ticket."""
    stack.sql("UPDATE bellhop.event SET sent_at = sent_at - interval '1 day' WHERE ticket_id = %s", ticket)


def test_a_key_of_the_wrong_kind_harms_no_other_ticket(breakable, ticket):
    """One call waits for several tickets, and fails for all of them."""
    alice, other = breakable.site.api("alice"), f"{ticket}-other"
    for name in (ticket, other):
        alice.sent(name, "before")
    with alice.stream_many([ticket, other]) as stream:
        stream.hello()
        age(breakable, ticket)
        key, redis = chat_key(breakable, ticket), breakable.redis()
        redis.delete(key)
        redis.set(key, "no stream")
        for number in range(3):
            alice.sent(other, str(number))
            stream.wait_messages(number + 1)
        redis.delete(key)


def test_what_does_not_belong_in_a_stream_is_not_read_again_and_again(breakable, ticket):
    """By hand. What has to be said of the ticket is told all the same."""
    alice = breakable.site.api("alice")
    alice.sent(ticket, "there")
    with alice.stream(ticket, since=0) as stream:
        stream.wait_messages(1)
        age(breakable, ticket)
        lines = breakable.log("push").count("malformed entry")
        store, key = breakable.redis(), chat_key(breakable, ticket)

        def is_found():
            # A sweep that had read the ticket before may load it anew before push has seen that.
            if not any(b"no" in fields for _, fields in store.xrange(key)):
                store.xadd(key, {"no": "event"})
            return breakable.log("push").count("malformed entry") > lines

        wait_for(is_found, "a line in the log")
        for number in range(3):
            alice.sent(ticket, str(number))
            stream.wait_messages(number + 2)
        assert breakable.log("push").count("malformed entry") < lines + 10
    checked = breakable.bellhop("verify", ticket)
    assert checked.returncode == 0, checked.stdout


def test_without_redis_the_mode_says_so_and_streams_go_on(breakable, ticket):
    site = breakable.site
    alice, bob = site.api("alice"), site.api("bob", role="requester", tickets=[ticket])
    alice.sent(ticket, "before")
    with bob.stream(ticket, since=0) as stream:
        stream.wait_messages(1)
        breakable.kill("redis")
        answer = until(
            lambda: alice.send(ticket, "during"), lambda a: a.headers["Bellhop-Mode"] == "no-redis", "the mode"
        )
        assert answer.status_code == 201
        alice.sent(ticket, "hidden", kind="note")
        alice.sent(ticket, "during too")
        stream.wait(lambda s: any(m.data["content"] == "during too" for m in s.messages), "the message")
        assert stream.wait_named("mode").data == {"mode": "no-redis"}
        assert alice.get("/v1/readyz").json()["redis"]
        assert alice.get("/v1/health/redis").json()["status"] == "disconnected"
        assert bob.page(ticket)["messages"][-1]["content"] == "during too"
        with bob.stream(ticket, since=0) as late:
            assert late.hello()["mode"] == "no-redis"
            late.wait_messages(len(stream.messages))
        breakable.start()
        stream.wait(lambda s: s.named("mode")[-1].data["mode"] == "full", "full mode again")
        wait_for(lambda: alice.send(ticket, "after").headers["Bellhop-Mode"] == "full", "full mode in the api")
        stream.wait(lambda s: s.messages[-1].data["content"] == "after", "the message after")
        previous = 0
        for event in stream.messages:
            assert event.data["prev"] == previous
            previous = event.data["event_seq"]
        assert "hidden" not in repr(stream.events)


def test_a_poll_tells_all_that_was_said_before_it(breakable, ticket):
    """Streams get it within half a second while Redis is away; who asks is not told half of it."""
    alice = breakable.site.api("alice")
    cursor = alice.poll(ticket)["cursor"]
    breakable.kill("redis")
    with alice.stream(ticket) as stream:  # its hub is what the poll finds
        assert stream.hello()["mode"] == "no-redis"
        for number in range(5):
            alice.sent(ticket, str(number))
            answer = alice.poll(ticket, cursor=cursor, wait=0)
            assert [event["data"]["content"] for event in answer["events"]] == [str(number)]
            cursor = answer["cursor"]


def test_a_full_poll_knows_of_more_than_its_hub(breakable, ticket):
    """A page may end where the hub does, which has not heard yet of what was said before the poll."""
    alice = breakable.site.api("alice")
    begin = alice.poll(ticket)["cursor"]
    breakable.kill("redis")
    with alice.stream(ticket) as stream:
        assert stream.hello()["mode"] == "no-redis"
        for number in range(200):
            alice.sent(ticket, str(number))
        for _ in range(5):
            stream.wait_messages(len(alice.history(ticket)))
            alice.sent(ticket, "and one more")
            answer = alice.poll(ticket, cursor=begin, wait=0)
            assert len(answer["events"]) == 200
            assert answer["has_more"]
            begin = answer["events"][0]["id"]


def test_without_postgres_the_window_still_reads(breakable, ticket):
    site = breakable.site
    alice = site.api("alice")
    for number in range(5):
        alice.sent(ticket, str(number))
    with alice.stream(ticket) as stream:
        stream.hello()
        breakable.stop("postgres")
        refusal = until(lambda: alice.send(ticket, "x"), lambda a: a.status_code == 503, "a refusal")
        check_problem(refusal, 503, "unavailable")
        assert refusal.headers["Retry-After"]
        assert len(alice.page(ticket)["messages"]) == 5
        guest = site.api("bob", role="requester", tickets=[ticket])  # who never was here
        assert len(guest.page(ticket)["messages"]) == 5
        with guest.stream(ticket, since=0) as late:
            late.wait_messages(5)
        assert alice.get("/v1/readyz").status_code == 200
        assert stream.wait_named("mode").data["mode"] == "no-postgres"
        assert not stream.ended.is_set()
        breakable.start()
        wait_for(lambda: alice.send(ticket, "again").status_code == 201, "a send")
        stream.wait(lambda s: s.messages and s.messages[-1].data["content"] == "again", "the message")


def test_postgres_hangs_while_nobody_asks_it_anything(breakable, ticket):
    alice = breakable.site.api("alice")
    for number in range(5):
        alice.sent(ticket, str(number))
    with alice.stream(ticket) as stream:
        stream.hello()
        breakable.freeze("postgres")
        try:
            stream.wait(lambda s: any(e.data == {"mode": "no-postgres"} for e in s.events), "the mode")
            with alice.stream(ticket, since=0) as late:
                late.wait_messages(5)
        finally:
            breakable.thaw("postgres")
        stream.wait(lambda s: s.events[-1].data == {"mode": "full"}, "the end of it")


def test_with_neither_store_streams_stay_open(breakable, ticket):
    site = breakable.site
    alice = site.api("alice")
    alice.sent(ticket, "x")
    with alice.stream(ticket) as stream:
        stream.hello()
        breakable.stop("postgres")
        breakable.kill("redis")
        answer = until(
            lambda: alice.get(f"/v1/tickets/{ticket}/messages"), lambda a: a.status_code == 503, "a refusal"
        )
        check_problem(answer, 503, "unavailable")
        wait_for(lambda: alice.get("/v1/readyz").status_code == 503, "not ready")
        stream.wait(lambda s: s.named("mode") and s.named("mode")[-1].data["mode"] == "down", "mode down")
        with alice.stream(ticket) as late:
            assert late.status == 200
            assert late.wait_named("bye").data["code"] == "unavailable"
        assert not stream.ended.is_set()
        breakable.start()
        wait_for(lambda: alice.send(ticket, "back").status_code == 201, "a send")
        stream.wait(lambda s: s.messages and s.messages[-1].data["content"] == "back", "the message")


def test_a_stopped_push_says_goodbye(breakable, ticket):
    site = breakable.site
    streams = [site.api(f"reader{i}").stream(ticket) for i in range(10)]
    for stream in streams:
        stream.hello()
    breakable.stop("push")
    delays = set()
    for stream in streams:
        bye = stream.wait_named("bye")
        assert bye.data["code"] == "shutdown"
        delays.add(bye.data["retry_ms"])
        assert stream.retry_ms == bye.data["retry_ms"]
        stream.wait(lambda s: s.ended.is_set(), "the end")
    assert len(delays) > 1  # they do not all come back at once


def test_an_older_record_starts_a_new_epoch(breakable, ticket):
    """Redis is ahead of PostgreSQL: the record went back in time."""
    site = breakable.site
    alice = site.api("alice")
    for number in range(5):
        alice.sent(ticket, str(number))
    old = alice.page(ticket)
    breakable.sql("delete from bellhop.event where ticket_id = %s and seq > 3", ticket)
    breakable.sql("update bellhop.ticket set last_seq = 3, n = 3, last_public = 3, n_public = 3 where ticket_id = %s", ticket)
    follower = alice.stream(ticket, last_event_id=old["cursor"])
    former = old["messages"][0]["epoch"]
    epoch = until(
        lambda: alice.sent(ticket, "another fourth"), lambda m: m["epoch"] > former, "the next epoch"
    )["epoch"]  # fmt: skip
    follower.close()
    with alice.stream(ticket, last_event_id=old["cursor"]) as stream:
        assert stream.wait_named("gap").data["reason"] == "epoch"
    history = alice.history(ticket)
    assert [m["seq"] for m in history] == list(range(1, len(history) + 1))
    assert {m["epoch"] for m in history} == {epoch}
