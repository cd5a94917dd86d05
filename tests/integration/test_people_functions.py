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


PRESENCE, ONLINE, DUE, AWAY, GONE = PEOPLE = [
    "b:{u3}:presence:ann",
    "b:{u3}:online",
    "b:{u3}:due",
    "b:{u3}:away",
    "b:{u3}:gone",
]
HERE, WATCHED, NODES = "b:{7}:here:T-1", "b:{7}:watched", "b:{7}:nodes"


def lease(r, field, ttl, status="online"):
    return r.fcall("bellhop_people_1_presence", 5, *PEOPLE, "b:system", "ann", field, ttl, status)


def state(r):
    return r.fcall_ro("bellhop_people_1_state", 1, PRESENCE)


def online(r):
    return r.fcall_ro("bellhop_people_1_online", 2, ONLINE, AWAY)


def statuses(heard):
    for channel, told in heard():
        assert channel == "b:system" and told["event"] == "presence" and told["user_id"] == "ann"
        assert (told["last_seen_ms"] is None) == (told["status"] != "offline")
        yield told["status"]


def now_ms(r):
    seconds, micros = r.time()
    return seconds * 1000 + micros // 1000


def test_any_lease_is_online_and_none_is_offline(r, heard):
    assert state(r) == ["offline", ""]
    assert lease(r, "n:one", 30000) == "online"
    assert lease(r, "n:two", 30000) == "online"
    assert lease(r, "n:one", 30000) == "online"
    assert list(statuses(heard)) == ["online"], "told once"
    assert state(r) == ["online", ""] and online(r) == ["ann", "online"]
    assert lease(r, "n:one", 0) == "online"
    assert list(statuses(heard)) == []
    before = now_ms(r)
    assert lease(r, "n:two", 0) == "offline"
    assert list(statuses(heard)) == ["offline"]
    status, seen = state(r)
    assert status == "offline" and before <= int(seen) <= now_ms(r)
    assert online(r) == [] and r.zscore(GONE, "ann") == int(seen)
    assert not r.exists(ONLINE, DUE, AWAY) and r.ttl(PRESENCE) > 0
    assert lease(r, "n:two", 0) == "offline"
    assert list(statuses(heard)) == [] and r.zscore(GONE, "ann") == int(seen)


def test_what_was_said_counts_more_than_streams(r, heard):
    lease(r, "n:one", 30000)
    assert lease(r, "api", 60000, "away") == "away"
    assert online(r) == ["ann", "away"]
    assert lease(r, "n:one", 30000) == "away", "a renewal changes nothing"
    assert lease(r, "api", 60000, "online") == "online"
    assert online(r) == ["ann", "online"]
    lease(r, "api", 60000, "away")
    assert lease(r, "api", 0) == "online", "the stream is still there"
    lease(r, "api", 60000, "away")
    assert lease(r, "n:one", 0) == "away"
    assert lease(r, "api", 0) == "offline"
    assert list(statuses(heard)) == ["online", "away", "online", "away", "online", "away", "offline"]


def test_what_is_over_is_over_before_anybody_looks(r, heard):
    lease(r, "n:one", 30000)
    lease(r, "api", 1, "away")
    wait_for(lambda: state(r) == ["online", ""], "the end of what was said")
    assert online(r) == ["ann", "online"]
    assert list(statuses(heard)) == ["online", "away"]
    assert lease(r, "", 0) == "online"
    assert list(statuses(heard)) == ["online"]
    assert r.zscore(DUE, "ann") == r.zscore(ONLINE, "ann") and not r.exists(AWAY)
    assert r.hkeys(PRESENCE) == ["n:one", "told"] or r.hkeys(PRESENCE) == ["told", "n:one"]


def test_a_lease_that_ends_tells_when(r, heard):
    lease(r, "n:one", 1)
    end = int(r.zscore(DUE, "ann"))
    wait_for(lambda: state(r) == ["offline", str(end)], "the end")
    assert online(r) == []
    assert lease(r, "", 0) == "offline"
    assert [told["last_seen_ms"] for _, told in heard()] == [None, end]
    assert r.zscore(GONE, "ann") == end
    assert lease(r, "n:one", 30000) == "online"
    assert list(statuses(heard)) == ["online"] and r.ttl(PRESENCE) == -1


def test_last_seen_is_struck_off_once_it_is_in_the_record(r):
    r.zadd(GONE, {"ann": 1790000000000, "bob": 1790000000005, "eve": 1790000000007})
    args = ["ann", 1790000000000, "bob", 1790000000004, "nobody", 1790000000000]
    assert r.fcall("bellhop_people_1_seen", 1, GONE, *args) == 1
    assert r.zrange(GONE, 0, -1) == ["bob", "eve"], "a later time stays"


def here(r, node, ttl, looking=(), left=()):
    args = ["b:live:T-1", "T-1", node, ttl, len(looking), *looking, *left]
    return r.fcall("bellhop_people_1_here", 3, HERE, WATCHED, NODES, *args)


def comings(heard):
    found = [(told["user_id"], told["status"]) for channel, told in heard() if told["event"] == "here"]
    return sorted(found)


def test_who_comes_to_a_ticket_and_leaves_it(r, heard):
    here(r, "one", 30000, ["ann", "bob"])
    assert comings(heard) == [("ann", "online"), ("bob", "online")]
    here(r, "two", 30000, ["ann"])
    here(r, "one", 30000, ["ann", "bob"])
    assert comings(heard) == []
    assert r.zrange(HERE, 0, -1) == ["ann two", "ann one", "bob one"] or r.zcard(HERE) == 3
    here(r, "one", 30000, ["eve"], ["ann", "bob"])
    assert comings(heard) == [("bob", "offline"), ("eve", "online")], "ann looks by way of the other node"
    here(r, "two", 30000, [], ["ann"])
    here(r, "one", 30000, [], ["eve", "stranger"])
    assert comings(heard) == [("ann", "offline"), ("eve", "offline")]
    assert not r.exists(HERE, WATCHED)


def test_a_roster_forgets_a_node_that_is_dead(r, heard):
    here(r, "alive", 30000, ["bob"])
    here(r, "dead", 1, ["ann", "bob"])
    end = min(r.zrange(HERE, 0, -1, withscores=True), key=lambda entry: entry[1])[1]
    assert r.zscore(WATCHED, "T-1") == end
    wait_for(lambda: now_ms(r) > end, "the end of the lease")
    heard()
    here(r, "", 0)
    assert comings(heard) == [("ann", "offline")]
    assert r.zrange(HERE, 0, -1) == ["bob alive"] and r.zscore(WATCHED, "T-1") > now_ms(r)


def test_one_who_comes_takes_notice_of_others(r, heard):
    """Whatever a call is about, it knows the leases that are over from those that are not."""
    here(r, "alive", 30000, ["bob"])
    here(r, "dead", 1, ["ann", "bob", "eve"])
    wait_for(lambda: r.zcount(HERE, 0, "(%d" % now_ms(r)) == 3, "the end of the leases")
    heard()
    here(r, "alive", 30000, ["eve", "new"])
    assert comings(heard) == [("ann", "offline"), ("new", "online")], "bob and eve look by way of the other node"
    assert sorted(r.zrange(HERE, 0, -1)) == ["bob alive", "eve alive", "new alive"]
    assert sorted(r.zrange(NODES, 0, -1)) == ["alive", "dead"]
    r.zadd(NODES, {"dead": now_ms(r) - 600001})
    here(r, "alive", 30000, ["eve"])
    assert r.zrange(NODES, 0, -1) == ["alive"]


def test_what_a_forgotten_node_left_is_noticed_too(r, heard):
    here(r, "dead", 1, ["ann"])
    wait_for(lambda: r.zcount(HERE, 0, "(%d" % now_ms(r)) == 1, "the end of the lease")
    r.delete(NODES)
    heard()
    here(r, "", 0)
    assert comings(heard) == [("ann", "offline")] and not r.exists(HERE, WATCHED)


def test_bad_calls_of_presence_change_nothing(r):
    for args in (
        ["b:system", "ann", "x:one", 1, "online"],
        ["b:system", "ann", "api", -1, "online"],
        ["b:system", "ann", "api", 1, "gone"],
        ["b:system", "", "api", 1, "online"],
        ["b:system", "ann", "api", 1],
    ):
        with pytest.raises(redis.ResponseError, match="BADARG presence"):
            r.fcall("bellhop_people_1_presence", 5, *PEOPLE, *args)
    for args in (["b:live:T-1", "T-1", "one", 1, 2, "ann"], ["b:live:T-1", "T-1", "one", 1], ["b", "", "n", 1, 0]):
        with pytest.raises(redis.ResponseError, match="BADARG here"):
            r.fcall("bellhop_people_1_here", 3, HERE, WATCHED, NODES, *args)
    with pytest.raises(redis.ResponseError, match="BADARG seen"):
        r.fcall("bellhop_people_1_seen", 1, GONE, "ann")
    assert r.keys() == []


# ---- read marks

READ = "b:{7}:read:T-1"


def read(r, user, *numbers):
    """numbers: epoch, seq, public seq, n, n_public, ms, is public news."""
    return r.fcall("bellhop_people_1_read", 1, READ, LIVE, user, *numbers)


def told(user, seq, public_seq, at_ms):
    payload = {"event": "message-read", "user_id": user, "seq": seq, "public_seq": public_seq, "at_ms": at_ms}
    return (LIVE, payload)


def test_a_mark_is_kept_and_told(r, heard):
    assert read(r, "ann", 1, 5, 4, 3, 2, 1700000000000, 1) == 1
    assert r.hgetall(READ) == {"ann": "1 5 4 3 2 1700000000000"}
    assert 86000000 < r.pttl(READ) <= 86400000
    assert heard() == [told("ann", 5, 4, 1700000000000)]


def test_only_newer_marks_are_told(r, heard):
    read(r, "ann", 2, 5, 4, 3, 2, 17, 1)
    heard()
    for epoch, seq in ((2, 5), (2, 4), (1, 9)):
        assert read(r, "ann", epoch, seq, 4, 3, 2, 18, 1) == 0
    assert r.hgetall(READ) == {"ann": "2 5 4 3 2 17"} and heard() == []
    assert read(r, "bob", 2, 4, 4, 3, 2, 18, 1) == 1
    assert read(r, "ann", 2, 10, 10, 3, 2, 18, 1) == 1
    assert read(r, "ann", 3, 1, 1, 1, 1, 19, 1) == 1
    assert [payload["seq"] for _, payload in heard()] == [4, 10, 1]


def test_to_the_public_a_mark_is_news_where_its_public_number_moved(r, heard):
    # Without a mark to compare with the caller knows.
    read(r, "ann", 1, 5, 4, 3, 2, 17, 0)
    read(r, "ann", 1, 6, 4, 3, 2, 18, 1)
    # A mark that overtook another one is news although it was none when it was made.
    read(r, "ann", 1, 9, 8, 3, 2, 19, 0)
    assert [payload["public_seq"] for _, payload in heard()] == [0, 0, 8]


def test_a_mark_that_makes_no_sense_is_written_over(r, heard):
    r.hset(READ, "ann", "nonsense")
    assert read(r, "ann", 1, 5, 4, 3, 2, 17, 1) == 1
    assert heard() == [told("ann", 5, 4, 17)]


@pytest.mark.parametrize(
    "args",
    [
        [LIVE, "ann", 1, 5, 4, 3, 2, 17],
        [LIVE, "ann", 1, "x", 4, 3, 2, 17, 1],
        [LIVE, "ann", 1, 5, -4, 3, 2, 17, 1],
        [LIVE, "ann", 1, 5, 4, "", 2, 17, 1],
        [LIVE, "", 1, 5, 4, 3, 2, 17, 1],
        ["", "ann", 1, 5, 4, 3, 2, 17, 1],
    ],
)
def test_bad_marks_change_nothing(r, heard, args):
    with pytest.raises(redis.ResponseError, match="^BADARG read:"):
        r.fcall("bellhop_people_1_read", 1, READ, *args)
    assert r.keys() == [] and heard() == []
