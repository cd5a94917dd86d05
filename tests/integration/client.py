# SPDX-License-Identifier: BSD-2-Clause
"""What the tests talk to a site with: tokens, calls, and streams read the way a browser reads them."""

import http.client
import json
import socket
import ssl
import threading
import time
import urllib.parse

import contract
import jwt
import requests

DEADLINE = 20.0  # seconds until a test gives up on something that must happen
WITHIN_A_SECOND = 5.0  # the same for what is promised within one, on a machine that has other things to do


def wait_for(condition, what="the condition", deadline=DEADLINE):
    """Calls `condition` until it returns something true, and returns that."""
    end = time.monotonic() + deadline
    pause = threading.Event()
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not come within {deadline} s")
        pause.wait(0.02)


def until(call, condition, what):
    """Repeats a call until its answer meets the condition; returns that answer."""
    answers = []

    def met():
        answers[:] = [call()]
        return condition(answers[0])

    wait_for(met, what)
    return answers[0]


class Site:
    """A running site: where it is and how to become somebody there."""

    def __init__(self, env):
        self.env = env
        self.url = env["BELLHOP_URL"]
        self.plain_url = env["BELLHOP_PLAIN_URL"]
        self.ca = env["BELLHOP_CA"]
        self.kid = env["BELLHOP_JWT_KID"]
        with open(env["BELLHOP_JWT_KEY_FILE"], "rb") as file:
            self.key = file.read().rstrip(b"\n")

    def token(self, user, role="agent", tickets="*", ttl=3600, kid=None, key=None, **claims):
        now = int(time.time())
        body = {"sub": user, "role": role, "iat": now, "exp": now + ttl}
        if tickets is not None:
            body["tickets"] = tickets
        body.update(claims)
        body = {name: value for name, value in body.items() if value is not None}
        return jwt.encode(body, key or self.key, algorithm="HS256", headers={"kid": kid or self.kid})

    def api(self, user, role="agent", tickets="*", **claims):
        return Api(self, self.token(user, role, tickets, **claims))


class Api:
    """One user's calls. Every answer is checked for what all answers must carry."""

    def __init__(self, site, token, url=None):
        self.site = site
        self.token = token
        self.url = url or site.url
        self.session = requests.Session()
        self.session.verify = site.ca
        self.session.trust_env = False
        if token:
            self.session.headers["Authorization"] = "Bearer " + token

    def call(self, method, path, **options):
        options.setdefault("timeout", DEADLINE)
        answer = self.session.request(method, self.url + path, **options)
        assert answer.headers.get("X-Request-Id"), "no X-Request-Id"
        assert answer.headers.get("Bellhop-Mode") in ("full", "no-redis", "no-postgres", "down")
        kind = answer.headers.get("Content-Type", "")
        if "json" in kind:
            assert answer.headers.get("Cache-Control") == "no-store"
            assert answer.headers.get("X-Content-Type-Options") == "nosniff"
        if answer.status_code >= 400 and method != "HEAD":
            check_problem(answer)
        contract.check_answer(method, urllib.parse.urlsplit(path).path, answer)
        return answer

    def get(self, path, **params):
        return self.call("GET", path, params=params)

    def send(self, ticket, content, headers=None, **fields):
        body = {"content": content, **fields}
        return self.call("POST", f"/v1/tickets/{ticket}/messages", json=body, headers=headers or {})

    def sent(self, ticket, content, **fields):
        """Sends, and returns the message that was made."""
        answer = self.send(ticket, content, **fields)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def page(self, ticket, **params):
        answer = self.get(f"/v1/tickets/{ticket}/messages", **params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def history(self, ticket):
        """All messages of the ticket, page by page from the newest to the oldest."""
        messages, bounds = [], {}
        while True:
            page = self.page(ticket, limit=200, **bounds)
            messages = page["messages"] + messages
            if not page["has_more_before"]:
                return messages
            bounds = {"before": page["oldest_seq"]}

    def poll(self, ticket, **params):
        answer = self.get(f"/v1/tickets/{ticket}/poll", **params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def stream(self, ticket, **options):
        return Stream(self, f"/v1/tickets/{ticket}/stream", **options)

    def poll_many(self, tickets, **params):
        answer = self.get("/v1/poll", tickets=",".join(tickets), **params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def stream_many(self, tickets, **options):
        return Stream(self, "/v1/stream", tickets=",".join(tickets), **options)


def check_problem(answer, status=None, code=None):
    """An error is a problem document (RFC 9457), whole."""
    assert answer.headers["Content-Type"].split(";")[0] == "application/problem+json", answer.text
    problem = answer.json()
    assert problem["type"] == "urn:bellhop:problem:" + problem["code"]
    assert problem["title"] and problem["detail"]
    assert problem["status"] == answer.status_code
    assert problem["request_id"] == answer.headers["X-Request-Id"]
    if status is not None:
        assert (answer.status_code, problem["code"]) == (status, code), answer.text
    return problem


class Event:
    def __init__(self, name, text, event_id, at):
        self.name = name
        self.data = json.loads(text)
        contract.check_event(name, event_id, self.data)
        self.id = event_id
        self.at = at

    def __repr__(self):
        return f"<{self.name} {self.id} {self.data}>"


class Stream:
    """
    An event stream, read in a thread of its own as the HTML standard says (9.2.6). `events` grows;
    wait() waits for what is to come. Closing it fails only if an event was not as the contract says.
    """

    def __init__(self, api, path, last_event_id=None, url=None, headers=None, **params):
        self.events = []
        self.comments = []
        self.retry_ms = None
        self.error = None
        self.ended = threading.Event()
        self._news = threading.Condition()
        base = urllib.parse.urlsplit(url or api.url)
        if base.scheme == "https":
            context = ssl.create_default_context(cafile=api.site.ca)
            self._http = http.client.HTTPSConnection(base.hostname, base.port, timeout=60, context=context)
        else:
            self._http = http.client.HTTPConnection(base.hostname, base.port, timeout=60)
        query = "?" + urllib.parse.urlencode(params) if params else ""
        fields = {"Accept": "text/event-stream", **(headers or {})}
        if api.token:
            fields.setdefault("Authorization", "Bearer " + api.token)
        if last_event_id is not None:
            fields["Last-Event-ID"] = last_event_id
        self._http.request("GET", base.path + path + query, headers=fields)
        self._socket = self._http.sock
        self.response = self._http.getresponse()
        self.status = self.response.status
        self.headers = self.response.headers
        if self.status != 200:
            self.body = self.response.read()
            self.ended.set()
            return
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        name, data, event_id, last_id = "", [], None, None
        try:
            for line in self.response:
                line = line.decode("utf-8").rstrip("\r\n")
                if not line:
                    if data:
                        self._take(Event(name or "message", "\n".join(data), event_id, time.monotonic()))
                    name, data, event_id = "", [], None
                elif line.startswith(":"):
                    self.comments.append(line[1:].lstrip())
                else:
                    field, _, value = line.partition(":")
                    value = value[1:] if value.startswith(" ") else value
                    if field == "event":
                        name = value
                    elif field == "data":
                        data.append(value)
                    elif field == "id":
                        event_id = value
                    elif field == "retry":
                        self.retry_ms = int(value)
        except (OSError, ValueError, AssertionError, http.client.HTTPException) as fault:
            self.error = fault
        finally:
            with self._news:
                self.ended.set()
                self._news.notify_all()

    def _take(self, event):
        with self._news:
            self.events.append(event)
            self._news.notify_all()

    def wait(self, condition, what="the event", deadline=DEADLINE):
        """Waits until condition(self) is true, and returns what it returned."""
        end = time.monotonic() + deadline
        with self._news:
            while True:
                result = condition(self)
                if result:
                    return result
                left = end - time.monotonic()
                if left <= 0 or (self.ended.is_set() and not condition(self)):
                    raise AssertionError(f"{what} did not come; got {self.events[-5:]}, {self.error}")
                self._news.wait(left)

    def named(self, *names):
        return [event for event in self.events if event.name in names]

    @property
    def messages(self):
        return self.named("message")

    @property
    def durable(self):
        return [event for event in self.events if event.id is not None and event.name != "hello"]

    @property
    def last_id(self):
        return next((event.id for event in reversed(self.events) if event.id is not None), None)

    def hello(self):
        return self.wait(lambda s: s.named("hello"), "hello")[0].data

    def wait_messages(self, count, deadline=DEADLINE):
        return self.wait(lambda s: len(s.messages) >= count and s.messages, f"message {count}", deadline)

    def wait_named(self, name, deadline=DEADLINE):
        return self.wait(lambda s: s.named(name), name, deadline)[0]

    def close(self):
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.ended.wait(DEADLINE)
        self._http.close()
        if isinstance(self.error, AssertionError):
            raise self.error

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Follower:
    """A client that reconnects with its last id whenever the stream ends, as EventSource does."""

    def __init__(self, api, ticket, **params):
        self.api, self.ticket, self.params = api, ticket, params
        self.seen = []
        self.connections = 0
        self._stop = threading.Event()
        self._stream = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        last_id = None
        while not self._stop.is_set():
            try:
                options = {"last_event_id": last_id} if last_id else dict(self.params)
                self._stream = self.api.stream(self.ticket, **options)
            except (OSError, http.client.HTTPException):
                self._stop.wait(0.1)
                continue
            self.connections += 1
            taken = 0
            while True:
                self._stream.ended.wait(0.05)
                events = self._stream.events[taken:]
                taken += len(events)
                for event in events:
                    if event.id:
                        last_id = event.id
                        if event.name != "hello":
                            self.seen.append(event)
                if self._stop.is_set() or (self._stream.ended.is_set() and taken == len(self._stream.events)):
                    break
            self._stream.close()
            self._stop.wait(0.1)

    def seqs(self):
        return [event.data.get("event_seq") for event in self.seen if event.name == "message"]

    def wait_count(self, count, deadline=60):
        wait_for(lambda: len(self.seqs()) >= count, f"{count} messages, have {len(self.seqs())}", deadline)

    def close(self):
        self._stop.set()
        self._thread.join(DEADLINE)
