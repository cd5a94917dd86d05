# SPDX-License-Identifier: BSD-2-Clause
"""What the daemons give up: being root, and core dumps; and how they keep keys."""

import json
import os
import pathlib
import pwd
import shutil
import signal
import stat
import subprocess

import pytest
from client import DEADLINE, wait_for
from daemon import Daemon
from stack import is_gone

IS_ROOT = os.getuid() == 0
# Who is not root can only go on as the user that he is.
USER = pwd.getpwnam("nobody") if IS_ROOT else pwd.getpwuid(os.getuid())


def status(pid):
    """Fields of /proc/PID/status, each a list of words."""
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.split() for name, _, value in (line.partition(":") for line in lines)}


def children(pid):
    return [int(word) for word in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.fixture
def place(stack, make_directory):
    """A directory in which USER can read settings, keys and libraries, and nobody else can write."""
    directory = pathlib.Path(make_directory())
    directory.chmod(0o755)
    shutil.copytree(f"{stack.dir}/secret", directory / "secret")
    shutil.copytree(pathlib.Path(__file__).parents[2] / "sql", directory / "sql")
    text = pathlib.Path(stack.config).read_text().replace(f"{stack.dir}/secret", f"{directory}/secret")
    lines = [line for line in text.splitlines() if not line.startswith(("BELLHOP_SQL_DIR=", "BELLHOP_RUN_AS="))]
    (directory / "conf").write_text("\n".join([*lines, f"BELLHOP_SQL_DIR={directory}/sql", ""]))
    for path in (directory / "conf", directory / "secret", *(directory / "secret").iterdir()):
        os.chown(path, USER.pw_uid, -1)
        path.chmod(0o700 if path.is_dir() else 0o600)
    return directory


def started(stack, name, place, **settings):
    settings.setdefault("BELLHOP_RUN_AS", USER.pw_name)
    return Daemon(stack, name, f"{place}/{name}.sock", config=str(place / "conf"), **settings)


def assert_unprivileged(pid):
    about = status(pid)
    assert about["Uid"] == [str(USER.pw_uid)] * 4 and about["Gid"] == [str(USER.pw_gid)] * 4
    if IS_ROOT:
        assert "0" not in about["Groups"]
        for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            assert int(about[name][0], 16) == 0, name
    assert about["NoNewPrivs"] == ["1"]
    # What is not dumpable belongs to root in /proc, whoever it is.
    assert os.stat(f"/proc/{pid}/stat").st_uid == 0


@pytest.mark.parametrize("name", ["api", "push"])
class TestRunAs:
    def test_master_and_children_are_that_user_for_ever(self, stack, place, name):
        with started(stack, name, place, BELLHOP_API_WORKERS=2).ready() as daemon:
            main = daemon.process.pid
            first = children(main)
            for pid in (main, *first):
                assert_unprivileged(pid)
            daemon.process.send_signal(signal.SIGHUP)
            wait_for(lambda: daemon.text().count("settings reloaded") == 1 + len(first), "a reload everywhere")
            daemon.process.send_signal(signal.SIGUSR2)
            wait_for(lambda: all(is_gone(pid) for pid in first), "the end of the replaced")
            for pid in children(main):
                assert_unprivileged(pid)
            assert daemon.answers()
            assert "running as root" not in daemon.text()
            assert daemon.stop() == 0

    def test_the_socket_is_that_users(self, stack, place, name):
        group = os.getgroups()[-1] if os.getgroups() else os.getgid()
        with started(stack, name, place, BELLHOP_SOCKET_GROUP=group, BELLHOP_SOCKET_MODE="0660").ready() as daemon:
            about = os.stat(daemon.path)
            assert (about.st_uid, about.st_gid) == (USER.pw_uid, group)
            assert stat.S_IMODE(about.st_mode) == 0o660
        # Left behind where only root may remove it, and then replaced.
        with started(stack, name, place).ready() as daemon:
            assert daemon.answers()

    def test_a_key_that_the_user_cannot_read(self, stack, place, name):
        if not IS_ROOT:
            return  # there is nobody whose files this test could use
        os.chown(place / "secret" / "jwt.key", 0, 0)
        with started(stack, name, place) as daemon:
            assert daemon.process.wait(DEADLINE) == 1
            assert "as the user nobody" in daemon.text() and "jwt.key" in daemon.text()

    def test_a_user_who_is_none(self, stack, place, name):
        with started(stack, name, place, BELLHOP_RUN_AS="no-such-user") as daemon:
            assert daemon.process.wait(DEADLINE) == 1
            assert "BELLHOP_RUN_AS" in daemon.text()

    @pytest.mark.parametrize("user, warns", [("", True), ("root", False)])
    def test_root_is_warned_of(self, stack, place, name, user, warns):
        if not IS_ROOT:
            user, warns = "", False
        with started(stack, name, place, BELLHOP_RUN_AS=user).ready() as daemon:
            assert ("running as root" in daemon.text()) is warns
            variable = f"BELLHOP_{name.upper()}_SOCKET"
            done = stack.bellhop("check", "--json", env={variable: daemon.path, "BELLHOP_RUN_AS": user})
            found = [check["detail"] for check in json.loads(done.stdout)["checks"] if check["what"] == f"{name} socket"]
            assert any("is root" in detail for detail in found) is warns

    def test_check_sees_that_it_is_not_root(self, stack, place, name):
        with started(stack, name, place, BELLHOP_SOCKET_MODE="0666").ready() as daemon:
            settings = {f"BELLHOP_{name.upper()}_SOCKET": daemon.path, "BELLHOP_RUN_AS": USER.pw_name}
            text = stack.bellhop("check", env=settings).stdout
            assert f"{daemon.path} is root" not in text
            assert f"warning  {name} socket: mode 0666 and no BELLHOP_SOCKET_PEERS" in text
            settings.update(BELLHOP_SOCKET_PEERS="nobody", BELLHOP_SOCKET_MODE="0666")
            assert f"warning  {name} socket" not in stack.bellhop("check", env=settings).stdout


def test_the_archiver_runs_as_that_user_too(stack, place):
    with started(stack, "archive", place) as daemon:
        wait_for(lambda: "started" in daemon.text(), "the archiver")
        assert_unprivileged(daemon.process.pid)
        daemon.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "settings reloaded" in daemon.text(), "a reload")
        assert daemon.stop() == 0


# Where a sanitizer is built in it would take the signal, and report it.
CRASHING = {"ASAN_OPTIONS": f"{os.environ.get('ASAN_OPTIONS', '')}:handle_segv=0"}


@pytest.mark.parametrize("name", ["api", "push"])
class TestKeys:
    def test_no_core_is_dumped(self, stack, place, tmp_path, name):
        """Though whoever starts them allows it, and all that is asked for is a file in the working directory."""
        allowed = ["prlimit", "--core=unlimited:unlimited"] if IS_ROOT else []
        path = f"{place}/{name}.sock"
        settings = {**CRASHING, "BELLHOP_API_WORKERS": 1}
        with Daemon(stack, name, path, wrap=allowed, cwd=tmp_path, **settings).ready() as daemon:
            main = daemon.process.pid
            (child,) = children(main)
            for pid in (main, child):
                limits = pathlib.Path(f"/proc/{pid}/limits").read_text()
                assert limits.partition("Max core file size")[2].split()[:2] == ["0", "0"]
            os.kill(child, signal.SIGSEGV)
            wait_for(lambda: is_gone(child), "its end")
            wait_for(daemon.answers, "a successor")
            assert list(tmp_path.iterdir()) == []

    def test_keys_lie_in_memory_that_is_locked_and_not_dumped(self, stack, place, name):
        if not IS_ROOT or "ASAN_OPTIONS" in os.environ:
            return  # only root may look, and a sanitizer has copies of its own
        with started(stack, name, place, BELLHOP_API_WORKERS=1).ready() as daemon:
            (child,) = children(daemon.process.pid)
            files = ["jwt.key", "digest.key"] if name == "api" else ["jwt.key"]
            keys = [(place / "secret" / file).read_bytes().strip() for file in files]
            for reloads in (0, 2):
                wait_for(lambda: daemon.text().count("settings reloaded") == reloads, "a reload")
                for key in keys:
                    areas = list(memory_areas(child, key))
                    assert areas, "the key is somewhere"
                    assert all({"lo", "dd"} <= set(flags) for flags in areas)
                daemon.process.send_signal(signal.SIGHUP)


def test_the_command_dumps_no_core_either(stack, tmp_path):
    allowed = ["prlimit", "--core=unlimited:unlimited"] if IS_ROOT else []
    tail = subprocess.Popen(
        [*allowed, stack.program("bellhop"), "-c", stack.config, "tail", "--as", "agent", "T-core"],
        env={**os.environ, **stack.env, **CRASHING}, cwd=tmp_path, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        limits = pathlib.Path(f"/proc/{tail.pid}/limits")
        wait_for(lambda: limits.read_text().partition("Max core file size")[2].split()[:2] == ["0", "0"], "its limit")
    finally:
        tail.send_signal(signal.SIGSEGV)
        assert tail.wait(DEADLINE) == -signal.SIGSEGV
    assert list(tmp_path.iterdir()) == []


def memory_areas(pid, needle):
    """The flags (VmFlags of proc_pid_smaps(5)) of each area of a process's memory that has these bytes in it."""
    lines = pathlib.Path(f"/proc/{pid}/smaps").read_text().splitlines()
    with open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in lines:
            first = line.split()
            if "-" in first[0] and not first[0].endswith(":"):
                begin, end = (int(part, 16) for part in first[0].split("-"))
                readable = first[1].startswith("r")
            elif first[0] == "VmFlags:" and readable:
                memory.seek(begin)
                try:
                    if needle in memory.read(end - begin):
                        yield first[1:]
                except OSError:
                    pass  # such as what belongs to the kernel
