# SPDX-License-Identifier: BSD-2-Clause
"""Sessions: a token as a cookie that scripts cannot read, how it is renewed, and how it ends."""

import calendar
import time
import urllib.parse
import uuid

import pytest
from client import Api, check_problem, until

EVIL = "https://evil.example"


@pytest.fixture
def user():
    return f"user-{uuid.uuid4().hex[:12]}"


class Page:
    """A page of the site in a browser that has no token, only what Set-Cookie has left it with."""

    def __init__(self, site, url=None):
        self.site = site
        self.url = url or site.url
        self.cookie = None
        self.csrf = None
        parts = urllib.parse.urlsplit(self.url)
        self.origin = f"{parts.scheme}://{parts.netloc}"

    def call(self, method, path, token=None, **options):
        headers = options.pop("headers", {})
        if self.cookie and "Cookie" not in headers:
            headers = {**headers, "Cookie": self.cookie}
        api = Api(self.site, token, url=self.url)
        api.session.cookies.set_policy(NO_COOKIES)
        answer = api.call(method, path, headers=headers, **options)
        if "Set-Cookie" in answer.headers:
            name, value, self.attributes = cookie_of(answer)
            self.cookie = f"{name}={value}" if value else None
        if answer.status_code == 200 and "csrf_token" in answer.text:
            self.csrf = answer.json()["csrf_token"]
        return answer

    def write(self, method, path, **options):
        """As its scripts do it."""
        headers = {"Origin": self.origin, "X-CSRF-Token": self.csrf or "", **options.pop("headers", {})}
        return self.call(method, path, headers=headers, **options)

    def login(self, token):
        answer = self.call("POST", "/v1/session", token=token)
        assert answer.status_code == 200, answer.text
        return answer

    def refresh(self, token, **options):
        return self.call("POST", "/v1/session/refresh", token=token, **options)

    def stream(self, ticket, **options):
        headers = {"Cookie": self.cookie, "Sec-Fetch-Site": "same-origin"}
        return Api(self.site, None, url=self.url).stream(ticket, headers=headers, **options)


class NoCookies:
    """requests keeps no cookie of its own: the page says what is sent."""

    netscape, rfc2965, hide_cookie2 = True, False, False

    def set_ok(self, *_):
        return False

    def return_ok(self, *_):
        return False

    def domain_return_ok(self, *_):
        return False

    def path_return_ok(self, *_):
        return False


NO_COOKIES = NoCookies()


def cookie_of(answer):
    """(name, value, {attribute: value}) of its Set-Cookie."""
    first, *rest = [part.strip() for part in answer.headers["Set-Cookie"].split(";")]
    name, _, value = first.partition("=")
    attributes = dict((part.split("=", 1) + [None])[:2] for part in rest)
    return name, value, attributes


def longest_tokens(site, user):
    """An agent's for all tickets: the longest that a browser keeps as a cookie, and the next longer one."""
    fits = None
    for size in range(2000, 4096):
        token = site.token(user, filler="x" * size)
        if len("__Host-bellhop=" + token) > 4096:
            return fits, token
        fits = token
    raise AssertionError("tokens do not grow")


def seconds(text):
    return calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%S.000Z"))


@pytest.fixture
def page(site):
    return Page(site)


def admin(site):
    return site.api("root", "admin")


class TestBegin:
    def test_what_it_answers_and_sets(self, site, page, user):
        exp = int(time.time()) + 600
        token = site.token(user, "agent", exp=exp)
        answer = page.login(token)
        body = answer.json()
        assert (body["user_id"], body["role"]) == (user, "agent")
        assert seconds(body["expires_at"]) == exp
        assert len(body["csrf_token"]) == 43
        name, value, attributes = cookie_of(answer)
        assert (name, value) == ("__Host-bellhop", token)
        assert attributes.keys() == {"Path", "Max-Age", "Secure", "HttpOnly", "SameSite"}
        assert (attributes["Path"], attributes["SameSite"]) == ("/", "Strict")
        assert 540 < int(attributes["Max-Age"]) <= 600

    def test_without_tls_it_is_the_plain_cookie(self, site, user):
        plain = Page(site, site.plain_url)
        plain.login(site.token(user))
        assert plain.cookie.startswith("bellhop=")
        assert "Secure" not in plain.attributes
        assert plain.call("GET", "/v1/session").json()["user_id"] == user

    def test_the_cookie_reads_and_writes(self, site, page, ticket, user):
        page.login(site.token(user))
        path = f"/v1/tickets/{ticket}/messages"
        assert page.write("POST", path, json={"content": "by cookie"}).status_code == 201
        assert page.call("GET", path).json()["messages"][0]["sender_id"] == user
        with page.stream(ticket, init=1) as stream:
            stream.wait_messages(1)

    def test_a_foreign_page_does_not_write(self, site, page, ticket, user):
        page.login(site.token(user))
        path = f"/v1/tickets/{ticket}/messages"
        for headers in ({"Origin": EVIL}, {"X-CSRF-Token": "x"}, {"X-CSRF-Token": ""}, {"Origin": "null"}):
            check_problem(page.write("POST", path, json={"content": "x"}, headers=headers), 403, "csrf")
        other = Page(site)
        other.login(site.token("anna"))
        headers = {"X-CSRF-Token": other.csrf}
        check_problem(page.write("POST", path, json={"content": "x"}, headers=headers), 403, "csrf")

    def test_it_needs_neither_origin_nor_csrf_token(self, site, page, user):
        headers = {"Origin": EVIL, "Sec-Fetch-Site": "cross-site"}
        assert page.call("POST", "/v1/session", token=site.token(user), headers=headers).status_code == 200

    def test_nothing_but_a_bearer_token_begins_one(self, site, page, user):
        check_problem(page.call("POST", "/v1/session"), 401, "unauthenticated")
        page.login(site.token(user))
        for call in ("/v1/session", "/v1/session/refresh"):
            check_problem(page.call("POST", call), 401, "unauthenticated")
            check_problem(page.write("POST", call), 401, "unauthenticated")

    def test_a_token_that_is_not_good_begins_none(self, site, page, user):
        check_problem(page.call("POST", "/v1/session", token="x.y.z"), 401, "unauthenticated")
        check_problem(page.call("POST", "/v1/session", token=site.token(user, ttl=-60)), 401, "token_expired")
        # It is still taken for a while, but there is nothing of it left.
        check_problem(page.call("POST", "/v1/session", token=site.token(user, ttl=-10)), 401, "token_expired")
        token = site.token(user, jti=user)
        admin(site).call("POST", "/v1/revocations", json={"jti": user})
        answer = until(
            lambda: page.call("POST", "/v1/session", token=token), lambda a: a.status_code == 401, "the refusal"
        )
        check_problem(answer, 401, "token_revoked")
        assert "Set-Cookie" not in answer.headers

    def test_a_token_that_no_browser_would_keep_is_refused(self, site, page, user):
        fits, token = longest_tokens(site, user)
        assert page.call("POST", "/v1/session", token=fits).status_code == 200
        assert page.call("GET", "/v1/session").status_code == 200
        check_problem(page.call("POST", "/v1/session", token=token), 400, "bad_request")
        check_problem(page.refresh(token), 400, "bad_request")


class TestRead:
    def test_the_same_facts_again(self, site, page, user):
        facts = page.login(site.token(user, "requester")).json()
        answer = page.call("GET", "/v1/session", headers={"Sec-Fetch-Site": "same-origin"})
        assert answer.status_code == 200
        assert answer.json() == facts
        assert "Set-Cookie" not in answer.headers

    def test_without_a_cookie_there_is_none(self, site, page, user):
        check_problem(page.call("GET", "/v1/session"), 401, "unauthenticated")
        check_problem(page.call("GET", "/v1/session", token=site.token(user)), 401, "unauthenticated")

    def test_the_cookie_s_beside_a_bearer_token(self, site, page, user):
        facts = page.login(site.token(user)).json()
        assert page.call("GET", "/v1/session", token=site.token("anna")).json() == facts
        check_problem(page.call("GET", "/v1/session", token="x.y.z"), 401, "unauthenticated")

    def test_a_cookie_that_is_not_good(self, site, page, user):
        page.cookie = "__Host-bellhop=" + site.token(user, ttl=-60)
        check_problem(page.call("GET", "/v1/session"), 401, "token_expired")
        check_problem(page.call("GET", "/v1/session", token=site.token("anna")), 401, "token_expired")
        page.cookie = "__Host-bellhop=x"
        check_problem(page.call("GET", "/v1/session"), 401, "unauthenticated")


class TestEnd:
    def end(self, page, **options):
        return page.write("DELETE", "/v1/session", **options)

    @pytest.mark.parametrize("jti", ["", None], ids=["with jti", "without jti"])
    def test_it_revokes_the_token_and_clears_the_cookie(self, site, page, ticket, user, jti):
        token = site.token(user, jti=user if jti is not None else None)
        other = site.token(user, jti=f"other-{user}")
        page.login(token)
        before = page.cookie
        stream, kept = page.stream(ticket), site.api(user, jti=f"kept-{user}").stream(ticket)
        stream.hello()
        kept.hello()
        answer = self.end(page)
        assert answer.status_code == 204
        name, value, attributes = cookie_of(answer)
        assert (name, value, attributes["Max-Age"]) == ("__Host-bellhop", "", "0")
        assert attributes.keys() == {"Path", "Max-Age", "Secure", "HttpOnly", "SameSite"}
        assert stream.wait_named("bye").data["code"] == "token_revoked"
        for call in (
            lambda: Api(site, token).get(f"/v1/tickets/{ticket}/messages"),
            lambda: Api(site, token).get(f"/v1/tickets/{ticket}/poll"),
            lambda: page.call("GET", "/v1/session", headers={"Cookie": before}),
        ):
            refused = until(call, lambda answer: answer.status_code == 401, "the refusal")
            check_problem(refused, 401, "token_revoked")
        assert Api(site, other).get("/v1/auth").status_code == 204
        assert not kept.named("bye")
        kept.close()

    def test_it_is_remembered_no_longer_than_the_token_can_be_good(self, stack, site, page, user):
        for days in (0, 5):
            jti = f"{user}-{days}"
            page.login(site.token(user, ttl=days * 86400 + 3600, jti=jti))
            assert self.end(page).status_code == 204
            (kept,) = stack.sql(
                "SELECT extract(epoch FROM expires_at - revoked_at) FROM bellhop.revocation WHERE jti = %s", jti
            )[0]
            assert (days + 1) * 86400 <= kept <= (days + 2) * 86400

    def test_it_takes_what_every_write_by_cookie_takes(self, site, page, user):
        token = site.token(user)
        page.login(token)
        for headers in ({"Origin": EVIL}, {"X-CSRF-Token": "x"}, {"Origin": "null"}):
            answer = self.end(page, headers=headers)
            check_problem(answer, 403, "csrf")
            assert "Set-Cookie" not in answer.headers
        check_problem(page.call("DELETE", "/v1/session"), 403, "csrf")
        assert Api(site, token).get("/v1/auth").status_code == 204

    def test_what_is_over_already_is_ended_all_the_same(self, stack, site, page, user):
        page.login(site.token(user, jti=user))
        before = page.cookie
        assert self.end(page).status_code == 204

        def rows():
            return stack.sql("SELECT count(*) FROM bellhop.revocation WHERE jti = %s", user)[0][0]

        until(
            lambda: page.call("GET", "/v1/session", headers={"Cookie": before}),
            lambda answer: answer.status_code == 401,
            "the refusal",
        )
        expired = "__Host-bellhop=" + site.token(user, ttl=-60)
        for cookie in (before, expired, "__Host-bellhop=x", f"{before}; {before}"):
            # A worker that does not know of the end yet takes it for a session, which needs its CSRF token.
            answer = until(
                lambda cookie=cookie: self.end(page, headers={"Cookie": cookie, "X-CSRF-Token": ""}),
                lambda answer: answer.status_code == 204,
                "the end",
            )
            assert cookie_of(answer)[1:2] == ("",)
            check_problem(self.end(page, headers={"Cookie": cookie, "Origin": EVIL}), 403, "csrf")
        for cookie in ({}, {"Cookie": "other=1"}):
            check_problem(Page(site).call("DELETE", "/v1/session", headers=cookie), 401, "unauthenticated")
        assert rows() == 1

    def test_a_bearer_token_ends_the_session_beside_it_and_else_itself(self, site, page, user):
        cookie, bearer = site.token(user, jti=f"c-{user}"), site.token(user, jti=f"b-{user}")
        page.login(cookie)
        assert page.call("DELETE", "/v1/session", token=bearer).status_code == 204
        until(lambda: Api(site, cookie).get("/v1/auth"), lambda answer: answer.status_code == 401, "the refusal")
        assert Api(site, bearer).get("/v1/auth").status_code == 204
        assert page.call("DELETE", "/v1/session", token=bearer).status_code == 204
        until(lambda: Api(site, bearer).get("/v1/auth"), lambda answer: answer.status_code == 401, "the refusal")
        check_problem(page.call("DELETE", "/v1/session", token="x.y.z"), 401, "unauthenticated")

    def test_it_can_be_said_again_once_postgres_is_back(self, breakable, user):
        site = breakable.site
        page = Page(site)
        page.login(site.token(user))
        before = page.cookie
        breakable.stop("postgres")
        answer = until(lambda: self.end(page), lambda answer: answer.status_code != 204, "503")
        check_problem(answer, 503, "unavailable")
        assert "Set-Cookie" not in answer.headers
        breakable.start()
        answer = until(lambda: self.end(page), lambda answer: answer.status_code == 204, "204")
        until(
            lambda: page.call("GET", "/v1/session", headers={"Cookie": before}),
            lambda answer: answer.status_code == 401,
            "the refusal",
        )


class TestRefresh:
    def test_the_cookie_holds_the_fresh_token(self, site, page, user):
        first = page.login(site.token(user, "requester", ttl=600)).json()
        token = site.token(user, "agent", ttl=1200)
        answer = page.refresh(token)
        assert answer.status_code == 200
        assert page.cookie == "__Host-bellhop=" + token
        body = answer.json()
        assert (body["user_id"], body["role"]) == (user, "agent")
        assert seconds(body["expires_at"]) > seconds(first["expires_at"])
        assert body["csrf_token"] != first["csrf_token"]
        assert page.call("GET", "/v1/session").json() == body

    def test_another_user_s_token_does_not_take_its_place(self, site, page, user):
        page.login(site.token(user))
        before = page.cookie
        answer = page.refresh(site.token("anna"))
        check_problem(answer, 403, "forbidden")
        assert page.cookie == before and "Set-Cookie" not in answer.headers
        check_problem(page.refresh(site.token("anna"), json={"jti": "x"}), 403, "forbidden")

    def test_without_a_session_it_begins_one(self, site, page, user):
        for cookie in (None, "__Host-bellhop=x", "__Host-bellhop=" + site.token("anna", ttl=-60)):
            page.cookie = cookie
            assert page.refresh(site.token(user)).status_code == 200
            assert page.call("GET", "/v1/session").json()["user_id"] == user

    @pytest.mark.parametrize("body", [{"jti": 1}, {"jti": ""}, {"jti": "x" * 129}, {"jti": "\u00a7"}], ids=str)
    def test_bad_bodies(self, site, page, user, body):
        check_problem(page.refresh(site.token(user), json=body), 400, "invalid_field")

    def test_a_body_that_is_none(self, site, page, user):
        token = site.token(user)
        json_type = {"Content-Type": "application/json"}
        check_problem(page.refresh(token, data="{", headers=json_type), 400, "bad_json")
        check_problem(page.refresh(token, data="[]", headers=json_type), 400, "invalid_field")
        check_problem(
            page.refresh(token, data="{}", headers={"Content-Type": "text/plain"}), 415, "unsupported_media_type"
        )
        assert page.refresh(token, data="{}", headers=json_type).status_code == 200
        assert page.refresh(token, json={"jti": None}).status_code == 200
        assert page.refresh(token).status_code == 200


def test_the_whole_way_through_lighttpd(lighttpd_stack, ticket, user):
    """It passes the cookie, the header and the origin on, and lets the largest cookie through."""
    site = lighttpd_stack.site
    page = Page(site)
    page.login(longest_tokens(site, user)[0])
    assert page.call("GET", "/v1/session").json()["user_id"] == user
    path = f"/v1/tickets/{ticket}/messages"
    assert page.write("POST", path, json={"content": "by cookie"}).status_code == 201
    check_problem(page.write("POST", path, json={"content": "x"}, headers={"Origin": EVIL}), 403, "csrf")
    with page.stream(ticket, init=1) as stream:
        stream.wait_messages(1)
        assert page.write("DELETE", "/v1/session").status_code == 204
        assert stream.wait_named("bye").data["code"] == "token_revoked"
