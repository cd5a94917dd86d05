# SPDX-License-Identifier: BSD-2-Clause
"""
A whole bellhop for a test: started by contrib/demo in a directory of its own, with real Redis,
PostgreSQL and web server. client.py talks to it; this file starts, breaks and mends it.
"""

import contextlib
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import urllib.parse

import psycopg2
import redis
from client import DEADLINE, Site, wait_for

# Tests call far more often than people do; a test of the limits names its own. None takes a setting away.
NO_LIMITS = {"BELLHOP_LIMIT_SENDS": "0", "BELLHOP_LIMIT_CALLS": "0"}

SOURCE = pathlib.Path(__file__).resolve().parents[2]
DEMO = SOURCE / "contrib" / "demo"


def build_dir():
    return pathlib.Path(os.environ.get("BUILD_DIR", SOURCE / "build")).resolve()


class Stack:
    """
    A demo in `directory`. Settings given as `env` reach its daemons whenever they are started here.
    Processes are named as their pid files: api push archive redis postgres nginx, and with pushes=2 also push2.
    """

    def __init__(self, directory, server="nginx", env=None, port=None, pushes=1):
        self.dir = pathlib.Path(directory)
        self.server = server
        self.extra_env = {name: text for name, text in {**NO_LIMITS, **(env or {})}.items() if text is not None}
        self.port = port
        self.pushes = pushes

    # ---- the demo

    def demo(self, *arguments, timeout=120, check=True):
        """Runs contrib/demo on this directory; what it printed is in the result's stdout."""
        done = subprocess.run(
            [str(DEMO), "--dir", str(self.dir), *arguments],
            env={**os.environ, "BUILD_DIR": str(build_dir()), **self.extra_env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout,
            text=True,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"contrib/demo: status {done.returncode}\n{done.stdout}\n{self.log_ends()}")
        return done

    def start(self):
        """Starts whatever of it is not running, and waits until it is ready."""
        port = ["--port", str(self.port)] if self.port else []
        self.demo("--server", self.server, "--push", str(self.pushes), "--no-build", "--detach", *port)
        self.env = read_env(self.dir / "env")
        self.site = Site(self.env)
        return self

    def stop(self, name=None):
        """Stops all of it; or one daemon, as its service manager would."""
        if name is None:
            self.demo("--stop")
        else:
            # SIGTERM would have PostgreSQL wait for its clients.
            self.kill(name, signal.SIGINT if name == "postgres" else signal.SIGTERM)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    @property
    def config(self):
        return str(self.dir / "bellhop.conf")

    def program(self, name):
        return str(build_dir() / name)

    def bellhop(self, *arguments, env=None, **options):
        """Runs the operator's command as somebody who has read DIR/env; the caller checks the status."""
        options.setdefault("timeout", 3 * DEADLINE)  # which stops what hangs, and not what is slow
        return subprocess.run(
            [self.program("bellhop"), "-c", self.config, *arguments],
            env={**os.environ, **self.env, **(env or {})},
            capture_output=True,
            text=True,
            **options,
        )

    def on_terminal(self, *arguments, **settings):
        """What the operator's command draws on a terminal, its standard error, and what it writes beside it."""
        master, slave = os.openpty()
        command = [self.program("bellhop"), "-c", self.config, *arguments]
        env = {**os.environ, **self.env, **settings}
        with subprocess.Popen(
            command, env=env, stderr=slave, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
        ) as process:
            os.close(slave)
            written, drawn = process.stdout.read(), b""
            with contextlib.suppress(OSError):  # a terminal that nobody writes to any more
                while data := os.read(master, 4096):
                    drawn += data
        os.close(master)
        return process.returncode, written, drawn.decode()

    # ---- processes

    def pid(self, name):
        return int((self.dir / "run" / f"{name}.pid").read_text())

    def children(self, name):
        """Direct children of a master that live, oldest first."""
        found = []
        for task in pathlib.Path(f"/proc/{self.pid(name)}/task").glob("*/children"):
            found += [int(pid) for pid in task.read_text().split()]
        return sorted(pid for pid in found if not is_gone(pid))

    def kill(self, name, number=signal.SIGKILL):
        """Signals a master, and waits for its end and its children's."""
        pids = [self.pid(name), *self.children(name)]
        os.kill(pids[0], number)
        wait_for(lambda: all(is_gone(pid) for pid in pids), f"the end of {name}")

    def freeze(self, name):
        """A daemon and its children stop where they are: connected, and silent."""
        for pid in [self.pid(name), *self.children(name)]:
            os.kill(pid, signal.SIGSTOP)

    def thaw(self, name):
        for pid in [*self.children(name), self.pid(name)]:
            os.kill(pid, signal.SIGCONT)

    def log(self, name):
        path = self.dir / "log" / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def log_ends(self, lines=8):
        names = ("demo", "api", "push", "push2", "archive", "nginx", "lighttpd", "apache", "redis", "postgres")
        return "\n".join(f"--- {name}\n" + "\n".join(self.log(name).splitlines()[-lines:]) for name in names)

    # ---- stores

    @property
    def admin_password(self):
        """Of the user `admin`, who may do everything in either store."""
        return (self.dir / "secret" / "admin.password").read_text().strip()

    def redis_url(self, user, password=None):
        """Redis as a user of contrib/redis, or another one."""
        if password is None:
            password = (self.dir / "secret" / f"redis{user.removeprefix('bellhop')}.password").read_text().strip()
        return f"redis://{user}:{password}@{self.env['REDIS_URL'].rpartition('@')[2]}"

    def redis(self, **options):
        """As somebody who may do everything, unlike the daemons."""
        return redis.Redis.from_url(self.redis_url("admin", self.admin_password), **options)

    def redis_user(self, name, like="bellhop", prefix="bellhop:", rules=()):
        """Makes a user by the line of `like` in contrib/redis, for another prefix, and more rules; its URL."""
        lines = (SOURCE / "contrib" / "redis" / "users.acl").read_text().splitlines()
        given = next(line.split()[2:] for line in lines if line.split()[1] == like)
        given = [rule.replace("CHANGE_ME", name).replace("bellhop:", prefix) for rule in given]
        self.redis().execute_command("ACL", "SETUSER", name, "reset", *given, *rules)
        return self.redis_url(name, name)

    def database_url(self, user, password):
        url = urllib.parse.urlsplit(self.env["DATABASE_URL"])
        return url._replace(netloc=f"{user}:{password}@{url.hostname}:{url.port}").geturl()

    @property
    def owner_url(self):
        """The database, as the role that owns it."""
        password = (self.dir / "secret" / "postgres-owner.password").read_text().strip()
        return self.database_url("bellhop_owner", password)

    @property
    def admin_url(self):
        """The database, as somebody who may do everything."""
        return self.database_url("admin", self.admin_password)

    def sql(self, statement, *arguments, url=None):
        """Runs one statement as the owner, or as `url` says; returns its rows, if it has any."""
        connection = psycopg2.connect(url or self.owner_url)
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement, arguments or None)
                return cursor.fetchall() if cursor.description else None
        finally:
            connection.close()

    def as_admin(self, statement):
        return self.sql(statement, url=self.admin_url)

    def wipe(self, name):
        """Throws away what the stopped Redis has on disk."""
        assert name == "redis", "PostgreSQL is the record"
        shutil.rmtree(self.dir / "redis" / "appendonlydir")


def free_port():
    """
    A port that nobody listens on. Not of the kernel's choice: one of those that it also gives to connections may be
    taken by the next of them before its server is there. And not of those that contrib/demo chooses from.
    """
    while True:
        port = random.SystemRandom().randrange(10000, 20000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("0.0.0.0", port))
            return port


def read_env(path):
    """NAME=value lines, split at the first '='."""
    lines = pathlib.Path(path).read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line)


def is_gone(pid):
    """Whether a process has ended, noticed by its parent or not."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return stat.rpartition(")")[2].split()[0] == "Z"
