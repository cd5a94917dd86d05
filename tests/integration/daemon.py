# SPDX-License-Identifier: BSD-2-Clause
"""A daemon of a test's own, beside those of a stack."""

import contextlib
import os
import pathlib
import signal
import subprocess

import fcgi_client as fcgi
from client import DEADLINE, wait_for
from stack import NO_LIMITS

# What each answers at once, and without a token.
ROUTES = {"api": "/chat/v1/healthz", "push": "/chat/v1/tickets/T-1/poll?wait=0"}


def children_of(pid):
    """The direct children of a process with one thread, oldest first."""
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(word) for word in file.read().split()]


class Daemon:
    """A daemon beside the site's own, with the site's settings and a few others."""

    def __init__(self, stack, name, socket_path=None, stdin=subprocess.DEVNULL, wrap=(), config=None, cwd=None, **settings):
        self.name = name
        self.path = socket_path
        self.log_path = f"{socket_path}.log"
        self.log = open(self.log_path, "w+")
        settings.setdefault(f"BELLHOP_{name.upper()}_SOCKET", socket_path)
        self.settings = {**os.environ, **NO_LIMITS, **{key: str(value) for key, value in settings.items()}}
        command = [*wrap, stack.program(f"bellhop-{name}"), "--config", config or stack.config]
        self.process = subprocess.Popen(
            command, stdin=stdin, stderr=self.log, stdout=self.log, env=self.settings, cwd=cwd
        )

    def answers(self):
        try:
            return fcgi.call(self.path, "GET", ROUTES[self.name], timeout=2)
        except (OSError, fcgi.Closed):
            return None

    def ready(self):
        def up():
            assert self.process.poll() is None, self.text()
            return self.answers()

        wait_for(up, f"bellhop-{self.name}")
        return self

    def text(self):
        with open(self.log_path) as file:
            return file.read()

    def stop(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(DEADLINE)
        finally:
            self.process.kill()
            self.log.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def settings_of_name(directory, name, *addresses):
    """
    The settings of a program for whom this name stands for these addresses, in their order. A server at the
    second of them has a second to answer, also on a machine that has much to do.
    """
    hosts = pathlib.Path(directory) / "hosts"
    hosts.write_text("".join(f"{address} {name}\n" for address in addresses))
    # The last two are for daemons built with sanitizers.
    return {
        "REDIS_CONNECT_TIMEOUT": "2",
        "BELLHOP_REDIS_TIMEOUT_MS": "2000",
        "LD_PRELOAD": "libnss_wrapper.so",
        "NSS_WRAPPER_HOSTS": str(hosts),
        "NSS_WRAPPER_DISABLE_DEEPBIND": "1",
        "ASAN_OPTIONS": ":".join(filter(None, [os.environ.get("ASAN_OPTIONS"), "verify_asan_link_order=0"])),
    }


@contextlib.contextmanager
def daemons(stack, **settings):
    """All three in place of a stack's own, which are stopped, where its web server looks for them."""
    paths = {name: str(stack.dir / "run" / f"{name}.sock") for name in ("archive", "api", "push")}
    with contextlib.ExitStack() as cleaning:
        yield [cleaning.enter_context(Daemon(stack, name, path, **settings)) for name, path in paths.items()]
