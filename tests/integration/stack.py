# SPDX-License-Identifier: BSD-2-Clause
"""
A whole bellhop for a test: started by contrib/demo in a directory of its own, with real Redis,
PostgreSQL and web server. Everything that waits, waits for a condition with a deadline.
"""

import itertools
import json
import os
import pathlib
import secrets
import signal
import subprocess
import threading
import time
import urllib.parse

import httpx
import jwt
import psycopg2
import redis

SOURCE = pathlib.Path(__file__).resolve().parents[2]
DEMO = SOURCE / "contrib" / "demo"
DEADLINE_S = 15.0
MASTERS = ("api", "push", "archive", "redis", "postgres", "nginx")


def build_dir():
    return pathlib.Path(os.environ.get("BUILD_DIR", SOURCE / "build")).resolve()


def wait_for(condition, deadline_s=DEADLINE_S, what=None):
    """The first truthy value of condition(); an AssertionError once the time is up."""
    end = time.monotonic() + deadline_s
    pause = threading.Event()
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= end:
            raise AssertionError(f"not within {deadline_s} s: {what or condition}")
        pause.wait(0.02)


class Event:
    """One server-sent event; data is parsed where it is JSON."""

    def __init__(self, type_, id_, data, at):
        self.type = type_
        self.id = id_
        self.data = data
        self.at = at

    def __repr__(self):
        return f"Event({self.type!r}, id={self.id!r}, {self.data!r})"


class EventParser:
    """Lines of text/event-stream to events, as WHATWG HTML 9.2.6 says."""

    def __init__(self):
        self.rest = b""
        self.comments = []
        self.retry_ms = None
        self._clear()

    def _clear(self):
        self.type, self.id, self.lines = "message", None, []

    def feed(self, chunk):
        """Bytes in, a list of events out."""
        events = []
        *lines, self.rest = (self.rest + chunk).split(b"\n")
        for line in lines:
            event = self._line(line.rstrip(b"\r").decode("utf-8"))
            if event:
                events.append(event)
        return events

    def _line(self, line):
        if line == "":
            event = None
            if self.lines:
                text = "\n".join(self.lines)
                event = Event(self.type, self.id, json.loads(text), time.monotonic())
            self._clear()
            return event
        name, _, value = line.partition(":")
        value = value[1:] if value.startswith(" ") else value
        if name == "":
            self.comments.append(value)
        elif name == "event":
            self.type = value
        elif name == "data":
            self.lines.append(value)
        elif name == "id":
            self.id = value
        elif name == "retry":
            self.retry_ms = int(value)
        return None


class Stream:
    """
    An event stream read by a thread until it ends or is closed. `events` grows; `ended` says that
    the server ended it; `error` keeps what broke it.
    """

    def __init__(self, client, url, headers, params):
        self.events = []
        self.parser = EventParser()
        self.response = None
        self.error = None
        self.ended = False
        self._closed = False
        self._changed = threading.Condition()
        self._arguments = (client, url, headers, params)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        client, url, headers, params = self._arguments
        try:
            with client, client.stream("GET", url, headers=headers, params=params) as response:
                with self._changed:
                    self.response = response
                    self._changed.notify_all()
                if response.status_code != 200:
                    response.read()
                for chunk in response.iter_raw() if response.status_code == 200 else ():
                    if self._closed:
                        break
                    events = self.parser.feed(chunk)
                    with self._changed:
                        self.events.extend(events)
                        self._changed.notify_all()
        except Exception as error:  # whatever broke it is for the test to judge
            self.error = error
        with self._changed:
            self.ended = True
            self._changed.notify_all()

    def until(self, condition, deadline_s=DEADLINE_S, what="condition on the stream"):
        """Waits until condition(self) is truthy, and returns its value."""
        with self._changed:
            value = None

            def holds():
                nonlocal value
                value = condition(self)
                return value

            if not self._changed.wait_for(holds, deadline_s):
                raise AssertionError(
                    f"{what}: not within {deadline_s} s; ended={self.ended}, "
                    f"error={self.error!r}, events={self.events[-5:]}"
                )
            return value

    def opened(self, deadline_s=DEADLINE_S):
        """Waits for the hello."""
        self.until(lambda s: s.of("hello"), deadline_s, "hello")
        return self

    def status(self, deadline_s=DEADLINE_S):
        self.until(lambda s: s.response is not None or s.ended, deadline_s, "an answer")
        if self.response is None:
            raise AssertionError(f"no answer: {self.error!r}")
        return self.response.status_code

    def of(self, *types):
        return [event for event in self.events if event.type in types]

    def messages(self):
        return [event.data for event in self.of("message")]

    def contents(self):
        return [message["content"] for message in self.messages()]

    def wait_messages(self, count, deadline_s=DEADLINE_S):
        self.until(lambda s: len(s.of("message")) >= count, deadline_s, f"{count} messages")
        return self.messages()

    def wait_content(self, content, deadline_s=DEADLINE_S):
        self.until(lambda s: content in s.contents(), deadline_s, f"message {content!r}")

    def wait_end(self, deadline_s=DEADLINE_S):
        self.until(lambda s: s.ended, deadline_s, "the end of the stream")
        return self

    def last_id(self):
        ids = [event.id for event in self.events if event.id is not None]
        return ids[-1] if ids else None

    def close(self):
        """Closes the connection; the thread ends with it."""
        self._closed = True
        try:
            self._arguments[0].close()
        except Exception:  # closing under the reader's feet is the point
            pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Stack:
    """A running demo. Settings given as env reach the daemons."""

    _numbers = itertools.count(1)

    def __init__(self, directory, server="nginx", env=None, port=None):
        self.dir = pathlib.Path(directory)
        self.server = server
        self.extra_env = dict(env or {})
        self.port = port
        self.streams = []

    # ---- the demo

    def demo(self, *arguments, timeout_s=120, check=True):
        environment = dict(os.environ, BUILD_DIR=str(build_dir()), **self.extra_env)
        done = subprocess.run(
            [str(DEMO), "--dir", str(self.dir), *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout_s,
            text=True,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"contrib/demo: status {done.returncode}\n{done.stdout}\n{self.log_ends()}")
        return done

    def start(self):
        """Starts whatever of it is not running."""
        port = ["--port", str(self.port)] if self.port else []
        self.demo("--server", self.server, "--no-build", "--detach", *port)
        self.env = read_env(self.dir / "env")
        self.url = self.env["BELLHOP_URL"]
        self.plain_url = self.env["BELLHOP_PLAIN_URL"]
        self.ca = self.env["BELLHOP_CA"]
        return self

    def stop(self):
        for stream in self.streams:
            stream.close()
        self.demo("--stop")

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    # ---- processes

    def pid(self, name):
        return int((self.dir / "run" / f"{name}.pid").read_text())

    def command_line(self, name):
        return pathlib.Path(f"/proc/{self.pid(name)}/cmdline").read_bytes().split(b"\0")[:-1]

    def kill(self, name, number=signal.SIGKILL, deadline_s=DEADLINE_S):
        """Signals a master and waits for its end."""
        pid = self.pid(name)
        os.kill(pid, number)
        wait_for(lambda: is_gone(pid), deadline_s, f"the end of {name}")

    def restart(self, name, number=signal.SIGTERM):
        """Ends a daemon and starts it again; returns its new pid."""
        self.kill(name, number)
        self.start()
        return self.pid(name)

    def children(self, name):
        return children_of(self.pid(name))

    def freeze(self, name):
        """Stops a daemon and its children where they are: it stays connected and answers nothing."""
        for pid in [self.pid(name), *self.children(name)]:
            os.kill(pid, signal.SIGSTOP)

    def thaw(self, name):
        for pid in [*self.children(name), self.pid(name)]:
            os.kill(pid, signal.SIGCONT)

    def log(self, name):
        path = self.dir / "log" / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def log_ends(self, lines=8):
        names = ("demo", "api", "push", "archive", "nginx", "lighttpd", "redis", "postgres")
        return "\n".join(f"--- {name}\n" + "\n".join(self.log(name).splitlines()[-lines:]) for name in names)

    # ---- identity

    def token(self, user, role="requester", tickets=None, name=None, ttl_s=3600, kid=None, key=None, **claims):
        """A token signed with the demo's key; tickets is a list, "*" or None."""
        payload = {"sub": user, "role": role, "exp": int(time.time()) + ttl_s, **claims}
        if tickets is not None:
            payload["tickets"] = tickets
        if name is not None:
            payload["name"] = name
        payload = {key: value for key, value in payload.items() if value is not None}
        key = key or pathlib.Path(self.env["BELLHOP_JWT_KEY_FILE"]).read_text().rstrip("\n")
        return jwt.encode(payload, key, algorithm="HS256", headers={"kid": kid or self.env["BELLHOP_JWT_KID"]})

    @property
    def agent(self):
        return self.env["BELLHOP_TOKEN_AGENT"]

    @property
    def requester(self):
        return self.env["BELLHOP_TOKEN_REQUESTER"]

    @property
    def service(self):
        return self.env["BELLHOP_TOKEN_SERVICE"]

    @property
    def admin(self):
        return self.env["BELLHOP_TOKEN_ADMIN"]

    def new_ticket(self):
        return f"T-{secrets.token_hex(4)}-{next(self._numbers)}"

    # ---- HTTP

    def client(self, http2=False, timeout_s=DEADLINE_S, plain=False):
        return httpx.Client(
            http1=not http2,
            http2=http2,
            verify=True if plain else self.ca,
            timeout=httpx.Timeout(timeout_s),
            trust_env=False,
        )

    def call(self, method, path, token=None, http2=False, plain=False, headers=None, timeout_s=DEADLINE_S, **more):
        """One request to the API; path is below the base path."""
        with self.client(http2, timeout_s, plain) as client:
            return client.request(
                method,
                (self.plain_url if plain else self.url) + path,
                headers=with_token(headers, token),
                **more,
            )

    def get(self, path, token=None, **more):
        return self.call("GET", path, token, **more)

    def post(self, path, token=None, body=None, **more):
        return self.call("POST", path, token, json=body, **more)

    def send(self, ticket, content, token=None, headers=None, **fields):
        """Sends and returns the message; any other answer than 200 and 201 is an AssertionError."""
        body = {"content": content, **fields}
        response = self.post(f"/v1/tickets/{ticket}/messages", token or self.agent, body, headers=headers)
        assert response.status_code in (200, 201), response.text
        return response.json()

    def history(self, ticket, token=None, **params):
        response = self.get(f"/v1/tickets/{ticket}/messages", token or self.agent, params=params)
        assert response.status_code == 200, response.text
        return response.json()

    def whole_history(self, ticket, token=None):
        """Every message of a ticket, page by page."""
        page = self.history(ticket, token, limit=200)
        messages = page["messages"]
        while page["has_more_before"]:
            page = self.history(ticket, token, limit=200, before=page["oldest_seq"])
            messages = page["messages"] + messages
        return messages

    def stream(self, ticket, token=None, http2=False, plain=False, headers=None, **params):
        """Opens a stream; it is closed with the stack at the latest."""
        client = self.client(http2, timeout_s=60, plain=plain)
        url = (self.plain_url if plain else self.url) + f"/v1/tickets/{urllib.parse.quote(ticket)}/stream"
        stream = Stream(client, url, with_token(headers, token or self.agent), params)
        self.streams.append(stream)
        return stream

    def poll(self, ticket, token=None, wait=0, **params):
        response = self.get(
            f"/v1/tickets/{ticket}/poll", token or self.agent, params={"wait": wait, **params}, timeout_s=wait + 15
        )
        assert response.status_code == 200, response.text
        return response.json()

    def mode(self):
        return self.get("/v1/readyz").json()["mode"]

    def wait_mode(self, mode, deadline_s=DEADLINE_S):
        wait_for(lambda: self._mode_or_none() == mode, deadline_s, f"mode {mode}")

    def _mode_or_none(self):
        try:
            return self.mode()
        except (httpx.HTTPError, ValueError, KeyError):
            return None

    # ---- stores and the command

    def redis(self):
        return redis.Redis.from_url(self.env["REDIS_URL"])

    def database(self):
        connection = psycopg2.connect(self.env["DATABASE_URL"])
        connection.autocommit = True
        return connection

    def bellhop(self, *arguments, check=True, input=None, env=None, timeout_s=30):
        """Runs the operator's command with the demo's settings."""
        done = subprocess.run(
            [str(build_dir() / "bellhop"), "-c", str(self.dir / "bellhop.conf"), *arguments],
            env={**os.environ, **self.env, **(env or {})},
            input=input,
            stdin=None if input is not None else subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"bellhop {arguments}: status {done.returncode}\n{done.stdout}{done.stderr}")
        return done


def with_token(headers, token):
    headers = dict(headers or {})
    if token:
        headers["Authorization"] = f"Bearer {token}"
    return headers


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


def children_of(pid):
    """Direct children, oldest first."""
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        found += [int(child) for child in task.read_text().split()]
    return sorted(found)
