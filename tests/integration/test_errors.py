# SPDX-License-Identifier: BSD-2-Clause
"""Every error of these calls is the problem document that the contract names, and loses nothing."""

import json

import fcgi_client as fcgi
import pytest
from client import Api, check_problem

BAD_BODIES = {
    "syntax": b'{"content": "x"',
    "not an object": b'["content"]',
    "empty": b"",
    "trailing bytes": b'{"content": "x"} y',
    "two documents": b'{"content": "x"}{"content": "y"}',
    "duplicate key": b'{"content": "x", "content": "y"}',
    "duplicate unknown key": b'{"content": "x", "a": 1, "a": 2}',
    "deep nesting": b'{"content": "x", "a": ' + b"[" * 17 + b"]" * 17 + b"}",
    "very deep nesting": b'{"content": "x", "a": ' + b"[" * 5000 + b"]" * 5000 + b"}",
    "overlong utf-8": b'{"content": "\xc0\xaf"}',
    "surrogate as utf-8": b'{"content": "\xed\xa0\x80"}',
    "cut utf-8": b'{"content": "\xe2\x82"}',
    "above U+10FFFF": b'{"content": "\xf4\x90\x80\x80"}',
    "bad utf-8 in an unknown key": b'{"content": "x", "\xff": 1}',
    "nul escape": b'{"content": "a\\u0000b"}',
    "lone surrogate": b'{"content": "\\ud800"}',
    "swapped surrogates": b'{"content": "\\udc00\\ud800"}',
    "nan": b'{"content": "x", "a": NaN}',
    "comment": b'{"content": "x" /* y */}',
    "raw newline in a string": b'{"content": "a\nb"}',
    "single quotes": b"{'content': 'x'}",
    "byte order mark": b'\xef\xbb\xbf{"content": "x"}',
}

BAD_FIELDS = {
    "content missing": ({}, "/content"),
    "content null": ({"content": None}, "/content"),
    "content a number": ({"content": 7}, "/content"),
    "content empty": ({"content": ""}, "/content"),
    "content too long": ({"content": "a" * 16385}, "/content"),
    "content too long in bytes": ({"content": "é" * 8193}, "/content"),
    "content with a control character": ({"content": "a\u0007b"}, "/content"),
    "content with escape": ({"content": "\u001b[31m"}, "/content"),
    "content with delete": ({"content": "a\u007fb"}, "/content"),
    "kind unknown": ({"content": "x", "kind": "shout"}, "/kind"),
    "kind system": ({"content": "x", "kind": "system"}, "/kind"),
    "kind a number": ({"content": "x", "kind": 1}, "/kind"),
    "id too long": ({"content": "x", "client_msg_id": "a" * 65}, "/client_msg_id"),
    "id empty": ({"content": "x", "client_msg_id": ""}, "/client_msg_id"),
    "id with a space before": ({"content": "x", "client_msg_id": "ä"}, "/client_msg_id"),
    "id an object": ({"content": "x", "client_msg_id": {}}, "/client_msg_id"),
}


def post(api, ticket, body, media_type="application/json"):
    headers = {"Content-Type": media_type} if media_type else {}
    return api.call("POST", f"/v1/tickets/{ticket}/messages", data=body, headers=headers)


@pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES.keys())
def test_a_body_that_is_not_clean_json_is_refused(site, ticket, body):
    api = site.api("alice")
    problem = check_problem(post(api, ticket, body))
    assert problem["status"] == 400 and problem["code"] in ("bad_json", "invalid_field")
    assert problem["code"] == "bad_json" or body == BAD_BODIES["not an object"]
    assert api.history(ticket) == []


@pytest.mark.parametrize("fields,pointer", BAD_FIELDS.values(), ids=BAD_FIELDS.keys())
def test_a_wrong_field_is_named(site, ticket, fields, pointer):
    api = site.api("alice")
    problem = check_problem(post(api, ticket, json.dumps(fields).encode()), 400, "invalid_field")
    assert pointer in [error["pointer"] for error in problem["errors"]]
    assert all(error["message"] for error in problem["errors"])
    assert api.history(ticket) == []


def test_unknown_keys_are_ignored_and_nesting_of_sixteen_is_taken(site, ticket):
    body = b'{"content": "x", "a": ' + b"[" * 15 + b"]" * 15 + b"}"
    assert post(site.api("alice"), ticket, body).status_code == 201


def test_escapes_decode(site, ticket):
    body = rb'{"content": "\u00e4\ud83d\ude00\/\\\"\n\t"}'
    assert post(site.api("alice"), ticket, body).json()["content"] == 'ä😀/\\"\n\t'


def test_a_body_too_large_is_refused_before_it_is_read(site, ticket):
    api = site.api("alice")
    check_problem(post(api, ticket, b"x" * 66000), 413, "too_large")
    filler = b" " * (65536 - 16)
    assert post(api, ticket, b'{"content": "x"}' + filler).status_code == 201


def test_a_service_may_send_a_larger_body(site, ticket):
    """16 KiB of text as escapes alone are 96 KiB."""
    service = site.api("host", role="service")
    body = b'{"content": "' + rb"\u0041" * 16384 + b'"}'
    assert post(service, ticket, body).json()["content"] == "A" * 16384
    check_problem(post(service, ticket, body + b" " * 1_048_576), 413, "too_large")
    check_problem(post(site.api("alice"), ticket, body), 413, "too_large")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", None])
def test_another_media_type_is_refused(site, ticket, kind):
    check_problem(post(site.api("alice"), ticket, b'{"content": "x"}', kind), 415,
                  "unsupported_media_type")  # fmt: skip


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "Application/JSON"])
def test_json_is_taken_however_it_is_spelt(site, ticket, kind):
    assert post(site.api("alice"), ticket, b'{"content": "x"}', kind).status_code == 201


@pytest.mark.parametrize(
    "path",
    [
        "/", "/v1", "/v1/", "/v1/nothing", "/v2/tickets/T/messages", "/v1/ticket", "/v1/tickets//messages",
        "/v1/tickets/T/messages/0x1", "/v1/tickets/T/messages/-1", "/v1/tickets/T/messages/0",
        "/v1/tickets/T/messages/1/", "/v1/tickets/T/messages/99999999999999999999", "/v1/tickets/T/messages/01",
        "/v1/tickets/.hidden/messages", "/v1/tickets/%2e%2e/messages", "/v1/tickets/a%2Fb/messages",
        "/v1/tickets/a%20b/messages", "/v1/tickets/%C3%A4/messages",
        "/v1/tickets/" + "x" * 65 + "/messages", "/v1/tickets/a%/messages",
    ],
)  # fmt: skip
def test_what_is_not_there_is_404(site, path):
    check_problem(site.api("alice").get(path), 404, "not_found")


def test_a_nul_in_a_path_is_404(stack):
    """nginx refuses it before bellhop sees it, other web servers do not."""
    for socket, path in (("api", "/chat/v1/tickets/a%00b/messages"), ("push", "/chat/v1/tickets/a%00b/stream")):
        answer = fcgi.call(str(stack.dir / "run" / f"{socket}.sock"), "GET", path, stack.site.token("alice"))
        assert (answer.status, answer.json()["code"]) == (404, "not_found")


def test_a_body_that_even_the_web_server_refuses(site, ticket):
    answer = site.api("alice").session.post(f"{site.url}/v1/tickets/{ticket}/messages", data=b"x" * 3_000_000)
    check_problem(answer, 413, "too_large")


def test_a_segment_may_be_encoded(site, ticket):
    api = site.api("alice")
    api.sent(ticket, "x")
    encoded = ticket.replace("-", "%2D")
    assert api.get(f"/v1/tickets/{encoded}/messages").json()["messages"][0]["ticket_id"] == ticket


@pytest.mark.parametrize(
    "method,path,allow",
    [
        ("PUT", "/v1/tickets/T/messages", {"GET", "POST", "HEAD"}),
        ("DELETE", "/v1/tickets/T/messages", {"GET", "POST", "HEAD"}),
        ("GET", "/v1/tickets/T/system-messages", {"POST"}),
        ("POST", "/v1/healthz", {"GET", "HEAD"}),
        ("POST", "/v1/tickets/T/stream", {"GET", "HEAD"}),
        ("POST", "/v1/tickets/T/poll", {"GET", "HEAD"}),
    ],
)
def test_another_method_is_405_and_told_which(site, method, path, allow):
    answer = site.api("alice").call(method, path, json={})
    check_problem(answer, 405, "method_not_allowed")
    allowed = {word.strip() for word in answer.headers["Allow"].split(",")}
    assert allowed - {"HEAD"} == allow - {"HEAD"}


@pytest.mark.parametrize(
    "query",
    [
        "limit=0", "limit=201", "limit=x", "limit=", "limit=1.5", "limit=%31%30%00", "before=-1", "before=x",
        "before=1&after=2", "around=1&before=2", "limit=5&limit=6", "after=99999999999999999999", "before=%zz",
        "limit=%ff",
    ],
)  # fmt: skip
def test_a_query_that_makes_no_sense_is_refused(site, ticket, query):
    check_problem(site.api("alice").get(f"/v1/tickets/{ticket}/messages?{query}"), 400, "invalid_field")


@pytest.mark.parametrize("query", ["wait=56", "wait=-1", "wait=x", "since=1", "init=201", "ephemeral=2"])
def test_a_poll_that_makes_no_sense_is_refused(site, ticket, query):
    check_problem(site.api("alice").get(f"/v1/tickets/{ticket}/poll?{query}"), 400, "invalid_field")


def test_a_message_that_is_not_there(site, ticket):
    api = site.api("alice")
    check_problem(api.get(f"/v1/tickets/{ticket}/messages/1"), 404, "not_found")
    api.sent(ticket, "x")
    check_problem(api.get(f"/v1/tickets/{ticket}/messages/2"), 404, "not_found")


def test_head_is_get_without_a_body(site, ticket):
    api = site.api("alice")
    api.sent(ticket, "x")
    answer = api.call("HEAD", f"/v1/tickets/{ticket}/messages")
    assert answer.status_code == 200 and answer.content == b""


class TestHealth:
    def test_healthz_needs_nobody(self, site):
        assert Api(site, None).get("/v1/healthz").status_code == 200

    def test_readyz_tells_the_state_of_the_stores(self, site):
        answer = Api(site, None).get("/v1/readyz")
        assert answer.status_code == 200
        state = answer.json()
        assert state["mode"] == "full"
        assert {"mode", "redis", "postgres", "archive"} <= set(state)
        assert {"lag_events", "lag_seconds", "spooled"} <= set(state["archive"])

    def test_redis_health_is_for_staff(self, site):
        state = site.api("alice").get("/v1/health/redis").json()
        assert state["status"] == "connected"
        assert state["uptime"] >= 0 and state["connected_clients"] >= 1 and state["used_memory"] > 0
        check_problem(site.api("bob", role="requester").get("/v1/health/redis"), 403, "forbidden")
        check_problem(Api(site, None).get("/v1/health/redis"), 401, "unauthenticated")

    def test_auth_answers_a_web_server(self, site):
        answer = site.api("alice", role="agent").get("/v1/auth")
        assert answer.status_code == 204 and answer.content == b""
        assert (answer.headers["X-Bellhop-User"], answer.headers["X-Bellhop-Role"]) == ("alice", "agent")
        check_problem(Api(site, None).get("/v1/auth"), 401, "unauthenticated")


def test_a_request_id_is_kept_or_made(site):
    api = Api(site, None)
    first, second = (api.get("/v1/healthz").headers["X-Request-Id"] for _ in range(2))
    assert first != second
