# SPDX-License-Identifier: BSD-2-Clause
"""
nginx, lighttpd and Apache with the files that an operator includes: what they pass on, what they hold back,
and that a stream comes through at once. A recorder stands in for the daemons, so that what it is
given can be compared to the letter; the last tests go through the real ones.
"""

import contextlib
import http.client
import itertools
import json
import re
import socket
import ssl
import threading
import urllib.parse

import httpx
import pytest
from client import DEADLINE, check_problem, until, wait_for
from conftest import running_stack
from stack import SOURCE, Stack
from webserver import WebServer

# Whatever the request, and what a header may add to it: src/web/request.c reads these.
ALWAYS = {"REQUEST_METHOD", "REQUEST_URI", "REQUEST_SCHEME", "REQUEST_ID", "REMOTE_ADDR"}
FROM_HEADERS = {
    "Content-Type": "CONTENT_TYPE",
    "Authorization": "HTTP_AUTHORIZATION",
    "Cookie": "HTTP_COOKIE",
    "Origin": "HTTP_ORIGIN",
    "Sec-Fetch-Site": "HTTP_SEC_FETCH_SITE",
    "X-CSRF-Token": "HTTP_X_CSRF_TOKEN",
    "If-Match": "HTTP_IF_MATCH",
    "If-None-Match": "HTTP_IF_NONE_MATCH",
    "Idempotency-Key": "HTTP_IDEMPOTENCY_KEY",
    "Last-Event-ID": "HTTP_LAST_EVENT_ID",
    "User-Agent": "HTTP_USER_AGENT",
}
SPOOFS = [
    ("Bellhop-User", "root-admin"),
    ("Bellhop_User", "root-admin"),
    ("BELLHOP_USER", "root-admin"),
    ("BELLHOP_ROLE", "admin"),
    ("Bellhop-Tickets", "*"),
    ("HTTP_BELLHOP_USER", "root-admin"),
    ("HTTP-BELLHOP-ROLE", "admin"),
    ("Http_Authorization", "Bearer spoofed"),
    ("Remote-User", "root-admin"),
    ("REMOTE_USER", "root-admin"),
    ("Proxy", "http://192.0.2.1/"),
]


@pytest.fixture(scope="module", params=["nginx", "lighttpd", "apache"])
def web(request, tmp_path_factory):
    with WebServer(request.param, tmp_path_factory.mktemp("web")) as server:
        yield server


@pytest.fixture(scope="module")
def nginx(tmp_path_factory):
    with WebServer("nginx", tmp_path_factory.mktemp("nginx")) as server:
        yield server


@pytest.fixture(scope="module")
def apache(tmp_path_factory):
    with WebServer("apache", tmp_path_factory.mktemp("apache")) as server:
        yield server


# ---- what is passed on


def test_nginx_passes_exactly_the_parameters_that_we_read(nginx):
    bare = "GET /chat/v1/healthz?x=%41 HTTP/1.1\nHost: localhost\n"
    full = "POST /chat/v1/tickets/T-1/messages HTTP/1.1\nHost: localhost\nContent-Length: 2\nX-Other: 1\nAccept: a/b\n"
    full += "".join(f"{name}: value of {name}\n" for name in FROM_HEADERS)
    with nginx.api() as api:
        with nginx.raw(bare):
            request = api.requests.get(timeout=DEADLINE)
            assert set(request.names()) == ALWAYS and len(request.names()) == len(ALWAYS)
            assert request["REQUEST_URI"] == "/chat/v1/healthz?x=%41"
            assert request["REQUEST_METHOD"] == "GET" and request["REMOTE_ADDR"] == "127.0.0.1"
        with nginx.raw(full, b"{}"):
            request = api.requests.get(timeout=DEADLINE)
            names = request.names()
            assert sorted(names) == sorted(ALWAYS | set(FROM_HEADERS.values()) | {"CONTENT_LENGTH"})
            assert request.body == b"{}" and request["CONTENT_LENGTH"] == "2"
            for header, name in FROM_HEADERS.items():
                assert request[name] == f"value of {header}"


def test_the_params_file_names_what_the_source_reads():
    """One list, kept in two places; who is asking is said in a file of its own, for those who want it."""
    source = (SOURCE / "src" / "web" / "request.c").read_text()
    read = set(re.findall(r'\{"([A-Z_]+)", offsetof', source))

    def passed(file):
        return set(re.findall(r"^fastcgi_param +([A-Z_]+)", (SOURCE / "nginx" / file).read_text(), re.M))

    identity = {name for name in read if name.startswith("BELLHOP_")}
    assert read - identity - passed("bellhop_params") == {"HTTP_X_REQUEST_ID", "REDIRECT_STATUS"}
    assert passed("bellhop_params") <= read - identity
    assert passed("bellhop_auth.conf") == identity


@pytest.mark.parametrize("name", ["lighttpd", "apache"])
def test_the_others_pass_what_we_read(name, tmp_path):
    with WebServer(name, tmp_path) as server, server.api() as api:
        headers = {name: f"value of {name}" for name in FROM_HEADERS}
        server.call("POST", "/chat/v1/x?y=%41", headers=headers, content=b"{}")
        request = api.requests.get(timeout=DEADLINE)
        for header, parameter in FROM_HEADERS.items():
            assert request[parameter] == f"value of {header}"
        assert request["REQUEST_URI"] == "/chat/v1/x?y=%41"
        assert request["REQUEST_METHOD"] == "POST" and request["CONTENT_LENGTH"] == "2"
        assert request["REMOTE_ADDR"] == "127.0.0.1"
        assert name == "lighttpd" or len(request["REQUEST_ID"]) > 20


@pytest.mark.parametrize("header, value", SPOOFS)
def test_no_header_becomes_an_identity(web, header, value):
    head = "GET /chat/v1/auth?BELLHOP_USER=root-admin HTTP/1.1\nHost: localhost\n" + f"{header}: {value}\n" * 2
    with web.api() as api, web.raw(head):
        request = api.requests.get(timeout=DEADLINE)
    assert not [name for name in request.names() if name.startswith(("BELLHOP_", "REMOTE_USER", "AUTH_TYPE"))]
    assert "HTTP_AUTHORIZATION" not in request.names()


RAW_URIS = [
    "/chat/v1/tickets/T%2D1/messages",
    "/chat/v1/tickets/a%2Fb/messages",
    "/chat/v1/tickets/T-1/messages?x=%2B%20",
    "/chat/a.php",
]


@pytest.mark.parametrize("path", RAW_URIS)
def test_the_raw_uri_is_passed(web, path):
    with web.api() as api, web.raw(f"GET {path} HTTP/1.1\nHost: localhost\n"):
        assert api.requests.get(timeout=DEADLINE)["REQUEST_URI"] == path


# ---- who goes where, and how


STREAMS = [
    "/chat/v1/tickets/T-1/stream",
    "/chat/v1/stream?tickets=T-1",
    "/chat/v1/tickets/T-1/poll?wait=1",
    "/chat/v1/poll?tickets=T-1",
]


@pytest.mark.parametrize("path", STREAMS)
def test_streams_and_polls_go_to_push(web, path):
    with web.push() as push, web.raw(f"GET {path} HTTP/1.1\nHost: localhost\n"):
        assert push.requests.get(timeout=DEADLINE)["REQUEST_URI"] == path


def test_a_stream_comes_through_frame_by_frame(web):
    """Each frame is written only after the one before it has arrived: a buffer would hold it up."""
    arrived = threading.Semaphore(0)

    def answer(_, write):
        write(b"Status: 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        for number in range(20):
            write(f"data: {number}\n\n".encode())
            assert arrived.acquire(timeout=DEADLINE)

    with web.push(answer), httpx.stream("GET", web.url + STREAMS[0], timeout=DEADLINE, trust_env=False) as response:
        seen = ""
        for piece in response.iter_text():
            seen += piece
            for _ in range(piece.count("data:")):
                arrived.release()
    assert re.findall(r"data: (\d+)", seen) == [str(number) for number in range(20)]


def test_a_closed_stream_is_noticed(web):
    """The daemon's next write fails, or is the last that it can make: the heartbeat finds out."""
    noticed = threading.Event()

    def answer(_, write):
        write(b"Status: 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
        try:
            for _ in itertools.repeat(None, 100000):
                write(b": ka\n\n" * 100)
        except OSError:
            noticed.set()

    with web.push(answer):
        connection = web.raw(f"GET {STREAMS[0]} HTTP/1.1\nHost: localhost\n")
        assert connection.recv(1)
        connection.close()
        assert noticed.wait(DEADLINE)


@pytest.mark.parametrize("name", ["nginx", "lighttpd"])
def test_a_slow_sender_does_not_reach_us(name, tmp_path):
    """The web server waits for the whole body. Apache does not: see below."""
    head = "POST /chat/v1/tickets/T-1/messages HTTP/1.1\nHost: localhost\nContent-Length: 60000\n"
    with WebServer(name, tmp_path) as web, web.api() as api, web.raw(head, b"x" * 50_000) as slow:
        assert web.call("GET", "/chat/v1/healthz").status_code == 200
        assert api.requests.get(timeout=DEADLINE)["REQUEST_METHOD"] == "GET"
        assert api.connections == 1
        slow.sendall(b"y" * 10_000)
        assert api.requests.get(timeout=DEADLINE).body == b"x" * 50_000 + b"y" * 10_000


def test_a_slow_reader_does_not_hold_a_worker(web):
    done = threading.Event()

    def answer(_, write):
        write(b"Status: 200 OK\r\nContent-Type: application/json\r\n\r\n" + b" " * 8_000_000)
        done.set()

    with web.api(answer), web.raw("GET /chat/v1/tickets/T-1/messages HTTP/1.1\nHost: localhost\n"):
        assert done.wait(DEADLINE)


def test_a_body_over_our_limit_reaches_us(web):
    """So that the refusal is bellhop's own, with its code."""
    with web.api() as api:
        web.call("POST", content=b"x" * 70_000)
        assert len(api.requests.get(timeout=DEADLINE).body) == 70_000


def test_a_connection_is_not_kept(web):
    """The daemons answer one request on each."""
    with web.api() as api, web.push() as push, httpx.Client(base_url=web.url, timeout=DEADLINE) as client:
        for path in ("/chat/v1/healthz", "/chat/v1/healthz", "/chat/v1/poll"):
            assert client.get(path).status_code == 200
        requests = [daemon.requests.get(timeout=DEADLINE) for daemon in (api, api, push)]
    assert not any(request.is_kept for request in requests)


def test_a_daemon_that_is_back_is_asked_again(web):
    """And soon: lighttpd looks once a second, the others at every request."""
    for daemon, path in ((web.api, "/chat/v1/healthz"), (web.push, "/chat/v1/poll")):
        daemon().close()
        assert web.call(path=path).status_code == 503
        with daemon():
            wait_for(lambda path=path: web.call(path=path).status_code == 200, f"an answer to {path}", deadline=10)


# ---- what a web server says itself


@pytest.fixture(scope="module", params=["nginx", "lighttpd", "apache"])
def careful(request, tmp_path_factory):
    """One that has lost its daemons; lighttpd takes a second to find them again."""
    with WebServer(request.param, tmp_path_factory.mktemp("careful")) as server:
        yield server


def check_own_problem(response, status, code):
    assert check_problem(response, status, code)["request_id"]
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "<" not in response.text


def test_without_a_daemon(careful):
    careful.api().close()
    response = careful.call()
    check_own_problem(response, 503, "unavailable")
    assert int(response.headers["Retry-After"]) >= 1 and response.headers["Bellhop-Mode"] == "down"
    careful.push().close()
    check_own_problem(careful.call(path=STREAMS[2]), 503, "unavailable")


def check_away(response):
    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("text/event-stream")
    assert response.headers["Bellhop-Mode"] == "down" and response.headers["X-Request-Id"]
    assert "no-store" in response.headers["Cache-Control"]
    bye = re.fullmatch(r"retry: (\d+)\nevent: bye\ndata: (.*)\n\n", response.text)
    assert json.loads(bye[2]) == {"code": "unavailable", "retry_ms": int(bye[1])}


def test_a_stream_without_a_daemon_is_told_to_come_back(careful):
    careful.push().close()
    check_away(careful.call(path=STREAMS[0]))
    check_away(careful.call(path=STREAMS[1]))


def test_lighttpd_refuses_a_body_far_over_our_limit(tmp_path):
    with WebServer("lighttpd", tmp_path) as server, server.api():
        response = server.call("POST", "/chat/v1/tickets/T-1/messages", content=b"x" * 1_100_000)
        check_own_problem(response, 413, "too_large")
        assert response.headers["Bellhop-Mode"] == "full"


def test_apache_keeps_threads_for_other_pages(apache):
    """A process of 25 threads has 16 for streams and polls; the next listener is told to come back."""

    def answer(_, write):
        write(b"Status: 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
        over.wait(DEADLINE)

    over = threading.Event()
    with apache.push(answer), apache.api(), contextlib.ExitStack() as streams:
        for _ in range(16):
            connection = streams.enter_context(apache.raw(f"GET {STREAMS[0]} HTTP/1.1\nHost: localhost\n"))
            assert b"200 OK" in connection.recv(65536)
        check_away(apache.call(path=STREAMS[0]))
        check_own_problem(apache.call(path=STREAMS[2]), 503, "unavailable")
        assert apache.call(path="/chat/v1/healthz").status_code == 200
        over.set()


def test_apache_refuses_a_huge_body(apache):
    """It would keep it in memory, and more so one that does not say how large it is."""
    with apache.api() as api:
        answer = apache.call("POST", content=b"x" * 2_000_000)
        check_own_problem(answer, 413, "too_large")
        assert answer.headers["Bellhop-Mode"] == "full"
        check_own_problem(apache.call("POST", content=iter([b"x" * 10, b"y" * 10])), 400, "bad_request")
        assert api.requests.empty()


def test_nginx_lets_bellhop_refuse_a_huge_body_by_its_length(nginx):
    with nginx.api() as api:
        nginx.call("POST", content=b"x" * 2_000_000)
        request = api.requests.get(timeout=DEADLINE)
    assert (request["CONTENT_LENGTH"], request.body) == ("2000000", b"")
    assert request["REQUEST_METHOD"] == "POST" and request["REQUEST_URI"].endswith("/messages")
    nginx.api().close()
    check_own_problem(nginx.call("POST", content=b"x" * 2_000_000), 503, "unavailable")


def test_a_token_of_eight_kilobytes_fits(web):
    token = "x" * 8192
    with web.api() as api:
        web.call(headers={"Authorization": f"Bearer {token}", "Cookie": f"__Host-bellhop={token}"})
        assert api.requests.get(timeout=DEADLINE)["HTTP_AUTHORIZATION"] == f"Bearer {token}"


def test_nginx_limits_an_address_but_not_this_machine(tmp_path):
    """At a rate that every machine keeps up with."""
    with contextlib.ExitStack() as running:
        server = running.enter_context(WebServer("nginx", tmp_path, changes=[("rate=100r/s", "rate=1r/s")]))
        running.enter_context(server.api())
        client = running.enter_context(httpx.Client(base_url=server.url, trust_env=False, timeout=DEADLINE))
        here = [client.get("/chat/v1/healthz") for _ in range(700)]
        assert {response.status_code for response in here} == {200}
        stranger = {"X-Test-Address": "192.0.2.7"}
        refused = (client.get("/chat/v1/healthz", headers=stranger) for _ in range(1000))
        response = next(response for response in refused if response.status_code != 200)
    check_own_problem(response, 429, "rate_limited")
    assert int(response.headers["Retry-After"]) >= 1
    assert response.headers["RateLimit-Policy"] == '"address";q=400;w=4'
    assert response.headers["RateLimit"] == f'"address";r=0;t={response.headers["Retry-After"]}'
    assert response.headers["Bellhop-Mode"] == "full"


SHORT = [
    ("client_header_timeout 15s", "client_header_timeout 1s"),
    ("client_body_timeout         15s", "client_body_timeout 1s"),
    ("server.max-read-idle = 15", "server.max-read-idle = 1"),
]
NARROW = [("bellhop_streams 1000", "bellhop_streams 3"), ("bellhop_open 200", "bellhop_open 3")]


def ends(connection):
    """Whether the web server ends the connection, whatever it says before."""
    try:
        while connection.recv(4096):
            pass
    except ConnectionResetError:
        pass
    return True


@pytest.mark.parametrize("name", ["nginx", "lighttpd"])
def test_a_body_that_stops_coming_is_dropped(name, tmp_path):
    head = "POST /chat/v1/tickets/T-1/messages HTTP/1.1\nHost: localhost\nContent-Length: 20\n"
    with WebServer(name, tmp_path, changes=SHORT) as server, server.api() as api:
        with server.raw(head, b"0123456789") as slow:
            assert ends(slow)
            assert api.requests.empty()


def test_nginx_drops_a_head_that_stops_coming(tmp_path):
    with WebServer("nginx", tmp_path, changes=SHORT) as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=DEADLINE) as slow:
            slow.sendall(b"GET /chat/v1/healthz HTTP/1.1\r\nHost: loc")
            assert ends(slow)


def slow_sender(server, address):
    head = "POST /chat/v1/tickets/T-1/messages HTTP/1.1\nHost: localhost\nContent-Length: 20\n"
    return server.raw(head + f"X-Test-Address: {address}\n", b"0123456789")


def test_nginx_bounds_the_slow_senders_of_an_address(tmp_path):
    """Their bodies are not whole, so bellhop does not know of them yet."""
    with WebServer("nginx", tmp_path, changes=NARROW) as server, server.api(), contextlib.ExitStack() as senders:
        for _ in range(3):
            senders.enter_context(slow_sender(server, "192.0.2.8"))
        response = until(
            lambda: server.call(path="/chat/v1/healthz", headers={"X-Test-Address": "192.0.2.8"}),
            lambda response: response.status_code != 200,
            "a refusal",
        )
        check_own_problem(response, 429, "rate_limited")
        assert server.call(path="/chat/v1/healthz", headers={"X-Test-Address": "192.0.2.9"}).status_code == 200
        for _ in range(6):
            senders.enter_context(slow_sender(server, "127.0.0.1"))
        assert server.call(path="/chat/v1/healthz").status_code == 200


def test_nginx_bounds_the_streams_of_an_address(tmp_path):
    """EventSource is told to come back, a poll is refused."""
    over = threading.Event()

    def answer(_, write):
        write(b"Status: 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
        over.wait(DEADLINE)

    with contextlib.ExitStack() as streams:
        server = streams.enter_context(WebServer("nginx", tmp_path, changes=NARROW))
        streams.enter_context(server.push(answer))
        streams.callback(over.set)
        for path in STREAMS[:3]:
            stream = server.raw(f"GET {path} HTTP/1.1\nHost: localhost\nX-Test-Address: 192.0.2.7\n")
            assert streams.enter_context(stream).recv(1)
        stranger = {"X-Test-Address": "192.0.2.7"}
        bye = server.call(path=STREAMS[0], headers=stranger)
        assert bye.status_code == 200 and bye.headers["Content-Type"].startswith("text/event-stream")
        frame = re.fullmatch(r"retry: (\d+)\nevent: bye\ndata: (.*)\n\n", bye.text)
        assert json.loads(frame[2]) == {"code": "too_many_streams", "retry_ms": int(frame[1])}
        check_own_problem(server.call(path=STREAMS[3], headers=stranger), 429, "rate_limited")


# ---- the whole way, through the real daemons


@pytest.fixture(params=["stack", "lighttpd_stack", "apache_stack"], ids=["nginx", "lighttpd", "apache"])
def whole(request):
    return request.getfixturevalue(request.param)


class Http2Context(ssl.SSLContext):
    """Offers HTTP/2 alone: httpx would offer HTTP/1.1 first, and lighttpd takes the first."""

    def set_alpn_protocols(self, _):
        super().set_alpn_protocols(["h2"])


def tls_context(ca, http2):
    context = (Http2Context if http2 else ssl.SSLContext)(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(ca)
    return context


@pytest.mark.parametrize("http2", [False, True], ids=["http1", "http2"])
def test_a_message_appears_in_the_stream_of_another_connection(whole, ticket, http2):
    site = whole.site
    context = tls_context(site.ca, http2)
    bob = {"Authorization": "Bearer " + site.token("bob", role="requester", tickets=[ticket])}
    alice = {"Authorization": "Bearer " + site.token("alice")}
    url = f"{site.url}/v1/tickets/{ticket}"
    options = {"http1": not http2, "http2": http2, "verify": context, "timeout": DEADLINE, "trust_env": False}
    with httpx.Client(**options) as listener, httpx.Client(**options) as sender:
        with listener.stream("GET", url + "/stream", headers=bob) as stream:
            assert stream.status_code == 200
            assert stream.http_version == ("HTTP/2" if http2 else "HTTP/1.1")
            assert stream.headers["Content-Type"].startswith("text/event-stream")
            seen, pieces = "", stream.iter_text()
            while "event: hello" not in seen:
                seen += next(pieces)
            for number in range(5):
                answer = sender.post(url + "/messages", headers=alice, json={"content": f"number {number}"})
                assert answer.status_code == 201, answer.text
                while f"number {number}" not in seen:
                    seen += next(pieces)


def test_a_huge_body_without_a_length_is_refused(stack):
    """Which HTTP/2 allows: nginx counts what comes, and refuses it itself."""
    pieces = (b"x" * 65536 for _ in range(40))
    options = {"http1": False, "http2": True, "verify": tls_context(stack.site.ca, True), "timeout": DEADLINE}
    with httpx.Client(**options) as client:
        answer = client.post(stack.site.url + "/v1/tickets/T-1/messages", content=pieces)
    check_own_problem(answer, 413, "too_large")
    assert answer.headers["Bellhop-Mode"] == "full"


def raw_answer(site, request):
    """What a request is answered that no client library would send: status, header fields, body."""
    url = urllib.parse.urlsplit(site.url)
    context = ssl.create_default_context(cafile=site.ca)
    with socket.create_connection((url.hostname, url.port), timeout=DEADLINE) as plain:
        with context.wrap_socket(plain, server_hostname=url.hostname) as connection:
            connection.sendall(request.replace("\n", "\r\n").encode())
            response = http.client.HTTPResponse(connection)
            response.begin()
            return response.status, response.headers, response.read()


HEAD = " HTTP/1.1\nHost: localhost\nConnection: close\n"


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        (f"GET /chat/v1/tickets/a%00b/messages{HEAD}\n", 404, "not_found"),
        (f"GET /chat/v1/tickets/a%zz/stream{HEAD}\n", 404, "not_found"),
        (f"POST /chat/v1/tickets/a%/messages{HEAD}Content-Length: 2\n\n{{}}", 404, "not_found"),
        (f"GET /chat/v1/healthz{HEAD}Authorization: Bearer a\nAuthorization: Bearer b\n\n", 400, "bad_request"),
        (f"GET /chat/v1/tickets/T-1/stream{HEAD}Cookie: {'x' * 20000}\n\n", 400, "bad_request"),
        (f"GET /chat/v1/tickets?{'x' * 20000}{HEAD}\n", 400, "bad_request"),
        (f"TRACE /chat/v1/session{HEAD}\n", 405, "method_not_allowed"),
        (f"TRACE /chat/v1/tickets/T-1/poll?wait=0{HEAD}\n", 405, "method_not_allowed"),
        (f"TRACE /chat/v1/nothing{HEAD}\n", 404, "not_found"),
    ],
    ids=["nul", "escape", "cut escape", "two tokens", "large head", "long target", "trace", "trace push", "trace nothing"],
)
def test_what_nginx_refuses_before_it_knows_where(stack, request_, status, code):
    got, headers, body = raw_answer(stack.site, request_)
    problem = json.loads(body)
    assert (got, problem["status"], problem["code"]) == (status, status, code)
    assert headers["Content-Type"] == "application/problem+json"
    assert headers["X-Request-Id"] == problem["request_id"]
    assert (headers["Bellhop-Mode"], headers["Cache-Control"]) == ("full", "no-store")
    assert bool(headers["Allow"]) == (status == 405)


def test_over_http2_it_is_the_same(stack):
    """Which does not tell nginx's configuration the path."""
    options = {"http1": False, "http2": True, "verify": tls_context(stack.site.ca, True), "timeout": DEADLINE}
    with httpx.Client(**options) as client:
        answer = client.get(stack.site.url + "/v1/tickets/a%00b/messages")
        assert answer.http_version == "HTTP/2"
        check_own_problem(answer, 404, "not_found")


@pytest.mark.parametrize("request_", [f"GET /a%00b{HEAD}\n", f"TRACE /index.html{HEAD}\n"], ids=["nul", "trace"])
def test_what_is_refused_elsewhere_stays_as_it_is(stack, request_):
    status, headers, body = raw_answer(stack.site, request_)
    assert status in (400, 405) and headers["Content-Type"].startswith("text/html")
    assert b"problem" not in body and "Bellhop-Mode" not in headers


@pytest.mark.parametrize("http2", [False, True], ids=["http1", "http2"])
def test_a_body_that_is_too_large_is_refused_in_one_piece(whole, http2):
    """Between the limit of ours and the web server's: the answer arrives, however early it was given."""
    context, token = tls_context(whole.site.ca, http2), whole.site.token("alice")
    options = {"http1": not http2, "http2": http2, "verify": context, "timeout": DEADLINE, "trust_env": False}
    with httpx.Client(headers={"Authorization": f"Bearer {token}"}, **options) as client:
        for size in (70_000, 1_000_000):
            answer = client.post(whole.site.url + "/v1/tickets/T-1/messages", json={"content": "x" * size})
            check_problem(answer, 413, "too_large")


def test_a_page_that_has_not_changed(whole, ticket):
    alice = whole.site.api("alice")
    alice.sent(ticket, "one")
    answer = alice.get("/v1/tickets")
    again = alice.call("GET", "/v1/tickets", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert "Vary" not in answer.headers, "the web server adds none"


@pytest.fixture(scope="module")
def narrow_apache(request):
    """Few workers, time for slow peers beyond a test's patience, and signs of life each second."""
    env = {"BELLHOP_API_WORKERS": "2", "BELLHOP_IO_TIMEOUT_MS": "60000", "BELLHOP_HEARTBEAT_MS": "1000"}
    yield from running_stack(request, server="apache", env=env)


def test_slow_senders_behind_apache_hold_no_worker(narrow_apache, ticket):
    """Apache passes a body on while it comes; bellhop waits for its end without a worker."""
    site = narrow_apache.site
    plain = httpx.URL(site.plain_url)
    head = f"POST {plain.path}/v1/tickets/{ticket}/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n"
    head += f"Authorization: Bearer {site.token('alice')}\r\nContent-Type: application/json\r\n\r\n"
    with contextlib.ExitStack() as slow:
        for _ in range(8):
            connection = socket.create_connection((plain.host, plain.port), timeout=DEADLINE)
            slow.enter_context(connection).sendall(head.encode() + b" " * 50_000)
        assert site.api("alice").sent(ticket, "in between")["seq"] == 1


def test_apache_notices_by_the_signs_of_life_that_a_listener_has_left(narrow_apache, ticket):
    site = narrow_apache.site
    user = f"leaves-{ticket}"
    with site.api(user).stream(ticket) as stream:
        stream.hello()
    wait_for(lambda: f"user={user} " in narrow_apache.log("push"), "the end of the stream")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_old_tls_is_refused(whole):
    port = httpx.URL(whole.site.url).port
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE) as connection:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            context.wrap_socket(connection)


@pytest.mark.parametrize("server", ["nginx", "lighttpd", "apache"])
def test_identity_by_parameter_cannot_be_spoofed(server, make_directory):
    """Even where bellhop trusts the web server's word, a client cannot put words into its mouth."""
    with Stack(make_directory(), server=server, env={"BELLHOP_TRUST_PARAMS": "yes"}) as stack:
        site = stack.site
        for header, value in SPOOFS:
            for path in ("/v1/auth", "/v1/tickets/T-1/messages?BELLHOP_USER=alice", "/v1/tickets/T-1/poll?wait=0"):
                answer = httpx.get(site.url + path, headers={header: value}, verify=site.ca, trust_env=False)
                assert answer.status_code in (400, 401), f"{header} on {path}: {answer.status_code}"
