# SPDX-License-Identifier: BSD-2-Clause
"""The function library about people (sql/redis/), called directly on a private server."""

import json
import pathlib
import subprocess

import pytest
import redis
from client import wait_for

LIBRARY = pathlib.Path(__file__).resolve().parents[2] / "sql" / "redis" / "bellhop_people_1.lua"
TYPING, LIVE = "b:{7}:typing:T-1", "b:live:T-1"


def is_answering(connection):
    try:
        return connection.ping()
    except redis.ConnectionError:
        return False


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A Redis of our own on a unix socket, with the library."""
    directory = tmp_path_factory.mktemp("people")
    socket = directory / "s"
    process = subprocess.Popen(
        ["redis-server", "--port", "0", "--unixsocket", socket, "--save", "", "--dir", directory],
        stdout=subprocess.DEVNULL,
    )
    try:
        connection = redis.Redis(unix_socket_path=str(socket), decode_responses=True)
        wait_for(lambda: is_answering(connection), "a private redis-server")
        connection.execute_command("FUNCTION", "LOAD", LIBRARY.read_text())
        yield connection
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture
def r(server):
    server.flushall()
    return server


@pytest.fixture
def heard(r):
    """A function that gives what was published since it was last called."""
    pubsub = r.pubsub(ignore_subscribe_messages=True)
    pubsub.subscribe("b:live:T-1", "b:user:ann", "b:system", "b:end")
    wait_for(lambda: r.pubsub_numsub("b:end")[0][1] == 1, "the subscription")

    def take():
        r.publish("b:end", "")
        found = []
        for message in pubsub.listen():
            if message["channel"] == "b:end":
                return found
            found.append((message["channel"], json.loads(message["data"])))
        return found

    yield take
    pubsub.close()


def typing(r, user, ms=8000, name=None):
    return r.fcall("bellhop_people_1_typing", 1, TYPING, LIVE, user, user.title() if name is None else name, ms)


def test_typing_is_kept_and_told(r, heard):
    assert typing(r, "ann") == 1
    (end, name) = r.hget(TYPING, "ann").split(" ", 1)
    seconds, micros = r.time()
    assert name == "Ann" and 0 < int(end) - (seconds * 1000 + micros // 1000) <= 8000
    assert 0 < r.pttl(TYPING) <= 8000
    assert heard() == [(LIVE, {"event": "typing-start", "user_id": "ann", "name": "Ann", "ms": 8000})]
    assert typing(r, "ann", 0) == 1
    assert not r.exists(TYPING)
    assert heard() == [(LIVE, {"event": "typing-stop", "user_id": "ann", "name": "Ann"})]


def test_who_does_not_type_does_not_stop(r, heard):
    typing(r, "bob")
    heard()
    assert typing(r, "ann", 0) == 0
    assert heard() == [] and r.hkeys(TYPING) == ["bob"]


def test_typing_that_is_over_goes(r, heard):
    r.hset(TYPING, mapping={"ann": "1000 Ann", "bob": "nonsense", "cat": "9999999999999 Cat"})
    assert typing(r, "ann", 0) == 0
    assert r.hkeys(TYPING) == ["cat"] and heard() == []


@pytest.mark.parametrize("name", ['"quoted"\\', "two\nlines", "Ångström 🚲", "", " x "])
def test_any_name_is_told_as_it_is(r, heard, name):
    typing(r, "ann", name=name)
    typing(r, "ann", 0, name="another")
    assert [payload["name"] for _, payload in heard()] == [name, name]


@pytest.mark.parametrize(
    "keys, args",
    [
        ([], [LIVE, "ann", "Ann", 8000]),
        ([TYPING, TYPING], [LIVE, "ann", "Ann", 8000]),
        ([TYPING], [LIVE, "ann", "Ann"]),
        ([TYPING], [LIVE, "ann", "Ann", "soon"]),
        ([TYPING], [LIVE, "ann", "Ann", "-1"]),
        ([TYPING], [LIVE, "", "Ann", 8000]),
        ([TYPING], ["", "ann", "Ann", 8000]),
    ],
)
def test_bad_arguments_change_nothing(r, heard, keys, args):
    with pytest.raises(redis.ResponseError, match="^BADARG typing:"):
        r.fcall("bellhop_people_1_typing", len(keys), *keys, *args)
    assert r.keys() == [] and heard() == []


def test_a_key_of_a_wrong_type_is_told(r, heard):
    r.set(TYPING, "mine")
    with pytest.raises(redis.ResponseError, match="^WRONGTYPE"):
        typing(r, "ann")
    assert r.get(TYPING) == "mine" and heard() == []


def test_the_probe_answers(r):
    assert r.fcall("bellhop_people_1_probe", 0) == "OK"
