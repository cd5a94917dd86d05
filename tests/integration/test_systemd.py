# SPDX-License-Identifier: BSD-2-Clause
"""
contrib/systemd/: how far the units shut the daemons in, and that they live there. systemd's own tools judge the files
and hand over sockets, and the kernel holds the daemons to the system calls that their units allow; where this is root,
a systemd in namespaces of its own runs the units as they are.
"""

import concurrent.futures
import os
import pathlib
import re
import shutil
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
            try:
                while text.encode() not in listener.buffer:
                    listener.receive_some(end)
            except fcgi.Closed as closed:
                raise AssertionError(f"{bytes(listener.buffer)}\n{push.text()}") from closed

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


# The first process of a system of its own: this one's files, of which it changes a copy, and its network. Devices are
# its own too, and the kernel's settings are there to be read: it is not to change this system. Not by chroot, in which
# the kernel gives nobody a user namespace.
BOOT = """
set -eu
umask 022
mount --make-rprivate /
mount -t tmpfs tmpfs $1
mkdir $1/upper $1/work $1/root
mount -t overlay overlay -o lowerdir=/,upperdir=$1/upper,workdir=$1/work $1/root
cp -a $2/. $1/root/
cd $1/root
mount -t proc proc proc
mount --bind -o ro proc/sys proc/sys
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs tmpfs tmp
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs dev
cp -a /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty dev/
mkdir dev/pts dev/shm
mount -t devpts -o ptmxmode=666 devpts dev/pts
mount -t tmpfs tmpfs dev/shm
ln -s pts/ptmx dev/ptmx
chroot . systemd-sysusers /usr/lib/sysusers.d/bellhop.conf
chroot . chgrp bellhop /etc/bellhop/bellhop.conf
pivot_root . mnt
umount -l /mnt
mount --make-rshared /
export container=test
exec /lib/systemd/systemd --system --unit=bellhop-test.target
"""
TARGET = """
[Unit]
Requires=bellhop.target
After=bellhop.target systemd-tmpfiles-setup.service
"""
NAMESPACES = ["--pid", "--mount", "--ipc", "--uts", "--cgroup"]


class System:
    """A systemd that was told to start bellhop.target, with the stores of a stack."""

    def __init__(self, stack, directory):
        files, disk = pathlib.Path(directory) / "files", pathlib.Path(directory) / "disk"
        disk.mkdir()
        self.lay_out(stack, files)
        self.log = open(f"{directory}/log", "w+")
        self.unshare = subprocess.Popen(
            ["unshare", "--fork", *NAMESPACES, "bash", "-c", BOOT, "boot", disk, files],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, start_new_session=True,
        )  # fmt: skip
        (self.pid,) = wait_for(lambda: children(self.unshare.pid), "its first process")

    def lay_out(self, stack, files):
        programs, settings = files / "usr/local/bin", files / "etc/bellhop"
        units = files / "etc/systemd/system"
        for path in (programs, settings, units, files / "usr/lib/sysusers.d", files / "usr/lib/tmpfiles.d"):
            path.mkdir(parents=True)
        for name in ("api", "push", "archive"):
            shutil.copy(build_dir() / f"bellhop-{name}", programs)
        for unit in UNITS.iterdir():
            if unit.suffix != ".conf":
                shutil.copy(unit, units)
        (units / "bellhop-test.target").write_text(TARGET)
        shutil.copy(UNITS / "sysusers.conf", files / "usr/lib/sysusers.d/bellhop.conf")
        shutil.copy(UNITS / "tmpfiles.conf", files / "usr/lib/tmpfiles.d/bellhop.conf")
        shutil.copytree(SOURCE / "sql", files / "usr/local/share/bellhop/sql")
        shutil.copy(stack.dir / "secret/jwt.key", settings)
        shutil.copy(stack.dir / "secret/digest.key", settings / "secret.key")
        kept = re.compile(r"(REDIS_|DATABASE_URL|BELLHOP_(BASE_PATH|JWT_KID|ALLOWED_ORIGINS))")
        lines = [line for line in pathlib.Path(stack.config).read_text().splitlines() if kept.match(line)]
        text = "\n".join([*lines, "BELLHOP_SQL_DIR=/usr/local/share/bellhop/sql", ""])
        (settings / "bellhop.conf").write_text(text)
        # Whatever the umask was here and where the programs were built: the daemons' user runs them and reads settings.
        subprocess.run(["chmod", "-R", "u=rwX,go=rX", files], check=True)
        (settings / "bellhop.conf").chmod(0o640)
        for key in settings.glob("*.key"):
            key.chmod(0o600)

    def run(self, *command):
        enter = ["nsenter", "-t", str(self.pid), "--pid", "--mount", "--ipc", "--uts", "--cgroup"]
        return subprocess.run([*enter, *command], capture_output=True, text=True, timeout=3 * DEADLINE)

    def systemctl(self, *arguments):
        done = self.run("systemctl", *arguments)
        journal = "" if done.returncode == 0 else self.run("journalctl", "--no-pager", "-n", "40").stdout
        assert done.returncode == 0, done.stdout + done.stderr + journal
        return done.stdout

    def are_active(self, *units):
        """All of them: the exit status of is-active would say whether any is."""
        return self.run("systemctl", "is-active", *units).stdout.split() == ["active"] * len(units)

    def socket(self, name):
        return f"/proc/{self.pid}/root/run/bellhop/{name}.sock"

    def journal(self, unit):
        return self.run("journalctl", "--no-pager", "-o", "cat", "-u", unit).stdout

    def close(self):
        for pid in children(self.unshare.pid):
            os.kill(pid, signal.SIGKILL)
        self.unshare.wait(DEADLINE)
        self.log.close()


@pytest.fixture
def system(request, stack, make_directory):
    """None where this is not root, who alone may have namespaces of these kinds."""
    if os.getuid() != 0:
        yield None
        return
    failed_before = request.session.testsfailed
    system = System(stack, make_directory())
    try:
        yield system
    finally:
        if request.session.testsfailed > failed_before:
            print(system.run("journalctl", "--no-pager", "-o", "short-precise").stdout)
        system.close()


def test_a_real_systemd_runs_the_units(stack, system):
    """Not with a sanitizer, whose memory and system calls are not those that the units allow."""
    if system is None or "ASAN_OPTIONS" in os.environ:
        return
    services = [f"bellhop-{name}.service" for name in ("api", "archive", "push")]
    # Not before all are ready: a reload of what is still starting is none, and no failure either.
    wait_for(lambda: system.are_active("bellhop.target", *services), "bellhop.target")
    about = os.stat(system.socket("api"))
    assert stat.S_IMODE(about.st_mode) == 0o660
    token, path = stack.site.token("alice"), "/chat/v1/tickets/T-systemd"

    def send(text):
        return fcgi.call(system.socket("api"), "POST", f"{path}/messages", token, {"content": text}).status

    def has_stopped(service):
        state = system.systemctl("show", "-p", "ActiveState", service).strip()
        return state in ("ActiveState=inactive", "ActiveState=failed")

    def mode():
        return fcgi.call(system.socket("api"), "GET", "/chat/v1/healthz").header("bellhop-mode")

    assert send("by way of systemd") == 201
    wait_for(lambda: mode() == "full", "the archiver's marks")
    heard = fcgi.call(system.socket("push"), "GET", f"{path}/poll?since=0&wait=0", token)
    assert "by way of systemd" in heard.body.decode()

    for service in services:
        system.systemctl("reload", service)
        wait_for(lambda: "settings reloaded" in system.journal(service), f"a reload of {service}")
    system.systemctl("kill", "--kill-whom=main", "-s", "USR2", "bellhop-api.service")
    assert send("while workers are replaced") == 201

    with concurrent.futures.ThreadPoolExecutor() as beside:
        restart = beside.submit(system.systemctl, "restart", "bellhop-api.service")
        while not restart.done():
            assert mode(), "nobody is turned away by a restart"
        restart.result()

    system.systemctl("start", "bellhop-push@1.socket")
    assert fcgi.call(system.socket("push-1"), "GET", f"{path}/poll?wait=0").status == 401
    wait_for(lambda: system.are_active("bellhop-push@1.service"), "a second push process")

    system.systemctl("stop", "bellhop.target", "bellhop-api.socket", "bellhop-push.socket", "bellhop-push@1.socket")
    for service in [*services, "bellhop-push@1.service"]:
        wait_for(lambda: has_stopped(service), f"the end of {service}")
        assert "Result=success" in system.systemctl("show", "-p", "Result", service), service
    assert not os.path.exists(system.socket("api"))
