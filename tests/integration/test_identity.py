# SPDX-License-Identifier: BSD-2-Clause
"""Who is asking: tokens that are refused, cookies, and nothing that passes for an identity."""

import base64
import hashlib
import hmac
import json
import time

import pytest
from client import Api, check_problem


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def raw_token(site, header, claims, key=None):
    """A token of any text, signed with the site's key as HS256."""
    header = header if isinstance(header, bytes) else json.dumps(header).encode()
    claims = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    head = b64(header) + "." + b64(claims)
    return head + "." + b64(hmac.new(key or site.key, head.encode(), hashlib.sha256).digest())


def hs256(site):
    return {"alg": "HS256", "typ": "JWT", "kid": site.kid}


def good(**claims):
    return {"sub": "alice", "exp": int(time.time()) + 600, "role": "agent", "tickets": "*", **claims}


def refused(site, token, code="unauthenticated"):
    answer = Api(site, token).get("/v1/auth")
    check_problem(answer, 401, code)
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_token_made_by_hand_is_taken(site):
    answer = Api(site, raw_token(site, hs256(site), good())).get("/v1/auth")
    assert answer.status_code == 204


def test_the_role_is_requester_unless_said(site):
    claims = good()
    del claims["role"]
    answer = Api(site, raw_token(site, hs256(site), claims)).get("/v1/auth")
    assert answer.headers["X-Bellhop-Role"] == "requester"


BAD_HEADERS = {
    "none": {"alg": "none"},
    "None": {"alg": "None"},
    "another algorithm": {"alg": "HS512"},
    "the key's algorithm is another": {"alg": "EdDSA"},
    "no algorithm": {"alg": None},
    "algorithm a number": {"alg": 256},
    "unknown kid": {"kid": "nobody"},
    "no kid": {"kid": None},
    "kid a list": {"kid": ["main"]},
    "kid a path": {"kid": "../../../../dev/null"},
    "crit": {"crit": ["exp"]},
    "empty crit": {"crit": []},
    "b64": {"crit": ["b64"], "b64": False},
}


@pytest.mark.parametrize("change", BAD_HEADERS.values(), ids=BAD_HEADERS.keys())
def test_a_token_with_a_bad_header_is_refused(site, change):
    header = {name: value for name, value in {**hs256(site), **change}.items() if value is not None}
    refused(site, raw_token(site, header, good()))


BAD_CLAIMS = {
    "no sub": {"sub": None},
    "sub a number": {"sub": 7},
    "sub empty": {"sub": ""},
    "sub of the wrong form": {"sub": "a b"},
    "sub too long": {"sub": "a" * 65},
    "no exp": {"exp": None},
    "exp a string": {"exp": "4000000000"},
    "exp too far ahead": {"exp": int(time.time()) + 40 * 86400},
    "exp endless": {"exp": 1e300},
    "nbf ahead": {"nbf": int(time.time()) + 600},
    "nbf a string": {"nbf": "0"},
    "iat ahead": {"iat": int(time.time()) + 600},
    "role unknown": {"role": "root"},
    "role a list": {"role": ["admin"]},
    "tickets a word": {"tickets": "T-1"},
    "tickets an object": {"tickets": {"T-1": True}},
    "tickets of the wrong form": {"tickets": ["a/b"]},
    "tickets of numbers": {"tickets": [1]},
    "name a number": {"name": 1},
}


@pytest.mark.parametrize("change", BAD_CLAIMS.values(), ids=BAD_CLAIMS.keys())
def test_a_token_with_a_bad_claim_is_refused(site, change):
    claims = {name: value for name, value in good(**change).items() if value is not None}
    refused(site, raw_token(site, hs256(site), claims))


def test_an_expired_token_says_so(site):
    refused(site, raw_token(site, hs256(site), good(exp=int(time.time()) - 120)), "token_expired")


def test_half_a_minute_of_leeway(site):
    token = raw_token(site, hs256(site), good(exp=int(time.time()) - 10))
    assert Api(site, token).get("/v1/auth").status_code == 204


def test_duplicate_claims_and_headers_are_refused(site):
    exp = int(time.time()) + 600
    claims = b'{"sub":"bob","sub":"alice","exp":%d}' % exp
    refused(site, raw_token(site, hs256(site), claims))
    header = b'{"alg":"none","alg":"HS256","kid":"%s"}' % site.kid.encode()
    refused(site, raw_token(site, header, good()))


def test_a_token_not_written_strictly_is_refused(site):
    token = raw_token(site, hs256(site), good())
    head, body, signature = token.split(".")
    for bad in (
        f"{head}.{body}", f"{token}.", f".{body}.{signature}", f"{head}..{signature}", f"{head}.{body}.",
        f"{token}=", f"{head}=.{body}.{signature}", token.replace(".", ". "), token[:-1], token + "A",
        token.swapcase(), head + "." + body + "." + b64(b"\0" * 32), "x", "a.b.c",
        raw_token(site, hs256(site), good(), key=b"another key, just as long as it has to be"),
    ):  # fmt: skip
        refused(site, bad)
    claims = good(filler="x" * 9000)
    refused(site, raw_token(site, hs256(site), claims))


def test_bits_left_over_in_base64_are_refused(site):
    token = raw_token(site, hs256(site), good())
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = letters.index(token[-1])  # 32 bytes leave two unused bits in the last letter
    assert last % 4 == 0
    refused(site, token[:-1] + letters[last + 1])


@pytest.mark.parametrize("value", ["Basic YWxpY2U6eA==", "Bearer", "Bearer ", "Token x", "bearer"])
def test_another_scheme_is_nobody(site, value):
    answer = Api(site, None).call("GET", "/v1/auth", headers={"Authorization": value})
    check_problem(answer, 401, "unauthenticated")


def test_the_scheme_is_spelt_in_any_case(site):
    token = site.token("alice")
    answer = Api(site, None).call("GET", "/v1/auth", headers={"Authorization": "bEARER " + token})
    assert answer.status_code == 204


class TestCookie:
    """The cookie holds the same token; what it may do depends on where the request came from."""

    def cookie(self, site, **claims):
        return "__Host-bellhop=" + site.token("alice", **claims)

    def test_it_reads(self, site, ticket):
        answer = Api(site, None).call(
            "GET", f"/v1/tickets/{ticket}/messages", headers={"Cookie": "a=b; " + self.cookie(site) + "; c=d"}
        )
        assert answer.status_code == 200

    def test_the_plain_name_is_none_over_https(self, site):
        cookie = "bellhop=" + site.token("alice")
        check_problem(Api(site, None).call("GET", "/v1/auth", headers={"Cookie": cookie}), 401, "unauthenticated")

    def test_a_bad_bearer_does_not_fall_back_to_it(self, site):
        headers = {"Authorization": "Bearer x", "Cookie": self.cookie(site)}
        check_problem(Api(site, None).call("GET", "/v1/auth", headers=headers), 401, "unauthenticated")

    @pytest.mark.parametrize(
        "headers",
        [{}, {"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-origin"},
         {"Origin": "null"}, {"X-CSRF-Token": "x", "Sec-Fetch-Site": "same-origin"}],
    )  # fmt: skip
    def test_it_does_not_write_without_proof(self, site, ticket, headers):
        answer = Api(site, None).send(ticket, "x", headers={"Cookie": self.cookie(site), **headers})
        check_problem(answer, 403, "csrf")

    @pytest.mark.parametrize(
        "headers",
        [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"},
         {"Sec-Fetch-Site": "same-site"}],
    )  # fmt: skip
    def test_it_opens_no_stream_for_a_foreign_page(self, site, ticket, headers):
        for route in ("stream", "poll?wait=0"):
            answer = Api(site, None).call(
                "GET", f"/v1/tickets/{ticket}/{route}", headers={"Cookie": self.cookie(site), **headers}
            )
            check_problem(answer, 403, "csrf")

    @pytest.mark.parametrize("headers", [{}, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}])
    def test_it_opens_a_stream_for_the_own_page(self, site, ticket, headers):
        api = Api(site, None)
        with api.stream(ticket, headers={"Cookie": self.cookie(site), **headers}) as stream:
            assert stream.hello()["tickets"].keys() == {ticket}


@pytest.mark.parametrize(
    "headers",
    [
        {"Bellhop-User": "root", "Bellhop-Role": "admin"},
        {"Bellhop_User": "root", "BELLHOP_ROLE": "admin"},
        {"X-Bellhop-User": "root", "X-Bellhop-Role": "admin"},
        {"Remote-User": "root"},
    ],
)
def test_a_header_is_never_an_identity(site, headers):
    check_problem(Api(site, None).call("GET", "/v1/auth", headers=headers), 401, "unauthenticated")


def test_streams_and_polls_refuse_with_real_statuses(site, ticket):
    for route in ("stream", "poll"):
        path = f"/v1/tickets/{ticket}/{route}"
        check_problem(Api(site, None).get(path), 401, "unauthenticated")
        check_problem(Api(site, "x.y.z").get(path), 401, "unauthenticated")
        expired = site.token("alice", ttl=-120)
        check_problem(Api(site, expired).get(path), 401, "token_expired")
        stranger = site.api("bob", role="requester", tickets=["other"])
        check_problem(stranger.get(path), 403, "not_a_participant")
