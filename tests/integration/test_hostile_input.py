# SPDX-License-Identifier: BSD-2-Clause
"""
The collections of tests/hostile/ against a running site: each of their inputs is taken or refused with the code that
its line says, and nothing of what was refused is there afterwards.
"""

import time

import collection
import hostile
import pytest
from client import Api, check_problem
from test_identity import b64, hs256, raw_token


@pytest.fixture(autouse=True, scope="module")
def unharmed(stack):
    before = hostile.processes(stack)
    yield
    assert hostile.processes(stack) == before


def post(api, ticket, body):
    headers = {"Content-Type": "application/json"}
    return api.call("POST", f"/v1/tickets/{ticket}/messages", data=body, headers=headers)


def test_json(site, ticket):
    api = site.api("alice", role="service")
    sent = []
    for number, outcome, body in collection.rows("json.txt"):
        answer = post(api, ticket, body)
        if outcome == "ok":
            assert answer.status_code == 201, f"line {number}: {answer.text}"
            sent.append(answer.json()["content"])
        else:
            found = (answer.status_code, answer.json().get("code"))
            assert found == (400, outcome), f"line {number}: {answer.text}"
    assert len(sent) > 50
    assert [message["content"] for message in api.history(ticket)] == sent


def test_utf8(site, ticket):
    """In a message's text, in a title, and in a name of an unknown member."""
    api = site.api("alice", role="service")
    codes = {"bad": "bad_json", "control": "invalid_field"}
    sent = []
    for number, outcome, text in collection.rows("utf8.txt"):
        # Control characters have to be escaped in JSON; everything else is sent as it is.
        inner = b"".join(b"\\u%04x" % byte if byte < 32 else bytes([byte]) for byte in text)
        answer = post(api, ticket, b'{"content": "a' + inner + b'b"}')
        title = api.call(
            "PUT", f"/v1/tickets/{ticket}", data=b'{"title": "' + inner + b'"}', headers={"Content-Type": "application/json"}
        )
        unknown = post(api, f"{ticket}-names", b'{"content": "x", "' + inner + b'": 1}')
        if outcome == "ok":
            assert answer.status_code == 201, f"line {number}: {answer.text}"
            assert answer.json()["content"].encode() == b"a" + text + b"b"
            assert unknown.status_code == 201, f"line {number}: {unknown.text}"
            sent.append(answer.json()["content"])
        else:
            assert (answer.status_code, answer.json()["code"]) == (400, codes[outcome]), f"line {number}: {answer.text}"
            assert (title.status_code, title.json()["code"]) == (400, codes[outcome]), f"line {number}: {title.text}"
            assert unknown.status_code == (400 if outcome == "bad" else 201), f"line {number}: {unknown.text}"
    assert [message["content"] for message in api.history(ticket)] == sent


def test_utf8_in_a_query(site, ticket):
    api = site.api("alice")
    for number, outcome, text in collection.rows("utf8.txt"):
        quoted = "".join(f"%{byte:02x}" for byte in text)
        for query in (f"limit={quoted}", f"before=5{quoted}"):
            assert api.call("GET", f"/v1/tickets/{ticket}/messages?{query}").status_code == 400, f"line {number}"
        unknown = api.call("GET", f"/v1/tickets/{ticket}/messages?limit=5&x{quoted}=1")
        assert unknown.status_code in ((400,) if outcome == "bad" else (200, 400)), f"line {number}: {unknown.text}"
        # An id has other characters than these.
        path = f"/v1/tickets/{ticket}{quoted}/messages"
        assert api.call("GET", path).status_code == (200 if text == b"plain" else 404), f"line {number}"


def filled(text, site):
    now = int(time.time())
    values = {b"KID": site.kid, b"NOW": now, b"EXP": now + 3600, b"PAST": now - 3600, b"FAR": now + 40 * 86400}
    for name, value in values.items():
        text = text.replace(b"%" + name + b"%", str(value).encode())
    return text


def auth(site, token):
    """The status and code of a call with this token, by the api and by push."""
    answers = [Api(site, token).get("/v1/auth"), Api(site, token).call("GET", "/v1/tickets/T-1/poll?wait=0")]
    found = {(answer.status_code < 300, answer.json()["code"] if answer.status_code == 401 else "ok") for answer in answers}
    # Who is no participant may not poll, but is somebody.
    return {code for _, code in found}


def test_tokens(site):
    for number, outcome, header, claims in collection.rows("jwt.txt"):
        token = raw_token(site, filled(header, site), filled(claims, site))
        assert auth(site, token) == {outcome}, f"line {number}"


def variants(token):
    """The same token otherwise written: none of it is the token."""
    head, claims, signature = token.split(".")
    last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    # 32 bytes leave two bits of the last character unused.
    other = last[last.index(signature[-1]) ^ 1]
    return {
        "padded": f"{head}.{claims}.{signature}=",
        "padded inside": f"{head}=.{claims}.{signature}",
        "unused bits": f"{head}.{claims}.{signature[:-1]}{other}",
        "no signature": f"{head}.{claims}.",
        "no signature, no dot": f"{head}.{claims}",
        "signature cut": f"{head}.{claims}.{signature[:-1]}",
        "signature twice": f"{head}.{claims}.{signature}{signature}",
        "a fourth part": f"{head}.{claims}.{signature}.{signature}",
        "five parts": f"{head}..{claims}.{signature}.{signature}",
        "empty header": f".{claims}.{signature}",
        "empty claims": f"{head}..{signature}",
        "dots": "..",
        "many dots": "." * 500,
        "a space inside": f"{head}. {claims}.{signature}",
        "a tab inside": f"{head}.{claims}\t.{signature}",
        "plus and slash": f"{head}.{claims}.{'+/' * 21}A",
        "swapped": f"{claims}.{head}.{signature}",
        "quoted": f'"{token}"',
        "percent": f"{head}.{claims}.%{signature[1:]}",
        "too long": f"{head}.{claims}.{'A' * 8000}",
        "not base64url": f"{head}.{claims}.ä{signature[1:]}".encode("utf-8").decode("latin-1"),
    }


def test_one_token_is_written_in_one_way(site):
    token = site.token("alice")
    assert auth(site, token) == {"ok"}
    for name, variant in variants(token).items():
        assert auth(site, variant) == {"unauthenticated"}, name


def test_keys_that_are_not_the_sites(site):
    """Signed with what an attacker may know: nothing, the key's name, a key of the token's own."""
    claims = b'{"sub":"alice","exp":%d,"role":"admin","tickets":"*"}' % (time.time() + 600)
    for key in (b"\0", b"\0" * 32, site.kid.encode(), b"secret", site.key + b"\n", site.key[:-1], b64(site.key).encode()):
        assert auth(site, raw_token(site, hs256(site), claims, key=key)) == {"unauthenticated"}, key


def test_the_scheme_is_bearer(site):
    token = site.token("alice")
    api = Api(site, None)
    for value in (token, f"bearer{token}", f"Basic {token}", f"Bearer {token} {token}", f"Bearer {token},", f"Bearer\t\t{token}x",
                  "Bearer", "Bearer ", f"Token {token}", f"Bearer {token}; x=y"):  # fmt: skip
        check_problem(api.call("GET", "/v1/auth", headers={"Authorization": value}), 401, "unauthenticated")
