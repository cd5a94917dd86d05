# SPDX-License-Identifier: BSD-2-Clause
"""How the daemons start, listen, stop, and treat peers that misbehave: on their own sockets."""

import contextlib
import fcntl
import grp
import itertools
import os
import pathlib
import resource
import signal
import socket
import stat
import struct
import subprocess
import termios
import threading
import time

import fcgi_client as fcgi
import psycopg2
import pytest
import requests
from client import DEADLINE, WITHIN_A_SECOND, until, wait_for
from daemon import ROUTES, Daemon, children_of
from stack import free_port, is_gone

# Run as another user, who cannot read the source tree: the client comes on standard input.
PEER = """
import sys
client = {}
exec(sys.stdin.read(), client)
sys.exit(client["call"](sys.argv[1], "GET", "/chat/v1/healthz").status not in (200, 404))
"""

# What the record waits for holds a worker as long as that lasts.
PATIENT = {"BELLHOP_PG_TIMEOUT_MS": 60000, "PGOPTIONS": "-c lock_timeout=0 -c statement_timeout=0"}

LIGHTTPD = """
server.modules = ("mod_fastcgi")
server.document-root = "{root}"
server.bind = "127.0.0.1"
server.port = {port}
fastcgi.server = ("/chat/" => ((
	"bin-path" => "{command}",
	"socket" => "{socket}",
	"max-procs" => 1,
	"check-local" => "disable"
)))
"""


def try_get(url):
    try:
        return requests.get(url, timeout=DEADLINE)
    except requests.ConnectionError:
        return None


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "daemon.sock")


@pytest.mark.parametrize("name", ["api", "push"])
class TestListening:
    def test_an_own_socket_with_mode_and_group(self, stack, path, name):
        group = grp.getgrgid(os.getgid()).gr_name
        with Daemon(stack, name, path, BELLHOP_SOCKET_MODE="0600", BELLHOP_SOCKET_GROUP=group).ready():
            about = os.stat(path)
            assert stat.S_IMODE(about.st_mode) == 0o600
            assert about.st_gid == os.getgid()
        assert not os.path.exists(path)

    def test_a_live_socket_is_not_displaced(self, stack, path, name):
        with Daemon(stack, name, path).ready() as first:
            second = Daemon(stack, name, path)
            assert second.process.wait(DEADLINE) == 1
            assert path in second.text()
            assert first.answers()

    def test_a_stale_socket_is_replaced(self, stack, path, name):
        left = socket.socket(socket.AF_UNIX)
        left.bind(path)
        left.close()
        with Daemon(stack, name, path).ready() as daemon:
            assert daemon.answers()

    def test_a_file_in_its_place_is_left_alone(self, stack, path, name):
        with open(path, "w") as file:
            file.write("precious")
        daemon = Daemon(stack, name, path)
        assert daemon.process.wait(DEADLINE) == 1
        with open(path) as file:
            assert file.read() == "precious"

    def test_descriptor_zero(self, stack, path, name):
        """As spawn-fcgi and lighttpd's bin-path start it."""
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen(64)
        with Daemon(stack, name, path, stdin=listener) as daemon:
            listener.close()
            daemon.ready()

    def test_spawn_fcgi(self, stack, path, tmp_path, name):
        pid_file = str(tmp_path / "pid")
        subprocess.run(
            ["spawn-fcgi", "-s", path, "-P", pid_file, "--", stack.program(f"bellhop-{name}"), "-c", stack.config],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        with open(pid_file) as file:
            pid = int(file.read())
        try:
            wait_for(lambda: fcgi.call(path, "GET", ROUTES[name], timeout=2), name)
        finally:
            os.kill(pid, signal.SIGTERM)
            wait_for(lambda: not os.path.exists(f"/proc/{pid}") or "Z" in open(f"/proc/{pid}/stat").read(), "its end")

    def test_lighttpd_bin_path(self, stack, path, make_directory, name):
        """lighttpd starts the daemon itself, and stops it when it stops."""
        port = free_port()
        config = pathlib.Path(make_directory()) / "lighttpd.conf"
        command = f"{stack.program('bellhop-' + name)} --config {stack.config}"
        config.write_text(LIGHTTPD.format(port=port, root=config.parent, command=command, socket=path))
        lighttpd = subprocess.Popen(["lighttpd", "-D", "-f", config], stdin=subprocess.DEVNULL)
        try:
            url = f"http://127.0.0.1:{port}{ROUTES[name]}"
            answer = until(lambda: try_get(url), lambda a: a is not None and a.status_code < 500, "an answer")
            assert answer.status_code == (200 if name == "api" else 401)
            assert answer.headers["X-Request-Id"]
            daemons = children_of(lighttpd.pid)
            assert len(daemons) == 1
        finally:
            lighttpd.terminate()
            lighttpd.wait(DEADLINE)
        wait_for(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in daemons), "the daemon's end")

    def test_systemd_descriptor_three(self, stack, path, name):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen(64)
        start = 'fd=$1; shift; eval "exec 3<&$fd"; export LISTEN_PID=$$ LISTEN_FDS=1; exec "$@"'
        settings = {**os.environ}
        log = open(path + ".log", "w+")
        process = subprocess.Popen(
            ["bash", "-c", start, "start", str(listener.fileno()), stack.program(f"bellhop-{name}"), "-c", stack.config],
            pass_fds=[listener.fileno()], stdin=subprocess.DEVNULL, stderr=log, stdout=log, env=settings,
        )  # fmt: skip
        listener.close()
        try:
            wait_for(lambda: fcgi.call(path, "GET", ROUTES[name], timeout=2), name)
        finally:
            process.terminate()
            assert process.wait(DEADLINE) == 0

    @pytest.mark.parametrize("peers,is_served", [("nobody", True), ("daemon", False), ("", True)])
    def test_only_listed_peers_are_served(self, stack, make_directory, name, peers, is_served):
        """Only root can become somebody else; another user's run sees that an own uid is served."""
        directory = make_directory()
        os.chmod(directory, 0o755)
        path = directory + "/daemon.sock"
        me = [] if os.getuid() else ["runuser", "-u", "nobody", "--"]
        if not me:
            peers, is_served = str(os.getuid()), True
        with Daemon(stack, name, path, BELLHOP_SOCKET_PEERS=peers, BELLHOP_SOCKET_MODE="0666") as daemon:
            wait_for(lambda: os.path.exists(path), "the socket")
            answered = subprocess.run(
                [*me, "/usr/bin/python3", "-c", PEER, path], input=open(fcgi.__file__).read(), text=True, timeout=DEADLINE
            )
            assert (answered.returncode == 0) is is_served
            assert daemon.process.poll() is None

    def test_an_idle_daemon_stops_within_a_second(self, stack, path, name):
        with Daemon(stack, name, path).ready() as daemon:
            begin = time.monotonic()
            assert daemon.stop() == 0
            assert time.monotonic() - begin < WITHIN_A_SECOND

    def test_a_child_that_hangs_is_replaced(self, stack, path, name):
        settings = {"BELLHOP_HANG_TIMEOUT_MS": 100, "BELLHOP_IO_TIMEOUT_MS": 100, "BELLHOP_API_WORKERS": 1}
        with Daemon(stack, name, path, **settings).ready() as daemon:
            (child,) = children_of(daemon.process.pid)
            os.kill(child, signal.SIGSTOP)
            wait_for(lambda: is_gone(child), "its end")
            wait_for(daemon.answers, "a successor")
            assert "gives no sign of life" in daemon.text()
            assert daemon.stop() == 0

    def test_a_stop_lets_the_running_request_finish(self, stack, path, name):
        if name == "push":
            return  # its streams say goodbye instead: test_faults
        with Daemon(stack, name, path, BELLHOP_API_WORKERS=1).ready() as daemon:
            token = stack.site.token("alice")
            connection = fcgi.Connection(path)
            body = b'{"content": "to the end"}'
            pairs = fcgi.cgi_params("POST", "/chat/v1/tickets/T-stop/messages",
                                    {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}, body)  # fmt: skip
            connection.send(fcgi.begin() + fcgi.stream(fcgi.PARAMS, fcgi.params(pairs)) + fcgi.record(fcgi.STDIN, body[:5]))
            wait_for(lambda: unread_bytes(connection) == 0, "the worker to take it")
            daemon.process.send_signal(signal.SIGTERM)
            connection.send(fcgi.record(fcgi.STDIN, body[5:]) + fcgi.record(fcgi.STDIN))
            assert connection.response().status == 201
            assert daemon.process.wait(DEADLINE) == 0

    def test_a_stop_ends_by_itself_though_peers_dawdle(self, stack, path, name):
        """One whose body does not come, and one that does not take its answer; what is whole is served meanwhile."""
        settings = {"BELLHOP_API_WORKERS": 1, "BELLHOP_IO_TIMEOUT_MS": 60000, "BELLHOP_STOP_TIMEOUT_MS": 6000}
        if name == "push":
            return  # it waits for no body, and says goodbye to who listens: test_faults
        token = {"Authorization": f"Bearer {stack.site.token('alice', role='service')}"}
        for _ in range(40):
            stack.site.api("alice").sent("T-dawdle", "x" * 16000)
        history = fcgi.cgi_params("GET", "/chat/v1/tickets/T-dawdle/messages?limit=200", token)
        post = fcgi.cgi_params("POST", "/chat/v1/tickets/T-dawdle/messages", token, b"{}")
        with Daemon(stack, name, path, **settings).ready() as daemon, contextlib.ExitStack() as cleaning:
            whole, half, deaf = (cleaning.enter_context(fcgi.Connection(path)) for _ in range(3))
            for connection in (whole, half):
                connection.send(fcgi.begin() + fcgi.stream(fcgi.PARAMS, fcgi.params(post)))
            deaf.request(history)
            wait_for(lambda: [unread_bytes(c) for c in (whole, half, deaf)] == [0, 0, 0], "the worker to take them")
            daemon.process.send_signal(signal.SIGTERM)
            whole.send(fcgi.stream(fcgi.STDIN, b"{}"))
            assert whole.response().status == 415
            assert daemon.process.wait(DEADLINE) == 0, "killed"
            assert "does not stop" not in daemon.text()

    def test_a_killed_master_takes_its_children_along(self, stack, path, name):
        daemon = Daemon(stack, name, path).ready()
        children = children_of(daemon.process.pid)
        assert children
        daemon.stop(signal.SIGKILL)
        wait_for(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in children), "the children's end")


def connections_of(path):
    """How many there are on a unix socket, at the side of whoever listens."""
    with open("/proc/net/unix") as file:
        rows = [line.split() for line in file]
    return sum(row[-1] == path and row[5] == "03" for row in rows)


def leave_no_descriptor(daemon, waiting=0):
    """Its worker keeps those that it has, and gets no other one. Gives its pid, and what it was allowed before."""
    (pid,) = children_of(daemon.process.pid)
    # The connection that is closed next would leave one.
    wait_for(lambda: connections_of(daemon.path) == waiting, "the end of all other connections")
    taken = {int(name) for name in os.listdir(f"/proc/{pid}/fd")}
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    free = next(number for number in itertools.count() if number not in taken)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (free, before[1]))
    return pid, before


@contextlib.contextmanager
def locked(stack, table):
    """Nobody reads or writes the table meanwhile. Gives a function that tells whether somebody waits for it."""
    database = psycopg2.connect(stack.owner_url)
    try:
        database.cursor().execute(f"LOCK TABLE {table}")
        waiting = "SELECT count(*) FROM pg_locks WHERE relation = %s::regclass AND NOT granted"
        yield lambda: stack.sql(waiting, table)[0][0] > 0
    finally:
        database.close()


def unread_bytes(connection):
    """What the other side of a unix socket has not read yet."""
    count = fcntl.ioctl(connection.socket, termios.TIOCOUTQ, struct.pack("i", 0))
    return struct.unpack("i", count)[0]


class TestScarcity:
    """Descriptors are few, or there are none: that is said, and ends nobody's service."""

    @pytest.fixture
    def lone(self, stack, path):
        with Daemon(stack, "api", path, BELLHOP_API_WORKERS=1, BELLHOP_IO_TIMEOUT_MS=60000).ready() as daemon:
            yield daemon

    def test_accepting_pauses_without_a_descriptor(self, lone):
        worker, before = leave_no_descriptor(lone)
        began = time.monotonic()
        with fcgi.Connection(lone.path) as connection:
            connection.request(fcgi.cgi_params("GET", ROUTES["api"]))
            pauses = until(lambda: lone.text().count("accepting pauses"), lambda n: n >= 2, "a second try")
            assert pauses <= 1 + time.monotonic() - began, "one a second"
            resource.prlimit(worker, resource.RLIMIT_NOFILE, before)
            assert connection.response().status == 200

    def test_a_pause_does_not_hold_up_a_stop(self, lone):
        leave_no_descriptor(lone)
        with fcgi.Connection(lone.path):
            wait_for(lambda: "accepting pauses" in lone.text(), "the pause")
            assert lone.stop() == 0

    def test_who_has_waited_longest_makes_room_for_a_descriptor(self, lone):
        with fcgi.Connection(lone.path) as oldest, fcgi.Connection(lone.path) as other:
            for connection in (oldest, other):
                connection.send(fcgi.begin())
                wait_for(lambda: unread_bytes(connection) == 0, "the worker to take it")
            leave_no_descriptor(lone, waiting=2)
            assert lone.answers().status == 200
            oldest.wait_closed()
            other.send(fcgi.stream(fcgi.PARAMS, fcgi.params(fcgi.cgi_params("GET", ROUTES["api"]))) + fcgi.record(fcgi.STDIN))
            assert other.response().status == 200
            assert "scarce" in lone.text() and "accepting pauses" not in lone.text()

    def test_a_crowd_leaves_descriptors_for_keys_and_stores(self, stack, path, tmp_path):
        ring, key = tmp_path / "ring", b"k" * 40
        ring.mkdir()
        (ring / "old.key").write_bytes(key)
        (ring / "old.key").chmod(0o600)
        settings = {"BELLHOP_API_WORKERS": 1, "BELLHOP_IO_TIMEOUT_MS": 60000, "BELLHOP_JWT_KEYS_DIR": ring}

        def status(kid):
            return fcgi.call(path, "GET", "/chat/v1/auth", stack.site.token("alice", key=key, kid=kid)).status

        with Daemon(stack, "api", path, wrap=["prlimit", "--nofile=100"], **settings).ready() as daemon:
            with contextlib.ExitStack() as cleaning:
                for _ in range(100):
                    cleaning.enter_context(fcgi.Connection(path)).send(fcgi.begin())
                assert status("old") == 204
                (ring / "old.key").rename(ring / "new.key")
                daemon.process.send_signal(signal.SIGHUP)
                wait_for(lambda: status("new") == 204, "the new key")
            assert "too many wait" in daemon.text() and "scarce" not in daemon.text()


class TestBadPeers:
    """A peer that dawdles costs itself, and never another request beyond the time-out."""

    @pytest.fixture
    def lone(self, stack, path):
        """One worker and a short time-out: whoever holds it holds everybody, but not for long."""
        with Daemon(stack, "api", path, BELLHOP_API_WORKERS=1, BELLHOP_IO_TIMEOUT_MS=400).ready() as daemon:
            yield daemon

    @pytest.mark.parametrize(
        "beginning",
        [
            b"",
            b"\x01",
            fcgi.begin()[:5],
            fcgi.begin(),
            fcgi.begin() + fcgi.record(fcgi.PARAMS, fcgi.pair("REQUEST_METHOD", "GET"))[:-3],
            fcgi.begin() + fcgi.stream(fcgi.PARAMS, fcgi.params({"REQUEST_METHOD": "POST", "CONTENT_LENGTH": "10"})),
        ],
        ids=["silence", "one byte", "half a header", "no parameters", "half a pair", "no body"],
    )
    def test_a_silent_connection_is_dropped(self, lone, beginning):
        with fcgi.Connection(lone.path) as connection:
            if beginning:
                connection.send(beginning)
            assert fcgi.call(lone.path, "GET", "/chat/v1/healthz").status == 200
            connection.wait_closed()

    def test_a_crowd_that_sends_nothing_or_half_a_header(self, stack, path):
        """More of them than workers, again and again: they do not add up."""
        with Daemon(stack, "api", path, BELLHOP_API_WORKERS=1, BELLHOP_IO_TIMEOUT_MS=5000).ready() as daemon:
            crowd = [fcgi.Connection(path) for _ in range(20)]
            for connection in crowd[10:]:
                connection.send(fcgi.begin() + fcgi.record(fcgi.PARAMS, fcgi.pair("REQUEST_METHOD", "GET"))[:-3])
            crowd[19].send(b"x" * 100)
            assert fcgi.call(path, "GET", "/chat/v1/healthz").status == 200
            pairs = fcgi.cgi_params("GET", "/chat/v1/healthz")
            crowd[0].request(pairs)
            assert crowd[0].response().status == 200, "who has waited is still served"
            for connection in crowd[1:]:
                connection.wait_closed()
                connection.close()
            assert daemon.process.poll() is None

    def test_a_request_byte_by_byte(self, lone):
        with fcgi.Connection(lone.path) as connection:
            pairs = fcgi.params(fcgi.cgi_params("GET", "/chat/v1/healthz", {"Authorization": "Bearer " + "x" * 400}))
            request = fcgi.begin() + fcgi.stream(fcgi.PARAMS, pairs) + fcgi.record(fcgi.STDIN)
            for byte in request:
                connection.send(bytes([byte]))
            assert connection.response().status == 200

    def test_a_kept_connection_does_not_pin_the_worker(self, lone):
        with fcgi.Connection(lone.path) as connection:
            connection.request(fcgi.cgi_params("GET", "/chat/v1/healthz"), flags=fcgi.KEEP_CONN)
            assert connection.response().status == 200
            assert fcgi.call(lone.path, "GET", "/chat/v1/healthz").status == 200

    def test_an_answer_that_nobody_reads(self, lone, stack):
        token = stack.site.token("alice", role="service")
        for number in range(40):
            stack.site.api("alice").sent("T-unread", "x" * 16000)
        stuck = []
        for _ in range(3):
            connection = fcgi.Connection(lone.path)
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            connection.request(fcgi.cgi_params("GET", "/chat/v1/tickets/T-unread/messages?limit=200",
                                               {"Authorization": f"Bearer {token}"}))  # fmt: skip
            stuck.append(connection)
        assert fcgi.call(lone.path, "GET", "/chat/v1/healthz").status == 200
        for connection in stuck:
            connection.close()

    def test_a_request_that_came_while_the_worker_was_held(self, stack, path):
        """Its time was over when the worker came back, but it was whole by then: that is not its fault."""
        time_ms = 3000
        settings = {"BELLHOP_API_WORKERS": 1, "BELLHOP_IO_TIMEOUT_MS": time_ms, **PATIENT}
        token = {"Authorization": f"Bearer {stack.site.token('alice')}"}
        pairs = fcgi.params(fcgi.cgi_params("GET", "/chat/v1/tickets", token))
        request = fcgi.begin() + fcgi.stream(fcgi.PARAMS, pairs) + fcgi.record(fcgi.STDIN)
        with Daemon(stack, "api", path, **settings).ready(), fcgi.Connection(path) as late, fcgi.Connection(path) as slow:
            with locked(stack, "bellhop.participant") as is_waited_for:
                late.send(request[:-8])
                wait_for(lambda: unread_bytes(late) == 0, "the worker to take it")
                end = time.monotonic() + time_ms / 1000
                slow.send(request)
                wait_for(is_waited_for, "the worker to be held")
                late.send(request[-8:])
                wait_for(lambda: time.monotonic() > end, "the end of its time")
            assert slow.response().status == 200
            assert late.response().status == 200

    def test_a_body_that_is_cut_short_is_no_message(self, lone, stack):
        token = stack.site.token("alice")
        body = b'{"content": "whole"}'
        pairs = fcgi.cgi_params("POST", "/chat/v1/tickets/T-short/messages",
                                {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}, body + b"   ")  # fmt: skip
        with fcgi.Connection(lone.path) as connection:
            connection.request(pairs, body)
            answer = connection.response()
        assert (answer.status, answer.json()["code"]) == (400, "bad_request")
        assert stack.site.api("alice").history("T-short") == []

    def test_parameters_split_at_every_byte(self, stack, path):
        with Daemon(stack, "push", path).ready() as push, Daemon(stack, "api", path + "2").ready() as api:
            for daemon in (push, api):
                pairs = fcgi.params(fcgi.cgi_params("GET", ROUTES[daemon.name], {"Authorization": "Bearer " + "x" * 200}))
                with fcgi.Connection(daemon.path) as connection:
                    connection.send(fcgi.begin() + fcgi.stream(fcgi.PARAMS, pairs, size=1) + fcgi.record(fcgi.STDIN))
                    assert connection.response().status in (200, 401)

    def test_push_drops_a_half_sent_request(self, stack, path):
        with Daemon(stack, "push", path, BELLHOP_IO_TIMEOUT_MS=400).ready() as daemon:
            with fcgi.Connection(path) as connection:
                connection.send(fcgi.begin()[:5])
                connection.wait_closed()
            assert daemon.answers()

    def test_push_outlives_a_crowd_of_silent_connections(self, stack, path):
        with Daemon(stack, "push", path, BELLHOP_IO_TIMEOUT_MS=2000).ready() as daemon:
            crowd = [fcgi.Connection(path) for _ in range(500)]
            assert daemon.answers()
            for connection in crowd:
                connection.wait_closed()
                connection.close()

    def test_a_slow_listener_is_told_to_come_back(self, stack, path):
        site, ticket = stack.site, "T-slow"
        with Daemon(stack, "push", path, BELLHOP_SLOW_BYTES=65536).ready() as daemon:
            with fcgi.Connection(path) as slow:
                slow.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                slow.request(fcgi.cgi_params("GET", f"/chat/v1/tickets/{ticket}/stream",
                                             {"Authorization": f"Bearer {site.token('bob')}"}))  # fmt: skip
                slow.receive_some(time.monotonic() + DEADLINE)
                workers = [threading.Thread(target=lambda: [site.api("alice").sent(ticket, "x" * 16000) for _ in range(25)])
                           for _ in range(2)]  # fmt: skip
                for worker in workers:
                    worker.start()
                for worker in workers:
                    worker.join()
                wait_for(lambda: "reason=slow" in daemon.text(), "the end of its patience")
                slow.timeout = DEADLINE
                assert b'"slow"' in slow.wait_closed()

    def test_an_event_longer_than_what_may_be_unread_comes_at_once(self, stack, path):
        site, ticket = stack.site, "T-long"
        with Daemon(stack, "push", path, BELLHOP_SLOW_BYTES=4096).ready():
            with fcgi.Connection(path) as listener:
                listener.request(fcgi.cgi_params("GET", f"/chat/v1/tickets/{ticket}/stream",
                                                 {"Authorization": f"Bearer {site.token('bob')}"}))  # fmt: skip
                end = time.monotonic() + DEADLINE
                while b"event: hello" not in listener.buffer:
                    listener.receive_some(end)
                for content in ("x" * 16000, "last"):
                    site.api("alice").sent(ticket, content)
                while b'"last"' not in listener.buffer:
                    listener.receive_some(end)
                assert listener.buffer.count(b"event: message") == 2 and b"event: ping" not in listener.buffer


class TestSettings:
    @pytest.mark.parametrize("name", ["api", "push", "archive"])
    def test_bad_settings_are_all_named_and_nothing_starts(self, stack, name):
        result = subprocess.run(
            [stack.program(f"bellhop-{name}"), "-t", "-c", stack.config], capture_output=True, text=True, timeout=DEADLINE,
            env={**os.environ, "BELLHOP_BASE_PATH": "chat", "BELLHOP_LOG_LEVEL": "loud"},
        )  # fmt: skip
        assert result.returncode == 1
        assert "BELLHOP_BASE_PATH" in result.stderr and "BELLHOP_LOG_LEVEL" in result.stderr

    @pytest.mark.parametrize("name", ["api", "push", "archive"])
    def test_options(self, stack, name):
        def run(*options):
            command = [stack.program(f"bellhop-{name}"), *options]
            return subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE)

        assert run("--version").stdout.startswith(f"bellhop-{name} ")
        assert "--config" in run("--help").stdout
        assert run("--nonsense").returncode == 2
        assert run("-c", "/nonexistent/bellhop.conf").returncode == 1
        assert run("-t", "-c", stack.config).returncode == 0

    def test_keys_are_read_again_on_sighup(self, stack, path, tmp_path):
        ring = tmp_path / "ring"
        ring.mkdir()
        key = b"k" * 40
        old, new = ring / "old.key", ring / "new.key"
        old.write_bytes(key)
        old.chmod(0o600)
        with Daemon(stack, "api", path, BELLHOP_JWT_KEYS_DIR=ring).ready() as daemon:

            def status(kid):
                token = stack.site.token("alice", key=key, kid=kid)
                return fcgi.call(path, "GET", "/chat/v1/auth", token).status

            assert (status("old"), status("new")) == (204, 401)
            new.write_bytes(key)
            new.chmod(0o600)
            old.unlink()
            daemon.process.send_signal(signal.SIGHUP)
            wait_for(lambda: all(status("new") == 204 for _ in range(20)), "the new key everywhere")
            assert status("old") == 401

    def test_a_request_that_comes_after_sighup_is_answered_by_the_new_keys(self, stack, path, tmp_path):
        """Also where the worker has its connection already, and looks for the request at that moment."""
        ring, key = tmp_path / "ring", b"k" * 40
        ring.mkdir()
        (ring / "0.key").write_bytes(key)
        (ring / "0.key").chmod(0o600)
        with Daemon(stack, "api", path, BELLHOP_API_WORKERS=1, BELLHOP_JWT_KEYS_DIR=ring).ready() as daemon:
            (worker,) = children_of(daemon.process.pid)
            for turn in range(1, 51):
                (ring / f"{turn - 1}.key").rename(ring / f"{turn}.key")
                token = stack.site.token("alice", key=key, kid=str(turn))
                pairs = fcgi.params(fcgi.cgi_params("GET", "/chat/v1/auth", {"Authorization": f"Bearer {token}"}))
                with fcgi.Connection(path) as connection:
                    os.kill(worker, signal.SIGHUP)
                    connection.send(fcgi.begin() + fcgi.stream(fcgi.PARAMS, pairs) + fcgi.record(fcgi.STDIN))
                    assert connection.response().status == 204, f"turn {turn}"

    def test_a_bad_reload_keeps_the_former_settings(self, stack, path, tmp_path):
        ring = tmp_path / "ring"
        ring.mkdir()
        (ring / "one.key").write_bytes(b"k" * 40)
        (ring / "one.key").chmod(0o600)
        with Daemon(stack, "api", path, BELLHOP_JWT_KEYS_DIR=ring).ready() as daemon:
            (ring / "short.key").write_bytes(b"short")
            (ring / "short.key").chmod(0o600)
            daemon.process.send_signal(signal.SIGHUP)
            wait_for(lambda: "short" in daemon.text(), "the reason in the log")
            token = stack.site.token("alice", key=b"k" * 40, kid="one")
            assert fcgi.call(path, "GET", "/chat/v1/auth", token).status == 204

    def test_the_log_holds_no_secrets_and_no_content(self, stack, path):
        token, text = stack.site.token("alice"), "content-that-nobody-logs"
        with Daemon(stack, "api", path, BELLHOP_LOG_LEVEL="debug", BELLHOP_LOG_FORMAT="json").ready() as daemon:
            answer = fcgi.call(path, "POST", "/chat/v1/tickets/T-log/messages", token, {"content": text})
            assert answer.status == 201
            fcgi.call(path, "POST", "/chat/v1/tickets/T-log/messages", token, b'{"content": "' + text.encode())
            wait_for(lambda: daemon.text().count('"T-log"') >= 2, "both log lines")
            log = daemon.text()
        assert text not in log and token not in log and token.split(".")[2] not in log
        assert answer.header("x-request-id") in log and '"alice"' in log
