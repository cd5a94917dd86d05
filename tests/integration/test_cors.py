# SPDX-License-Identifier: BSD-2-Clause
"""Pages of other origins: what they may read where the site lets them, and that by default none may anything."""

import pytest
import requests
from client import Stream
from conftest import running_stack

APP = "https://app.example.org"
EVIL = "https://evil.example"
ALLOW = "Access-Control-Allow-"


@pytest.fixture(scope="module", params=["nginx", "lighttpd"])
def open_stack(request):
    env = {"BELLHOP_CORS_ORIGINS": APP, "BELLHOP_LIMIT_CALLS": "1000/10"}
    yield from running_stack(request, server=request.param, env=env)


@pytest.fixture
def open_site(open_stack):
    return open_stack.site


def call(site, method, path, origin=None, token=None, **options):
    headers = options.pop("headers", {})
    if origin:
        headers["Origin"] = origin
    if token:
        headers["Authorization"] = "Bearer " + token
    return requests.request(method, site.url + path, headers=headers, verify=site.ca, timeout=20, **options)


def shared(answer):
    """The CORS headers of an answer."""
    return {name: value for name, value in answer.headers.items() if name.startswith("Access-Control-")}


PATHS = ["/v1/tickets/T-1/messages", "/v1/tickets/T-1/stream", "/v1/stream", "/v1/poll", "/v1/session"]


class TestOn:
    @pytest.mark.parametrize("path", PATHS)
    def test_a_preflight_is_answered_for_what_is_there(self, open_site, path):
        answer = call(
            open_site, "OPTIONS", path, APP,
            headers={"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"},
        )  # fmt: skip
        assert answer.status_code == 204 and not answer.content
        assert answer.headers[ALLOW + "Origin"] == APP
        assert "GET" in answer.headers[ALLOW + "Methods"].split(", ")
        assert {"Authorization", "X-CSRF-Token", "If-Match", "Last-Event-ID"} <= set(
            answer.headers[ALLOW + "Headers"].split(", ")
        )
        assert int(answer.headers["Access-Control-Max-Age"]) > 0
        assert "Origin" in answer.headers["Vary"]
        assert ALLOW + "Credentials" not in answer.headers
        assert answer.headers["X-Request-Id"]

    def test_the_methods_are_those_of_the_path(self, open_site):
        answer = call(open_site, "OPTIONS", "/v1/tickets/T-1/messages", APP)
        assert answer.headers[ALLOW + "Methods"] == "GET, HEAD, POST"
        answer = call(open_site, "OPTIONS", "/v1/tickets/T-1/stream", APP)
        assert answer.headers[ALLOW + "Methods"] == "GET, HEAD"

    def test_what_is_not_there_has_none(self, open_site):
        answer = call(open_site, "OPTIONS", "/v1/elsewhere", APP)
        assert answer.status_code == 404
        assert answer.headers[ALLOW + "Origin"] == APP

    @pytest.mark.parametrize("path", PATHS)
    @pytest.mark.parametrize("origin", [EVIL, "null", APP + "/", APP + ".evil.example", None])
    def test_others_get_nothing(self, open_site, path, origin):
        answer = call(open_site, "OPTIONS", path, origin)
        assert answer.status_code == 405 and answer.headers["Allow"]
        assert shared(answer) == {}

    def test_answers_can_be_read(self, open_site, ticket):
        token = open_site.token("anna")
        sent = call(open_site, "POST", f"/v1/tickets/{ticket}/messages", APP, token, json={"content": "x"})
        for answer, status in (
            (sent, 201),
            (call(open_site, "GET", f"/v1/tickets/{ticket}/messages", APP, token), 200),
            (call(open_site, "GET", f"/v1/tickets/{ticket}/poll", APP, token), 200),
            (call(open_site, "POST", f"/v1/tickets/{ticket}/typing", APP, token, json={"typing": True}), 204),
            (call(open_site, "GET", f"/v1/tickets/{ticket}/messages", APP), 401),
            (call(open_site, "GET", f"/v1/tickets/{ticket}/poll", APP), 401),
            (call(open_site, "GET", f"/v1/tickets/{ticket}/stream", APP), 401),
            (call(open_site, "PUT", "/v1/session", APP, token), 405),
        ):
            assert answer.status_code == status
            assert answer.headers[ALLOW + "Origin"] == APP
            assert "Location" in answer.headers["Access-Control-Expose-Headers"].split(", ")
            assert answer.headers["Vary"] == "Origin"
        assert call(open_site, "GET", "/v1/healthz", EVIL).headers["Vary"] == "Origin"
        assert shared(call(open_site, "GET", f"/v1/tickets/{ticket}/messages", EVIL, token)) == {}
        assert shared(call(open_site, "GET", f"/v1/tickets/{ticket}/poll", EVIL, token)) == {}

    def test_limits_are_told_as_well(self, open_site, ticket):
        token = open_site.token("anna")
        for path in (f"/v1/tickets/{ticket}/messages", f"/v1/tickets/{ticket}/poll"):
            answer = call(open_site, "GET", path, APP, token)
            assert answer.headers["RateLimit"] and answer.headers["RateLimit-Policy"]
            assert answer.headers[ALLOW + "Origin"] == APP

    def test_streams_can_be_read(self, open_site, ticket):
        api = open_site.api("anna")
        path = f"/v1/tickets/{ticket}/stream"
        for origin, expected in ((APP, APP), (EVIL, None)):
            with Stream(api, path, headers={"Origin": origin}) as stream:
                stream.hello()
                assert stream.headers.get(ALLOW + "Origin") == expected
                assert stream.headers["Vary"] == "Origin"

    def test_the_cookie_is_not_theirs_unless_they_may_write_with_it(self, open_site, ticket):
        cookie = {"Cookie": "__Host-bellhop=" + open_site.token("anna")}
        own = open_site.env["BELLHOP_URL"].rsplit("/", 1)[0]
        answer = call(open_site, "GET", "/v1/session", APP, headers=dict(cookie))
        assert ALLOW + "Credentials" not in answer.headers
        # The site's own pages are of no other origin, and not in the list.
        assert shared(call(open_site, "GET", "/v1/session", own, headers=dict(cookie))) == {}
        answer = call(open_site, "POST", f"/v1/tickets/{ticket}/messages", APP, headers=dict(cookie), json={})
        assert (answer.status_code, answer.json()["code"]) == (403, "csrf")
        answer = call(open_site, "GET", f"/v1/tickets/{ticket}/stream", APP, headers=dict(cookie))
        assert (answer.status_code, answer.json()["code"]) == (403, "csrf")


class TestOff:
    """As it is unless set."""

    @pytest.mark.parametrize("path", PATHS)
    def test_there_are_no_preflights(self, site, path):
        for origin in (APP, site.env["BELLHOP_URL"].rsplit("/", 1)[0], None):
            answer = call(site, "OPTIONS", path, origin)
            assert answer.status_code == 405 and answer.headers["Allow"]
            assert shared(answer) == {} and "Vary" not in answer.headers
        assert call(site, "OPTIONS", "/v1/elsewhere", APP).status_code == 404

    def test_and_answers_say_nothing_of_it(self, site, ticket):
        token = site.token("anna")
        for path in (f"/v1/tickets/{ticket}/messages", f"/v1/tickets/{ticket}/poll"):
            answer = call(site, "GET", path, APP, token)
            assert answer.status_code == 200
            assert shared(answer) == {} and "Vary" not in answer.headers
