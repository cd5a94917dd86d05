# SPDX-License-Identifier: BSD-2-Clause
"""
Existing logins (BELLHOP_TRUST_PARAMS): what the web server vouches for is an identity, and nothing else is. First over
the daemons' own sockets, where every parameter can be said, then with nginx that asks PHP's session who it is.
"""

import base64
import hashlib
import os
import re
import shutil
import tempfile
import types

import fcgi_client
import httpx
import pytest
from client import DEADLINE, Api, Stream, check_problem
from stack import SOURCE
from webserver import Php, WebServer

ORIGIN = "http://desk.test"
BOB = [("BELLHOP_USER", "bob"), ("BELLHOP_TICKETS", "*")]
README = (SOURCE / "README").read_text()
SESSION_AUTH = (SOURCE / "contrib" / "php" / "session_auth.php").read_text()


# ---- parameters, as they come


@pytest.fixture(params=["api", "push"])
def ask(request, ticket):
    """ask(stack, pairs) → what the daemon answers to a read with these parameters besides the usual ones."""
    path = {"api": "messages", "push": "poll?wait=0"}[request.param]

    def call(stack, pairs, **headers):
        usual = fcgi_client.cgi_params("GET", f"/chat/v1/tickets/{ticket}/{path}", headers)
        with fcgi_client.Connection(f"{stack.dir}/run/{request.param}.sock") as connection:
            connection.request([*usual.items(), *pairs])
            return connection.response()

    return call


def code_of(response):
    return response.status, response.json().get("code")


def test_the_web_servers_word_is_taken(trusting_stack, ask):
    assert ask(trusting_stack, BOB).status == 200


def test_by_default_it_is_not(stack, ask):
    answer = ask(stack, [*BOB, ("BELLHOP_ROLE", "admin")])
    assert code_of(answer) == (401, "unauthenticated")
    assert answer.json()["detail"] == "no token, cookie or trusted user"
    token = stack.site.token("alice")
    assert ask(stack, [("BELLHOP_USER", "not an id")], authorization=f"Bearer {token}").status == 200


@pytest.mark.parametrize("name", ["BELLHOP_USER", "BELLHOP_ROLE", "BELLHOP_NAME", "BELLHOP_TICKETS"])
@pytest.mark.parametrize("values", [("x", "x"), ("", "x"), ("x", "")], ids=["same", "empty first", "empty last"])
def test_a_parameter_that_comes_twice_is_refused(stack, trusting_stack, ask, name, values):
    """Whether it counts or not, and whoever else is there: two programs must not read two values."""
    pairs = [pair for pair in BOB if pair[0] != name] + [(name, value) for value in values]
    for one in (trusting_stack, stack):
        token = one.site.token("alice")
        assert code_of(ask(one, pairs)) == (400, "bad_request")
        assert code_of(ask(one, pairs, authorization=f"Bearer {token}")) == (400, "bad_request")


MALFORMED = {
    "user of the wrong form": [("BELLHOP_USER", "bob smith")],
    "user too long": [("BELLHOP_USER", "b" * 65)],
    "user of two": [("BELLHOP_USER", "bob, alice")],
    "user not ASCII": [("BELLHOP_USER", "böb")],
    "role unknown": [("BELLHOP_USER", "bob"), ("BELLHOP_ROLE", "root")],
    "role in capitals": [("BELLHOP_USER", "bob"), ("BELLHOP_ROLE", "Admin")],
    "role of two": [("BELLHOP_USER", "bob"), ("BELLHOP_ROLE", "requester, admin")],
    "name too long": [("BELLHOP_USER", "bob"), ("BELLHOP_NAME", "B" * 129)],
    "name not UTF-8": [("BELLHOP_USER", "bob"), ("BELLHOP_NAME", b"\xff")],
    "tickets of the wrong form": [("BELLHOP_USER", "bob"), ("BELLHOP_TICKETS", "T-1,a/b")],
    "tickets with a dot in front": [("BELLHOP_USER", "bob"), ("BELLHOP_TICKETS", ".T-1")],
    "tickets of all and one": [("BELLHOP_USER", "bob"), ("BELLHOP_TICKETS", "*,T-1")],
    "a ticket too long": [("BELLHOP_USER", "bob"), ("BELLHOP_TICKETS", "T" * 65)],
    "no user": [("BELLHOP_ROLE", "admin"), ("BELLHOP_TICKETS", "*")],
    "an empty user": [("BELLHOP_USER", ""), ("BELLHOP_ROLE", "admin"), ("BELLHOP_TICKETS", "*")],
    "small letters": [("bellhop_user", "bob"), ("bellhop_tickets", "*")],
    "what clients can make": [("HTTP_BELLHOP_USER", "bob"), ("HTTP_X_BELLHOP_USER", "bob")],
    "what others believe": [("REMOTE_USER", "bob"), ("AUTH_TYPE", "Basic"), ("REDIRECT_BELLHOP_USER", "bob")],
}


@pytest.mark.parametrize("pairs", MALFORMED.values(), ids=MALFORMED.keys())
def test_what_is_no_identity_is_nobody(trusting_stack, ask, pairs):
    if not any(name == "BELLHOP_TICKETS" for name, _ in pairs):
        pairs = [*pairs, ("BELLHOP_TICKETS", "*")]
    assert code_of(ask(trusting_stack, pairs)) == (401, "unauthenticated")


def test_a_line_break_in_a_value_is_refused(trusting_stack, ask):
    assert code_of(ask(trusting_stack, [("BELLHOP_USER", "bob"), ("BELLHOP_TICKETS", "T-1\nT-2")])) == (400, "bad_request")


def test_a_lesser_identity_is_never_taken_instead(trusting_stack, ask):
    for headers in (
        {"authorization": "Bearer x.y.z"}, {"authorization": "Basic Ym9iOng="}, {"cookie": "__Host-bellhop=x.y.z"},
    ):  # fmt: skip
        assert code_of(ask(trusting_stack, BOB, **headers)) == (401, "unauthenticated")
    expired = trusting_stack.site.token("alice", ttl=-120)
    assert code_of(ask(trusting_stack, BOB, authorization=f"Bearer {expired}")) == (401, "token_expired")


def test_a_token_counts_before_them(trusting_stack, ticket):
    answer = fcgi_client.call(
        f"{trusting_stack.dir}/run/api.sock", "GET", "/chat/v1/auth", trusting_stack.site.token("alice"),
        BELLHOP_USER="bob", BELLHOP_ROLE="admin",
    )  # fmt: skip
    assert (answer.header("X-Bellhop-User"), answer.header("X-Bellhop-Role")) == ("alice", "agent")


def test_the_tickets_and_the_role_are_what_they_say(trusting_stack, ask, ticket):
    assert ask(trusting_stack, [("BELLHOP_USER", "bob"), ("BELLHOP_TICKETS", f"T-1, {ticket}")]).status == 200
    assert code_of(ask(trusting_stack, [("BELLHOP_USER", "bob"), ("BELLHOP_TICKETS", "T-1,T-2")])) == (403, "not_a_participant")
    assert code_of(ask(trusting_stack, [("BELLHOP_USER", "bob")])) == (403, "not_a_participant")
    assert ask(trusting_stack, [("BELLHOP_USER", "bob"), ("BELLHOP_ROLE", "admin")]).status == 200


# ---- nginx and PHP's session

# A site's own: whoever posts is logged in as what the body says, which only a test may do.
LOGIN = """<?php
session_start(['use_strict_mode' => true, 'cookie_httponly' => true]);
if ($_SERVER['REQUEST_METHOD'] === 'POST') {
    session_regenerate_id(true);
    $_SESSION = json_decode(file_get_contents('php://input'), true);
} else {
    session_destroy();
}
http_response_code(204);
"""


@pytest.fixture(scope="module")
def php(trusting_stack):
    directory = tempfile.mkdtemp(prefix="bellhop-test-")
    # What the site's own calls need, where the site's user can read it.
    env = {"BELLHOP_URL": trusting_stack.site.url}
    for name in ("BELLHOP_JWT_KEY_FILE", "BELLHOP_CA"):
        env[name] = shutil.copy(trusting_stack.env[name], directory)
        os.chmod(env[name], 0o644)
    with Php(directory, env) as php:
        php.add("login.php", LOGIN)
        php.add("session_auth.php", SESSION_AUTH)
        php.add("bellhop.php", (SOURCE / "contrib" / "php" / "bellhop.php").read_text())
        yield php
    shutil.rmtree(directory)


@pytest.fixture(scope="module")
def desk(trusting_stack, php, tmp_path_factory):
    with WebServer("nginx", tmp_path_factory.mktemp("desk"), trusting_stack.dir / "run", php) as server:
        yield server


class Browser(Api):
    """Has no token: what it is, its session at the site says."""

    def __init__(self, stack, server, **session):
        super().__init__(stack.site, None, url=server.url + "/chat")
        self.login_url = server.url + "/login.php"
        self.session.headers.update({"Origin": ORIGIN, "Sec-Fetch-Site": "same-origin"})
        if session:
            self.login(**session)

    def login(self, **session):
        assert self.session.post(self.login_url, json=session, timeout=20).status_code == 204
        return self

    def logout(self):
        assert self.session.delete(self.login_url, timeout=20).status_code == 204

    def cookies(self):
        return "; ".join(f"{name}={value}" for name, value in self.session.cookies.items())

    def stream(self, ticket, **options):
        headers = {"Cookie": self.cookies(), **options.pop("headers", {})}
        return Stream(self, f"/v1/tickets/{ticket}/stream", headers=headers, **options)


def who(browser):
    answer = browser.get("/v1/auth")
    return (answer.headers["X-Bellhop-User"], answer.headers["X-Bellhop-Role"]) if answer.ok else answer.status_code


def test_a_login_sends_and_listens_without_a_token(trusting_stack, desk, ticket):
    bob = Browser(trusting_stack, desk, user="bob", name="Bob Größe", tickets=[ticket])
    assert "PHPSESSID" in bob.cookies() and "bellhop" not in bob.cookies()
    with bob.stream(ticket) as stream:
        assert stream.hello()["tickets"].keys() == {ticket}
        message = bob.sent(ticket, "from a session")
        assert stream.wait_messages(1)[0].data["content"] == "from a session"
    assert (message["sender_id"], message["sender_name"]) == ("bob", "Bob Größe")
    assert [event["data"]["seq"] for event in bob.poll(ticket, cursor="1.0", wait=0)["events"]] == [1]


def test_nobody_before_the_login_and_after_the_logout(trusting_stack, desk, ticket):
    browser = Browser(trusting_stack, desk)
    paths = ["/v1/auth", f"/v1/tickets/{ticket}/messages", f"/v1/tickets/{ticket}/poll?wait=0", "/v1/poll?tickets=T-1"]

    def refused():
        for path in paths:
            answer = browser.get(path)
            check_problem(answer, 401, "unauthenticated")
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        check_problem(browser.send(ticket, "let me in"), 401, "unauthenticated")
        assert browser.stream(ticket).status == 401

    refused()
    browser.login(user="bob", tickets=[ticket])
    old = browser.cookies()
    assert who(browser) == ("bob", "requester")
    browser.logout()
    browser.session.headers["Cookie"] = old
    refused()


def test_a_logout_ends_the_open_streams_where_it_says_so(trusting_stack, desk, ticket):
    bob = Browser(trusting_stack, desk, user="bob-leaves", tickets=[ticket])
    with bob.stream(ticket) as stream:
        stream.hello()
        bob.logout()
        system = trusting_stack.site.api("system", role="service")
        assert system.call("POST", "/v1/revocations", json={"user_id": "bob-leaves"}).status_code == 204
        assert stream.wait_named("bye").data["code"] == "token_revoked"
    bob.login(user="bob-leaves", tickets=[ticket])
    assert who(bob) == ("bob-leaves", "requester"), "a new login counts"
    with bob.stream(ticket) as stream:
        stream.hello()


def test_two_people_are_kept_apart(trusting_stack, desk, ticket):
    bob = Browser(trusting_stack, desk, user="bob", tickets=[f"{ticket}-b"])
    eve = Browser(trusting_stack, desk, user="eve", tickets=[f"{ticket}-e"])
    agent = Browser(trusting_stack, desk, user="alice@example.org", role="agent", tickets="*")
    for _ in range(3):
        assert (who(bob), who(eve)) == (("bob", "requester"), ("eve", "requester"))
        assert bob.sent(f"{ticket}-b", "mine")["sender_id"] == "bob"
        assert eve.sent(f"{ticket}-e", "mine")["sender_id"] == "eve"
        check_problem(bob.send(f"{ticket}-e", "let me in"), 403, "not_a_participant")
        check_problem(eve.get(f"/v1/tickets/{ticket}-b/messages"), 403, "not_a_participant")
        assert eve.stream(f"{ticket}-b").status == 403
    assert who(agent) == ("alice@example.org", "agent")
    assert agent.sent(f"{ticket}-b", "for staff", kind="note")["kind"] == "note"
    check_problem(bob.send(f"{ticket}-b", "I too", kind="note"), 403, "forbidden")


def test_what_a_client_makes_up_is_nothing(trusting_stack, desk, ticket):
    forged = {"BELLHOP_USER": "root", "Bellhop-User": "root", "Bellhop_User": "root", "X-Bellhop-User": "root",
              "X-Bellhop-Role": "admin", "HTTP_BELLHOP_USER": "root", "Remote-User": "root"}  # fmt: skip
    query = {"BELLHOP_USER": "root", "BELLHOP_ROLE": "admin", "PHPSESSID": "stolen", "bellhop_user": "root"}
    nobody = Browser(trusting_stack, desk)
    check_problem(nobody.call("GET", "/v1/auth", headers=forged, params=query), 401, "unauthenticated")
    for cookie in ("PHPSESSID=stolen", "PHPSESSID=../../etc/passwd", "PHPSESSID[]=x", "BELLHOP_USER=root"):
        check_problem(nobody.call("GET", "/v1/auth", headers={"Cookie": cookie}), 401, "unauthenticated")
    bob = Browser(trusting_stack, desk, user="bob", tickets=[ticket])
    session = bob.session.cookies["PHPSESSID"]
    check_problem(nobody.call("GET", "/v1/auth", params={"PHPSESSID": session}), 401, "unauthenticated")
    bob.session.headers.update(forged)
    assert who(bob) == ("bob", "requester")
    answer = bob.call("GET", "/v1/auth", params=query)
    assert (answer.headers["X-Bellhop-User"], answer.headers["X-Bellhop-Role"]) == ("bob", "requester")


BAD_SESSIONS = {
    "a line break in the user": {"user": "bob\r\nX-Bellhop-Role: admin"},
    "a line break in the name": {"user": "bob", "name": "Bob\nX-Bellhop-Role: admin"},
    "a ticket of two": {"user": "bob", "tickets": ["T-1,T-2"]},
    "a list of all": {"user": "bob", "tickets": ["*"]},
    "a ticket with a line break": {"user": "bob", "tickets": ["T-1\n"]},
    "a role that is none": {"user": "bob", "role": "root"},
    "a user that is a list": {"user": ["bob"]},
    "tickets in a list of lists": {"user": "bob", "tickets": [["T-1"]]},
}


@pytest.mark.parametrize("session", BAD_SESSIONS.values(), ids=BAD_SESSIONS.keys())
def test_a_session_that_could_be_misread_lets_nobody_in(trusting_stack, desk, php, ticket, session):
    browser = Browser(trusting_stack, desk, **session)
    check_problem(browser.get("/v1/auth"), 503, "unavailable")
    assert browser.stream(ticket).wait_named("bye").data["code"] == "unavailable"
    assert "malformed" in php.log() and "X-Bellhop" not in php.log()


@pytest.mark.parametrize("session", [{"user": ""}, {"user": None}, {"role": "admin", "tickets": "*"}])
def test_a_session_without_a_user_is_nobody(trusting_stack, desk, session):
    assert who(Browser(trusting_stack, desk, **session)) == 401


def test_a_number_is_a_user_id_too(trusting_stack, desk):
    assert who(Browser(trusting_stack, desk, user=4711, tickets=[17])) == ("4711", "requester")


def test_a_foreign_page_cannot_use_the_login(trusting_stack, desk, ticket):
    """The browser sends the site's cookie unasked, as it does bellhop's own."""
    bob = Browser(trusting_stack, desk, user="bob", tickets=[ticket])
    for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
        check_problem(bob.send(ticket, "forged", headers=headers), 403, "csrf")
        check_problem(bob.call("GET", f"/v1/tickets/{ticket}/poll?wait=0", headers=headers), 403, "csrf")
        assert bob.stream(ticket, headers=headers).status == 403
    assert bob.history(ticket) == []


def test_tokens_still_count_and_count_first(trusting_stack, desk, ticket):
    bob = Browser(trusting_stack, desk, user="bob")
    token = trusting_stack.site.token("alice")
    for headers in ({"Authorization": f"Bearer {token}"}, {"Cookie": f"{bob.cookies()}; bellhop={token}"}):
        answer = bob.call("GET", "/v1/auth", headers=headers)
        assert answer.headers["X-Bellhop-User"] == "alice"
    for headers in ({"Authorization": "Bearer x"}, {"Cookie": f"{bob.cookies()}; bellhop=x"}):
        check_problem(bob.call("GET", "/v1/auth", headers=headers), 401, "unauthenticated")
    assert Api(trusting_stack.site, token, url=desk.url + "/chat").sent(ticket, "the site itself")["sender_id"] == "alice"


def test_what_needs_no_identity_needs_no_login(trusting_stack, desk):
    nobody = Browser(trusting_stack, desk)
    for path in ("/v1/healthz", "/v1/readyz", "/v1/openapi.yaml"):
        assert nobody.get(path).status_code == 200


def test_the_page_that_is_asked_cannot_be_called(desk):
    check_problem(desk.call(path="/chat/-/auth"), 403, "forbidden")


def test_a_login_that_is_away_is_unavailable(trusting_stack, php, tmp_path, ticket):
    """A page that fails, and one that nobody answers for."""
    php.add("session_auth.php", "<?php http_response_code(500);")
    try:
        with WebServer("nginx", tmp_path, trusting_stack.dir / "run", php) as server:
            browser = Browser(trusting_stack, server)
            check_problem(browser.get("/v1/auth"), 503, "unavailable")
            assert browser.stream(ticket).wait_named("bye").data["code"] == "unavailable"
            php.add("session_auth.php", "<?php header('X-Bellhop-User: root'); http_response_code(403);")
            answer = httpx.get(server.url + "/chat/v1/auth")
            check_problem(answer, 403, "forbidden")
            assert browser.stream(ticket).status == 403
            php.add("session_auth.php", "<?php header('X-Bellhop-User: root'); http_response_code(401);")
            check_problem(browser.get("/v1/auth"), 401, "unauthenticated")
    finally:
        php.add("session_auth.php", SESSION_AUTH)
    away = types.SimpleNamespace(dir=php.dir, socket=tmp_path / "none.sock")
    with WebServer("nginx", tmp_path, trusting_stack.dir / "run", away) as server:
        check_problem(Browser(trusting_stack, server).get("/v1/auth"), 503, "unavailable")


def test_the_session_stays_as_it_is(trusting_stack, desk, php):
    """Asking makes no session, and changes none."""
    before = set((php.dir / "sessions").iterdir())
    assert who(Browser(trusting_stack, desk)) == 401
    assert set((php.dir / "sessions").iterdir()) == before
    bob = Browser(trusting_stack, desk, user="bob")
    (file,) = set((php.dir / "sessions").iterdir()) - before
    text = file.read_text()
    assert who(bob) == ("bob", "requester") and file.read_text() == text


# ---- Apache, lighttpd, and whom they have authenticated


@pytest.fixture(scope="module", params=["apache", "lighttpd"])
def keeper(request, trusting_stack, tmp_path_factory):
    """With the passwords of alice, who is staff there, of bob, and of one whose name is no user id."""
    directory = tmp_path_factory.mktemp("keeper")
    sha = base64.b64encode(hashlib.sha1(b"CHANGE_ME").digest()).decode()
    (directory / "desk.users").write_text("".join(f"{name}:{{SHA}}{sha}\n" for name in ("alice", "bob", "c,d")))
    include = {"apache": "Include {}", "lighttpd": 'include "{}"'}[request.param]
    site = include.format(directory / "included" / "bellhop_auth.conf")
    with WebServer(request.param, directory, trusting_stack.dir / "run", site=site) as server:
        yield server


def with_password(stack, server, name, password="CHANGE_ME"):
    api = Api(stack.site, None, url=server.url + "/chat")
    api.session.auth = (name, password)
    api.session.headers.update({"Origin": ORIGIN, "Sec-Fetch-Site": "same-origin"})
    return api


def test_whoever_has_a_password_sends_and_listens(trusting_stack, keeper, ticket):
    alice, bob = (with_password(trusting_stack, keeper, name) for name in ("alice", "bob"))
    assert (who(alice), who(bob)) == (("alice", "agent"), ("bob", "requester"))
    assert alice.sent(ticket, "from a password")["sender_id"] == "alice"
    headers = {"Authorization": "Basic " + base64.b64encode(b"alice:CHANGE_ME").decode()}
    with Stream(alice, f"/v1/tickets/{ticket}/stream", headers=headers) as stream:
        stream.hello()
        alice.sent(ticket, "and a stream")
        assert stream.wait_messages(1)[0].data["content"] == "and a stream"
    check_problem(bob.get(f"/v1/tickets/{ticket}/messages"), 403, "not_a_participant")
    bob.session.headers["Origin"] = "https://evil.example"
    check_problem(bob.send(ticket, "forged"), 403, "csrf")


def test_whoever_has_none_is_nobody(trusting_stack, keeper, ticket):
    def refused(**options):
        answer = httpx.get(f"{keeper.url}/chat/v1/tickets/{ticket}/stream", timeout=DEADLINE, **options)
        assert answer.status_code == 401
        if keeper.name == "apache" or "Bellhop-Mode" in answer.headers:
            check_problem(answer, 401, "unauthenticated")
        return answer

    assert refused().headers["WWW-Authenticate"].startswith("Basic")
    refused(auth=("bob", "wrong"))
    refused(auth=("root", "CHANGE_ME"))
    refused(auth=("c,d", "CHANGE_ME"))
    for header in ("BELLHOP_USER", "Bellhop-User", "X-Bellhop-User", "Remote-User", "REMOTE_USER"):
        refused(headers={header: "alice"})
    refused(headers={"Authorization": "Bearer x"})
    refused(headers={"Cookie": "bellhop=x"}, auth=("alice", "CHANGE_ME"))
    assert httpx.get(keeper.url + "/chat/v1/healthz").status_code == 200
    token = trusting_stack.site.token("service", role="service")
    assert who(Api(trusting_stack.site, token, url=keeper.url + "/chat")) == ("service", "service")


# ---- what README says about it


def block(kind):
    (text,) = re.findall(rf"^```{kind}\n(.*?)^```$", README, re.S | re.M)
    return text


def test_the_login_of_the_readme(trusting_stack, desk, php):
    php.add("readme_login.php", block("php login"))
    bob = Browser(trusting_stack, desk)
    assert bob.session.get(desk.url + "/readme_login.php", timeout=DEADLINE).status_code == 200
    assert who(bob) == ("bob", "requester")
    assert bob.get("/v1/tickets/T-1/messages").status_code == 200
    check_problem(bob.get("/v1/tickets/T-2/messages"), 403, "not_a_participant")


def test_the_logout_of_the_readme(trusting_stack, desk, php, ticket):
    php.add("readme_logout.php", block("php logout"))
    bob = Browser(trusting_stack, desk, user="bob", tickets=[ticket])
    bob.session.headers["Cookie"] = bob.cookies()
    with bob.stream(ticket) as stream:
        stream.hello()
        answer = bob.session.get(desk.url + "/readme_logout.php", timeout=DEADLINE)
        assert answer.status_code == 200, answer.text
        assert stream.wait_named("bye").data["code"] == "token_revoked"
    assert who(bob) == 401


def test_the_sites_own_locations_can_ask_who_it_is(stack, tmp_path):
    """The other way about: nginx asks bellhop, for something of the site's, whose token it is."""
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "a.txt").write_text("for those whom we know")
    site = block("nginx guard").replace("# …", f'root {tmp_path}; add_header X-Who "$user $role";')
    with WebServer("nginx", tmp_path, stack.dir / "run", site=site) as server:

        def read(token, name="Authorization", path="/files/a.txt?x=y", method="GET", **more):
            value = {"Authorization": f"Bearer {token}", "Cookie": f"bellhop={token}"}[name]
            return server.call(method, path, headers={name: value}, **more)

        token = stack.site.token("alice@example.org")
        for name in ("Authorization", "Cookie"):
            answer = read(token, name)
            assert (answer.text, answer.headers["X-Who"]) == ("for those whom we know", "alice@example.org agent")
        assert read(token, path="/files/none").status_code == 404
        assert read(token, method="POST", content=b"x" * 70_000).status_code == 405, "the body is not bellhop's"
        assert read("x.y.z").status_code == 401 and read("x.y.z", "Cookie").status_code == 401
        answer = server.call("GET", "/files/a.txt", headers={"X-Bellhop-User": "root", "BELLHOP_USER": "root"})
        assert answer.status_code == 401 and answer.headers["WWW-Authenticate"].startswith("Bearer")
        check_problem(server.call(path="/chat/-/whoami"), 403, "forbidden")
