# SPDX-License-Identifier: BSD-2-Clause
"""
What comes over the FastCGI sockets is no reason to crash, to hang or to grow, and never costs another request more
than its turn. After each test the daemons are the same processes, and answer.
"""

import contextlib
import os
import signal
import threading

import conftest
import fcgi_client as fcgi
import hostile
import pytest
from client import DEADLINE, Stream, wait_for
from daemon import Daemon, children_of

TIMEOUT_MS = 1500


@pytest.fixture(scope="module")
def target(request):
    """A whole site whose daemons wait for their peers a second and a half."""
    yield from conftest.running_stack(request, env={"BELLHOP_IO_TIMEOUT_MS": str(TIMEOUT_MS)})


@pytest.fixture(autouse=True)
def unharmed(target):
    """All daemons answer afterwards, and none had to be started again."""
    before = hostile.processes(target)
    yield
    for name in hostile.NAMES:
        assert fcgi.call(hostile.socket_of(target, name), "GET", hostile.ROUTES[name]).status in (200, 401)
    assert hostile.processes(target) == before, target.log_ends()


@pytest.fixture(params=hostile.NAMES)
def door(request, target):
    return request.param, hostile.socket_of(target, request.param)


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "daemon.sock")


def test_every_attack_is_answered_or_thrown_out(door):
    """At once where the peer has sent its last, in time where it keeps the connection open."""
    name, path = door
    waiting = []
    for attack, data in hostile.attacks(name).items():
        with hostile.Peer(path) as peer:
            peer.send(data)
            peer.half_close()
            try:
                peer.read_to_end()
            except TimeoutError:
                pytest.fail(f"{attack}: neither answered nor closed")
        waiting.append((attack, hostile.Peer(path)))
        waiting[-1][1].send(data)
        hostile.Peer(path).reset()
    for attack, peer in waiting:
        with peer:
            try:
                peer.read_to_end()
            except TimeoutError:
                pytest.fail(f"{attack}: neither answered nor closed in time")


def test_cut_at_every_byte(door):
    """The peer goes, half goes, or stays without a word; what was whole is answered."""
    name, path = door
    data = hostile.whole(name)
    waiting = []
    for at in range(len(data)):
        with hostile.Peer(path) as peer:
            peer.send(data[:at])
        with hostile.Peer(path) as peer:
            peer.send(data[:at])
            peer.half_close()
            assert at >= len(data) - 8 or b"Status: 200" not in peer.read_to_end()
        if at % 3 == 0:
            waiting.append(hostile.Peer(path))
            waiting[-1].send(data[:at])
    for peer in waiting:
        peer.read_to_end()
        peer.close()


def test_pairs_split_at_every_byte(door):
    name, path = door
    pairs = hostile.pairs_of(name)
    for at in range(len(pairs) + 1):
        with fcgi.Connection(path) as connection:
            parts = [part for part in (pairs[:at], pairs[at:]) if part]
            connection.send(fcgi.begin() + b"".join(fcgi.record(fcgi.PARAMS, part) for part in parts))
            connection.send(fcgi.record(fcgi.PARAMS) + fcgi.record(fcgi.STDIN))
            answer = connection.response()
            assert answer.status in (200, 401) and answer.header("x-request-id") == "hostile"


def test_lengths_in_their_long_form(door):
    """Section 3.4 leaves it to the peer, whatever the length."""
    name, path = door

    def long(n):
        return (n | 0x80000000).to_bytes(4, "big")

    items = fcgi.cgi_params("GET", hostile.ROUTES[name], {"X-Request-Id": "hostile"}).items()
    pairs = b"".join(long(len(key)) + long(len(value)) + (key + value).encode() for key, value in items)
    with fcgi.Connection(path) as connection:
        connection.send(fcgi.begin() + fcgi.stream(fcgi.PARAMS, pairs, size=5) + fcgi.record(fcgi.STDIN))
        assert connection.response().header("x-request-id") == "hostile"


def test_interleaved_requests(door):
    """One at a time on a connection: the first is served, the others are told so."""
    name, path = door
    with fcgi.Connection(path) as connection:
        connection.send(hostile.interleaved(name))
        refused, answered = [], None
        while answered is None:
            kind, request_id, content = connection.receive_record(fcgi.time.monotonic() + DEADLINE)
            if kind == fcgi.END_REQUEST and content[4] == 1:
                refused.append(request_id)
            elif kind == fcgi.END_REQUEST:
                answered = request_id
        assert (answered, refused) == (1, list(range(2, 11)))


def test_another_role_is_told_so(door):
    for role in (2, 3):
        with fcgi.Connection(door[1]) as connection:
            connection.send(fcgi.begin(role=role))
            kind, _, content = connection.receive_record(fcgi.time.monotonic() + DEADLINE)
            assert (kind, content[4]) == (fcgi.END_REQUEST, 3)
            connection.wait_closed()


def test_get_values_is_answered(door):
    with fcgi.Connection(door[1]) as connection:
        asked = {"FCGI_MAX_CONNS": "", "FCGI_MPXS_CONNS": "", "FCGI_MAX_REQS": ""}
        connection.send(fcgi.record(fcgi.GET_VALUES, fcgi.params(asked), 0))
        kind, request_id, content = connection.receive_record(fcgi.time.monotonic() + DEADLINE)
        assert (kind, request_id, content) == (fcgi.GET_VALUES_RESULT, 0, fcgi.pair("FCGI_MPXS_CONNS", "0"))
        connection.request(fcgi.cgi_params("GET", hostile.ROUTES[door[0]]))
        assert connection.response().status in (200, 401)


def test_an_aborted_request_is_ended(door):
    for beginning in (fcgi.begin(), hostile.whole(door[0])[:-8]):
        if door[0] == "push" and len(beginning) > 16:
            continue  # push needs no body: it has answered by then
        with fcgi.Connection(door[1]) as connection:
            connection.send(beginning + fcgi.record(fcgi.ABORT_REQUEST))
            answer = connection.response()
            assert (answer.body, answer.protocol_status) == (b"", 0)
            connection.wait_closed()


def test_changed_bytes(door):
    name, path = door
    for data in hostile.mutations(name, 300, seed=name):
        with hostile.Peer(path) as peer:
            peer.send(data)
            peer.half_close()
            peer.read_to_end()


@pytest.mark.parametrize("flood", sorted(hostile.floods("api")))
def test_a_flood_ends_and_holds_nobody_up(target, door, flood):
    """Many of them send as fast as they can, for as long as they are let; others are served meanwhile."""
    name, path = door
    beginning, portion = hostile.floods(name)[flood]
    ended = []

    def pour():
        with hostile.Peer(path) as peer:
            open_still = peer.send(beginning)
            while open_still:
                open_still = peer.send(portion)
            ended.append(peer)

    pourers = [threading.Thread(target=pour) for _ in range(4)]
    for pourer in pourers:
        pourer.start()
    for _ in range(10):
        assert fcgi.call(path, "GET", hostile.ROUTES[name]).status in (200, 401)
    for pourer in pourers:
        pourer.join(DEADLINE)
    assert len(ended) == len(pourers)


def test_an_open_stream_whose_peer_goes_on_sending(target, ticket):
    """It is heard as long as it is harmless, and thrown out when it is not."""
    path = hostile.socket_of(target, "push")
    headers = {"Authorization": f"Bearer {target.site.token('bob')}"}
    request = fcgi.begin() + fcgi.stream(
        fcgi.PARAMS, fcgi.params(fcgi.cgi_params("GET", f"/chat/v1/tickets/{ticket}/stream", headers))
    )
    for tail, stays in (
        (fcgi.record(fcgi.STDIN, b"x" * 60000) * 3, True),
        (fcgi.record(fcgi.PARAMS, b"x" * 60000, 5) * 3, True),
        (fcgi.record(fcgi.GET_VALUES, fcgi.pair("FCGI_MPXS_CONNS", ""), 0) * 100, False),
        (fcgi.begin(), False),
        (fcgi.record(fcgi.ABORT_REQUEST), False),
        (b"GET / HTTP/1.1\r\n", False),
    ):
        with hostile.Peer(path) as peer:
            peer.send(request + tail)
            if stays:
                data = b""
                while b"event: hello" not in data:
                    data += peer.socket.recv(65536)
                target.site.api("alice").sent(ticket, "still here")
                while b"still here" not in data:
                    data += peer.socket.recv(65536)
            else:
                peer.read_to_end()


def test_thousands_who_come_and_say_nothing(door):
    name, path = door
    for _ in range(2000):
        hostile.Peer(path).close()
    crowd = [hostile.Peer(path) for _ in range(800)]
    for _ in range(5):
        assert fcgi.call(path, "GET", hostile.ROUTES[name]).status in (200, 401)
    for peer in crowd:
        peer.read_to_end()
        peer.close()


@contextlib.contextmanager
def workers(target, path, number):
    """An api with so many workers, which wait long for their peers, and their pids."""
    settings = {"BELLHOP_API_WORKERS": number, "BELLHOP_IO_TIMEOUT_MS": 60000, "BELLHOP_HANG_TIMEOUT_MS": 0}
    with Daemon(target, "api", path, **settings) as daemon:
        wait_for(lambda: f"children={number}" in daemon.text(), "all workers")
        yield children_of(daemon.process.pid)


def waits_at(pids):
    """How many descriptors each of them has open."""
    return [len(os.listdir(f"/proc/{pid}/fd")) for pid in pids]


def test_a_burst_that_one_worker_takes_alone(target, path):
    """The others do not get to run meanwhile. Nobody is thrown out for that, and all are served."""
    crowd, request = 700, hostile.whole("api")
    with workers(target, path, 2) as pids, contextlib.ExitStack() as stack:
        before = waits_at(pids)[0]
        os.kill(pids[1], signal.SIGSTOP)
        try:
            peers = [stack.enter_context(hostile.Peer(path)) for _ in range(crowd)]
            for peer in peers:
                peer.send(request[:-6])
            wait_for(lambda: waits_at(pids)[0] >= before + crowd, "all of them")
            for peer in peers:
                peer.send(request[-6:])
            assert all(b"Status: 200" in peer.read_to_end() for peer in peers)
        finally:
            os.kill(pids[1], signal.SIGCONT)


def test_those_who_wait_are_shared_out_among_the_workers(target, path):
    """Who comes while all have nothing to do waits at the worker at which nobody came for longest."""
    each, number = 10, 4
    with workers(target, path, number) as pids, contextlib.ExitStack() as stack:
        before = waits_at(pids)
        for came in range(1, each * number + 1):
            stack.enter_context(hostile.Peer(path)).send(hostile.whole("api")[:-6])
            wait_for(lambda: sum(waits_at(pids)) >= sum(before) + came, "the next one")
        shares = [now - then for now, then in zip(waits_at(pids), before)]
        assert min(shares) >= each / 2, shares


def batch(target):
    """Everything once more, as fast as it goes."""
    for name in hostile.NAMES:
        path = hostile.socket_of(target, name)
        for data in [*hostile.attacks(name).values(), *hostile.mutations(name, 200, seed="batch"), hostile.interleaved(name)]:
            with hostile.Peer(path) as peer:
                peer.send(data)
                peer.half_close()
                peer.read_to_end()
        crowd = [hostile.Peer(path) for _ in range(300)]
        for peer in crowd:
            peer.send(hostile.whole(name)[:-4])
            peer.close()


def fill(target, ticket):
    """A ticket whose history is larger than what a socket takes."""
    alice = target.site.api("alice", role="service")
    for _ in range(20):
        alice.sent(ticket, "x" * 16000)


def test_slow_senders_and_slow_readers_by_the_hundred(target, ticket):
    """Hundreds at once on every way in; a polite client is served, and its stream tells it of everything."""
    fill(target, ticket)
    site, quiet = target.site, f"{ticket}-quiet"
    anna, bob = site.api("anna", role="service"), site.api("bob")
    with contextlib.ExitStack() as stack:
        crowds = [stack.enter_context(crowd) for crowd in hostile.crowds(target, 100, ticket)]
        stream = stack.enter_context(Stream(bob, f"/v1/tickets/{quiet}/stream"))
        stream.hello()
        for i in range(100):
            anna.sent(quiet, f"message {i}")
            assert len(bob.page(quiet, limit=1)["messages"]) == 1
        stream.wait(lambda s: len(s.messages) == 100, "all hundred messages")
        assert [event.data["content"] for event in stream.messages] == [f"message {i}" for i in range(100)]
        # They were there all the while: those who send slowly on our sockets have been thrown out and came again.
        wait_for(lambda: all(crowd.thrown_out > 0 for crowd in crowds[:2]), "the end of the first of them")


def test_what_a_crowd_took_is_given_back(request, ticket):
    """Also what the allocator would keep, because something small lies above it."""
    for target in conftest.running_stack(request, env={"BELLHOP_API_WORKERS": "1"}):
        (worker,) = target.children("api")
        fill(target, ticket)

        def memory(target=target, worker=worker):
            return hostile.memory_kib(target)["api", worker]

        def come(number, target=target):
            with contextlib.ExitStack() as stack:
                for crowd in hostile.crowds(target, number, ticket):
                    stack.enter_context(crowd)
                yield

        for _ in come(2):
            target.site.api("alice").history(ticket)
        before = memory()
        for _ in come(50):
            wait_for(lambda: memory() > before + 6000, "answers that wait")
            for i in range(200):
                target.site.api("anna", role="service").sent("T-others", f"message {i}")
        slack = hostile.slack_kib(worker, 1024)
        wait_for(lambda: memory() < before + slack, "their end")


def test_nothing_grows(target, ticket):
    """
    The same again takes no more memory. The first time fills what is kept for reuse (buffers, the allocator's arenas,
    log and connection state); after that a leak of a hundred bytes a connection would show as 300 KiB. A page more
    or less is the allocator's.
    """
    batch(target)
    batch(target)
    before, open_before = hostile.memory_kib(target), hostile.descriptors(target)
    for _ in range(2):
        batch(target)
    after = hostile.memory_kib(target)
    assert set(after) == set(before)
    grown = {process: after[process] - before[process] for process in after}
    assert all(grown[process] <= hostile.slack_kib(process[1], 512) for process in grown), grown
    wait_for(
        lambda: all(now <= open_before[process] for process, now in hostile.descriptors(target).items()),
        "the end of their descriptors",
    )
