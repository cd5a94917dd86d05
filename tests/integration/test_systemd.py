# SPDX-License-Identifier: BSD-2-Clause
"""
contrib/systemd/: how far the units shut the daemons in, and that they live there. systemd's own tools judge the files
and hand over sockets, and the kernel holds the daemons to the system calls that their units allow.
"""

import os
import re
import signal
import socket
import stat
import struct
import subprocess
import sys
import time

import fcgi_client as fcgi
import pytest
from client import DEADLINE, wait_for
from daemon import Daemon
from seccomp_run import allowed_calls, unit_values
from stack import SOURCE, build_dir, is_gone

UNITS = SOURCE / "contrib" / "systemd"
SERVICES = ["bellhop-api", "bellhop-archive", "bellhop-push", "bellhop-push@"]
EXPOSURE_MAX = 2.0


def analyze(*arguments):
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, timeout=DEADLINE)


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The prefix below which configure and make have put the units."""
    building, prefix = tmp_path_factory.mktemp("build"), tmp_path_factory.mktemp("prefix")
    units = prefix / "lib" / "systemd" / "system"
    for command in (
        [SOURCE / "configure", "--quiet", f"--prefix={prefix}", f"--with-systemdsystemunitdir={units}"],
        ["make", "-s", "install-data-local"],
    ):
        done = subprocess.run(command, cwd=building, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
    (prefix / "bin").mkdir()
    for name in ("api", "archive", "push"):
        (prefix / "bin" / f"bellhop-{name}").symlink_to(build_dir() / f"bellhop-{name}")
    return prefix


class TestUnits:
    @pytest.mark.parametrize("name", SERVICES)
    def test_a_service_is_exposed_little(self, name):
        shown = analyze("security", "--offline=true", f"{UNITS}/{name}.service")
        level = re.search(r"Overall exposure level for \S+: ([0-9.]+)", shown.stdout)
        assert level, shown.stdout + shown.stderr
        assert float(level[1]) <= EXPOSURE_MAX

    def test_systemd_finds_no_fault_in_them(self, installed):
        units = sorted((installed / "lib" / "systemd" / "system").iterdir())
        assert sorted(unit.name for unit in units) == sorted(
            unit.name for unit in UNITS.iterdir() if unit.suffix != ".conf"
        )
        done = analyze("verify", "--man=no", *units)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        for unit in units:
            assert stat.S_IMODE(unit.stat().st_mode) == 0o644
            for command in unit_values(unit, "Service", "ExecStart"):
                assert command.startswith(f"{installed}/bin/bellhop-")

    def test_the_user_and_the_directory_are_installed_too(self, installed):
        done = subprocess.run(
            ["systemd-sysusers", "--dry-run", installed / "lib" / "sysusers.d" / "bellhop.conf"],
            capture_output=True, text=True, timeout=DEADLINE,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert " bellhop " in (installed / "lib" / "tmpfiles.d" / "bellhop.conf").read_text()

    def test_uninstalling_takes_them_away(self, tmp_path):
        """In a directory of its own: what is installed serves the other tests."""
        (tmp_path / "build").mkdir()
        units = tmp_path / "units"
        for command in (
            [SOURCE / "configure", "--quiet", f"--prefix={tmp_path}", f"--with-systemdsystemunitdir={units}"],
            ["make", "-s", "install-data-local"],
            ["make", "-s", "uninstall-local"],
        ):
            done = subprocess.run(command, cwd=tmp_path / "build", capture_output=True, text=True, timeout=120)
            assert done.returncode == 0, done.stdout + done.stderr
        assert [path for path in tmp_path.glob("units/*")] + [path for path in tmp_path.glob("lib/*/*")] == []

    def test_all_services_are_shut_in_alike(self):
        def sandbox(name):
            text = (UNITS / f"{name}.service").read_text()
            lines = text[text.index("\nNoNewPrivileges=") : text.index("\nPrivateUsers=")].splitlines()
            return [line for line in lines if not line.startswith("#")]

        assert all(sandbox(name) == sandbox("bellhop-api") for name in SERVICES)

    def test_the_sockets_are_where_the_web_server_looks(self):
        assert unit_values(UNITS / "bellhop-api.socket", "Socket", "ListenStream") == ["/run/bellhop/api.sock"]
        assert unit_values(UNITS / "bellhop-push.socket", "Socket", "ListenStream") == ["/run/bellhop/push.sock"]
        assert unit_values(UNITS / "bellhop-push@.socket", "Socket", "ListenStream") == ["/run/bellhop/push-%i.sock"]
        upstreams = (SOURCE / "nginx" / "bellhop_http.conf").read_text()
        for path in ("/run/bellhop/api.sock", "/run/bellhop/push.sock", "/run/bellhop/push-1.sock"):
            assert f"unix:{path}" in upstreams
        for name in ("bellhop-api", "bellhop-push", "bellhop-push@"):
            socket_unit = UNITS / f"{name}.socket"
            assert unit_values(socket_unit, "Socket", "SocketMode") == ["0660"]
            assert unit_values(socket_unit, "Socket", "Backlog") == ["4096"]

    def test_the_units_that_readme_names_are_there(self):
        named = re.findall(r"bellhop[-@a-z]*\.(?:target|socket|service)", (SOURCE / "README").read_text())
        assert "bellhop.target" in named
        for unit in named:
            assert (UNITS / unit).exists()
        wanted = unit_values(UNITS / "bellhop.target", "Unit", "Wants")[0].split()
        assert sorted(wanted) == [f"bellhop-{name}.service" for name in ("api", "archive", "push")]

    def test_what_is_not_allowed_kills_in_these_tests(self):
        """Or the tests below would show nothing."""
        unit = UNITS / "bellhop-api.service"
        assert not {"chown", "setuid", "ptrace", "mount", "setpriority", "keyctl", "bpf"} & allowed_calls(unit)
        done = subprocess.run([*shut_in("api"), "/usr/bin/nice", "true"], timeout=DEADLINE)
        assert done.returncode == -signal.SIGSYS


class Notices:
    """The socket that systemd would listen on; each notice with the process that it is from."""

    def __init__(self, directory):
        self.path = f"{directory}/notify"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.heard = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def listen(self):
        """What has come: (pid, fields) of each notice."""
        while True:
            try:
                data, extra, _, _ = self.socket.recvmsg(4096, socket.CMSG_SPACE(12), socket.MSG_DONTWAIT)
            except BlockingIOError:
                return self.heard
            pid = struct.unpack("3i", extra[0][2])[0]
            self.heard.append((pid, dict(line.split("=", 1) for line in data.decode().splitlines())))

    def await_field(self, name, pid):
        """Waits for NAME=… from the main process, forgetting what was before it; the others may say nothing."""

        def found():
            for at, (sender, fields) in enumerate(self.listen()):
                assert sender == pid, "NotifyAccess=main"
                if name in fields:
                    del self.heard[: at + 1]
                    return fields

        return wait_for(found, f"{name}=")


def shut_in(name):
    return [sys.executable, str(SOURCE / "tests/integration/seccomp_run.py"), str(UNITS / f"bellhop-{name}.service")]


def served(stack, name, directory, notices, **settings):
    """A daemon as its units start it: socket, notices and watchdog from systemd, and the system calls of its unit."""
    path = f"{directory}/{name}.sock"
    # The leak detector ends by tracing its own process.
    settings["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
    settings.update(NOTIFY_SOCKET=notices.path, WATCHDOG_USEC=400000)
    if name == "archive":
        return Daemon(stack, name, path, wrap=shut_in(name), **settings)
    passed = [word for key in {**os.environ, **settings} for word in ("-E", key)]
    wrap = ["systemd-socket-activate", "-l", path, *passed, *shut_in(name)]
    return Daemon(stack, name, path, wrap=wrap, **settings)


@pytest.fixture
def notices(make_directory):
    with Notices(make_directory()) as notices:
        yield notices


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(word) for word in file.read().split()]


@pytest.mark.parametrize("name", ["api", "push"])
def test_a_life_in_the_hands_of_systemd(stack, make_directory, notices, name):
    with served(stack, name, make_directory(), notices).ready() as daemon:
        main = daemon.process.pid
        notices.await_field("READY", main)
        notices.await_field("WATCHDOG", main)
        daemon.process.send_signal(signal.SIGHUP)
        assert int(notices.await_field("RELOADING", main)["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
        notices.await_field("READY", main)
        before = children(main)
        daemon.process.send_signal(signal.SIGUSR2)
        wait_for(lambda: all(is_gone(pid) for pid in before), "the end of the replaced")
        notices.await_field("WATCHDOG", main)
        assert daemon.answers()
        os.kill(children(main)[0], signal.SIGKILL)
        wait_for(lambda: "child ended unasked" in daemon.text(), "the notice of a death")
        wait_for(daemon.answers, "an answer all the same")
        daemon.process.send_signal(signal.SIGTERM)
        notices.await_field("STOPPING", main)
        assert daemon.process.wait(DEADLINE) == 0
        assert "Bad system call" not in daemon.text()
        assert os.path.exists(daemon.path), "the socket is systemd's"


def test_the_archiver_in_the_hands_of_systemd(stack, make_directory, notices):
    with served(stack, "archive", make_directory(), notices) as daemon:
        main = daemon.process.pid
        notices.await_field("READY", main)
        notices.await_field("WATCHDOG", main)
        daemon.process.send_signal(signal.SIGHUP)
        notices.await_field("RELOADING", main)
        notices.await_field("READY", main)
        daemon.process.send_signal(signal.SIGTERM)
        notices.await_field("STOPPING", main)
        assert daemon.process.wait(DEADLINE) == 0


def test_the_allowed_system_calls_do_for_faults_too(breakable, make_directory, notices):
    """Sends, streams and sweeps, while each store goes and comes back."""
    stack, directory = breakable, make_directory()
    ticket, token = "/chat/v1/tickets/T-shut-in", stack.site.token("alice", "agent")
    stack.stop("archive")
    with (
        served(stack, "archive", directory, notices) as archive,
        served(stack, "api", directory, notices, BELLHOP_API_WORKERS=2).ready() as api,
        served(stack, "push", directory, notices).ready() as push,
        fcgi.Connection(push.path, DEADLINE) as listener,
    ):

        def send(text):
            return fcgi.call(api.path, "POST", f"{ticket}/messages", token, {"content": text})

        def is_full():
            return fcgi.call(api.path, "GET", "/chat/v1/healthz").header("bellhop-mode") == "full"

        def hear(text):
            end = time.monotonic() + DEADLINE
            while text.encode() not in listener.buffer:
                listener.receive_some(end)

        listener.request(fcgi.cgi_params("GET", f"{ticket}/stream", {"Authorization": f"Bearer {token}"}))
        hear("event: hello")
        wait_for(is_full, "an archiver that sweeps")
        assert send("while all is well").status == 201
        hear("while all is well")
        stack.kill("redis")
        assert send("without Redis").status == 201
        hear("without Redis")
        stack.start()
        stack.stop("archive")
        wait_for(is_full, "Redis to be trusted again")
        stack.stop("postgres")
        assert send("without PostgreSQL").status == 503
        stack.start()
        stack.stop("archive")
        wait_for(lambda: send("and back").status == 201, "PostgreSQL to be back")
        hear("and back")
        for daemon in (api, push, archive):
            assert daemon.process.poll() is None
            assert "ended unasked" not in daemon.text(), daemon.text()
        for daemon in (push, api, archive):
            assert daemon.stop() == 0
