# SPDX-License-Identifier: BSD-2-Clause
"""Clients that nobody here wrote: Chromium on the demo's page and on README's, and npm's eventsource."""

import json
import os
import pathlib
import queue
import re
import shutil
import signal
import subprocess
import threading

import pytest
from client import DEADLINE, wait_for
from stack import SOURCE

HERE = pathlib.Path(__file__).resolve().parent


@pytest.fixture(scope="session")
def node_directory(tmp_path_factory):
    """The scripts beside their packages, which come from npm now, not from a copy in the tree."""
    directory = tmp_path_factory.mktemp("node")
    for file in [*HERE.glob("*.mjs"), HERE / "package.json"]:
        shutil.copy(file, directory)
    command = ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts"]
    subprocess.run(command, cwd=directory, check=True, timeout=300, stdin=subprocess.DEVNULL)
    return directory


def node(directory, script, *arguments, **options):
    done = subprocess.run(
        ["node", script, *arguments], cwd=directory, capture_output=True, text=True, timeout=180, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr


def origin(site):
    return re.match(r"https://[^/]+", site.url)[0]


@pytest.mark.parametrize("server", ["stack", "lighttpd_stack", "apache_stack"])
def test_the_demo_page(request, server, node_directory):
    site = request.getfixturevalue(server).site
    node(node_directory, "widget.mjs", origin(site) + "/")


def test_the_page_of_the_readme(site, node_directory):
    html = re.search(r"^```html\n(.*?)^```", (SOURCE / "README").read_text(), re.S | re.M)[1]
    env = {**os.environ, "BELLHOP_JWT_KEY": site.key.decode(), "BELLHOP_JWT_KID": site.kid}
    node(node_directory, "readme_page.mjs", origin(site), input=html, env=env)


@pytest.mark.parametrize("server", ["stack", "lighttpd_stack"])
def test_a_session_is_the_own_page_s_alone(request, server, ticket, node_directory):
    site = request.getfixturevalue(server).site
    env = {**os.environ, "BELLHOP_TOKEN": site.token("bob"), "BELLHOP_TICKET": ticket}
    node(node_directory, "session.mjs", origin(site), env=env)
    assert [message["content"] for message in site.api("anna").history(ticket)] == ["by cookie"]


class ForeignListener:
    """npm's eventsource in a node of its own."""

    def __init__(self, directory, site, ticket, token):
        self.events = []
        self._lines = queue.Queue()
        self.process = subprocess.Popen(
            ["node", "eventsource.mjs", f"{site.url}/v1/tickets/{ticket}/stream"],
            cwd=directory,
            env={**os.environ, "BELLHOP_TOKEN": token, "NODE_EXTRA_CA_CERTS": site.ca},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.events.append(json.loads(line))

    def named(self, name):
        return [event for event in self.events if event["type"] == name]

    def contents(self):
        return [event["data"]["content"] for event in self.named("message")]

    def wait(self, condition, what, deadline=DEADLINE):
        wait_for(lambda: condition(self), f"{what}; got {self.events[-5:]}", deadline)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(DEADLINE)


def test_a_foreign_eventsource_client_misses_nothing(breakable, ticket, node_directory):
    """It reconnects by itself, with the last id it saw, when the daemon is restarted under it."""
    site = breakable.site
    token = site.token("bob", role="requester", tickets=[ticket])
    alice = site.api("alice")
    with ForeignListener(node_directory, site, ticket, token) as listener:
        listener.wait(lambda s: s.named("hello"), "hello")
        alice.sent(ticket, "one")
        alice.sent(ticket, "for staff", kind="note")
        alice.sent(ticket, "two")
        listener.wait(lambda s: s.contents() == ["one", "two"], "two messages")
        assert [event["id"].split(".")[1] for event in listener.named("message")] == ["1", "3"]
        breakable.stop("push")
        alice.sent(ticket, "three, while nobody listens")
        breakable.start()
        alice.sent(ticket, "four")
        listener.wait(lambda s: len(s.contents()) >= 4, "what was missed", 60)
        assert listener.contents() == ["one", "two", "three, while nobody listens", "four"]
        assert [event["data"]["prev"] for event in listener.named("message")] == [0, 1, 3, 4]


def test_a_foreign_eventsource_client_is_told_that_it_may_not_listen(site, ticket, node_directory):
    token = site.token("mallory", role="requester", tickets=["T-1"])
    with ForeignListener(node_directory, site, ticket, token) as listener:
        listener.wait(lambda s: s.named("error"), "an error")
        assert listener.named("error")[0]["closed"] and not listener.named("hello")


def test_a_foreign_eventsource_client_survives_a_killed_process(breakable, ticket, node_directory):
    site = breakable.site
    with ForeignListener(node_directory, site, ticket, site.token("alice")) as listener:
        listener.wait(lambda s: s.named("hello"), "hello")
        os.kill(breakable.children("push")[0], signal.SIGKILL)
        site.api("bob").sent(ticket, "after the crash")
        listener.wait(lambda s: s.contents() == ["after the crash"], "the message", 60)
