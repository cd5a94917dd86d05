# SPDX-License-Identifier: BSD-2-Clause
"""The function library in Redis (sql/redis/), called directly on a private server."""

import json
import pathlib
import subprocess
import time

import pytest
import redis
from client import wait_for

LIBRARY = pathlib.Path(__file__).resolve().parents[2] / "sql" / "redis" / "bellhop_2.lua"
CHAT, META, WHO = KEYS = ["b:1:{7}:chat:T-1", "b:1:{7}:meta:T-1", "b:1:{7}:who:T-1"]
SWEPT, TYPING = "b:1:{7}:swept", "b:{7}:typing:T-1"
SENT_AT = 1_790_000_000_000


def is_answering(connection):
    try:
        return connection.ping()
    except redis.ConnectionError:
        return False


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A Redis of our own on a unix socket, with the library."""
    directory = tmp_path_factory.mktemp("functions")
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


def event(seq, **fields):
    """A message as arguments of push and load; a field given as None is left out."""
    all_fields = {
        "kind": "m",
        "n": seq,
        "n_public": seq,
        "prev_public": seq - 1 or None,
        "public": 1,
        "sender_id": "ann",
        "sent_at": SENT_AT + seq,
        "message_kind": "t",
        "rev": 1,
        "uid": f"u{seq}",
        "content": f"text {seq}",
        **fields,
    }
    pairs = [part for name, value in all_fields.items() if value is not None for part in (name, value)]
    return [seq, len(pairs) // 2, *pairs]


def push(r, *args, role="", keys=(*KEYS, SWEPT, TYPING), prefix="b:"):
    return r.fcall("bellhop_2_push", len(keys), *keys, role, prefix, *args)


def now(r):
    seconds, micros = r.time()
    return seconds * 1000 + micros // 1000


def load(r, events, asked_at=None, fresh=0, status="open", title="", people=(), news=""):
    flat = [part for pair in people for part in pair]
    args = [part for one in events for part in one]
    asked_at = now(r) if asked_at is None else asked_at
    head = [asked_at, fresh, status, title, "b:", news]
    return r.fcall("bellhop_2_load", 4, *KEYS, TYPING, *head, len(people), *flat, len(events), *args)


def trim(r, committed, events=1000, age=10**12, size=10**9, least=50, idle=10**9, first=1):
    return r.fcall("bellhop_2_trim", 3, *KEYS, committed, events, age, size, least, idle, first)


def ids(r):
    return [entry[0] for entry in r.xrange(CHAT)]


def people(r):
    """Who is listed, in a hash that says of itself that it is whole."""
    found = r.hgetall(WHO)
    assert found.pop("*") == "all"
    return found


def snapshot(r):
    return {key: r.dump(key) for key in sorted(r.keys())}


@pytest.fixture
def loaded(r):
    assert load(r, [event(seq) for seq in range(1, 6)], people=[("ann", "agent")]) == "OK"
    return r


# ---- push


@pytest.mark.parametrize("behind_ms,answer", [(-500, "OK"), (3900, "OK"), (4100, "EMPTY")])
def test_a_first_event_begins_its_stream_unless_it_comes_late(r, behind_ms, answer):
    """Later than the sweep looks back, others may have followed it that nobody would look at again."""
    r.hset(SWEPT, "until", (SENT_AT + 1 + behind_ms) * 1000)
    assert push(r, *event(1), role="agent").split()[0] == answer
    if answer == "OK":
        assert ids(r) == ["1-0"] and people(r) == {"ann": "agent"}
        assert r.hmget(META, "first", "last_seq", "last_public", "n", "status") == ["1", "1", "1", "1", "open"]
        assert push(r, *event(2)) == "OK"
    else:
        assert not r.exists(*KEYS)


def test_a_later_event_begins_no_stream(r):
    r.hset(SWEPT, "until", SENT_AT * 1000)
    assert push(r, *event(2)).startswith("EMPTY")
    assert not r.exists(*KEYS)


def test_push_into_nothing_is_empty_and_writes_nothing(r):
    answer = push(r, *event(1))
    assert answer.split()[0] == "EMPTY" and abs(int(answer.split()[1]) - now(r)) < 5000
    assert r.keys() == []


def test_push_appends_and_moves_meta(loaded):
    assert push(loaded, *event(6, sender_id="bob", n_public=5, prev_public=5, public=None), role="agent") == "OK"
    assert ids(loaded) == [f"{seq}-0" for seq in range(1, 7)]
    meta = loaded.hgetall(META)
    assert {k: meta[k] for k in ("first", "last_seq", "last_public", "n", "n_public", "status", "last_uid")} == {
        "first": "1",
        "last_seq": "6",
        "last_public": "5",
        "n": "6",
        "n_public": "5",
        "status": "open",
        "last_uid": "u6",
    }
    assert people(loaded) == {"ann": "agent", "bob": "agent"}


def test_fields_arrive_as_they_were_given(loaded):
    content = "a\r\nb\0c \x7f ü 🚚"
    push(loaded, *event(6, content=content, sender_name=""))
    fields = loaded.xrange(CHAT, "6-0", "6-0")[0][1]
    assert fields["content"] == content and fields["sender_name"] == "" and "target" not in fields


def test_push_again_is_dup(loaded):
    before = snapshot(loaded)
    assert push(loaded, *event(5)) == "DUP"
    assert push(loaded, *event(2)) == "DUP"
    assert snapshot(loaded) == before


def test_push_past_a_hole_is_gap(loaded):
    before = snapshot(loaded)
    assert push(loaded, *event(8)).split()[:2] == ["GAP", "5"]
    assert snapshot(loaded) == before


@pytest.mark.parametrize("other", [{"uid": "other"}, {"sender_id": "eve"}, {"kind": "e", "target": 1}])
def test_same_number_other_event_is_clash(loaded, other):
    before = snapshot(loaded)
    assert push(loaded, *event(5, **other)) == "CLASH"
    assert snapshot(loaded) == before


def test_numbers_above_a_million_billion_stay_digits(r):
    big = 10**15
    assert load(r, [event(big)]) == "OK"
    assert push(r, *event(big + 1)) == "OK"
    assert ids(r) == [f"{big}-0", f"{big + 1}-0"]
    assert r.hget(META, "last_seq") == str(big + 1)


def test_removed_stays_removed_when_a_message_comes(loaded):
    loaded.hset(WHO, "bob", "removed")
    assert push(loaded, *event(6, sender_id="bob"), role="agent") == "OK"
    assert loaded.hget(WHO, "bob") == "removed"


def test_participant_and_ticket_events_are_applied(loaded):
    person = json.dumps({"user_id": "bob", "role": "removed"})
    card = json.dumps({"status": "closed", "title": "Ärger"})
    no_message = {"message_kind": None, "rev": None, "uid": None, "content": None}
    assert push(loaded, *event(6, kind="p", n=5, detail=person, **no_message)) == "OK"
    assert push(loaded, *event(7, kind="t", n=5, detail=card, **no_message)) == "OK"
    assert loaded.hget(WHO, "bob") == "removed"
    assert loaded.hmget(META, "status", "title", "n") == ["closed", "Ärger", "5"]
    assert push(loaded, *event(8, kind="t", n=5, detail='{"status":"open","title":null}', **no_message)) == "OK"
    assert loaded.hmget(META, "status", "title") == ["open", None]


# ---- deletion is the scrub


def delete(target, seq, **fields):
    return event(
        seq, kind="d", n=5, target=target, uid=f"u{target}", content=None, deleted_at=SENT_AT, deleted_by="ann", **fields
    )


def test_a_deletion_takes_the_text_out_of_the_stream(loaded):
    push(loaded, *event(6, kind="e", n=5, target=2, uid="u2", content="text 2 again", rev=2))
    assert push(loaded, *delete(2, 7, rev=2, edited_at=SENT_AT)) == "OK"
    assert ids(loaded) == [f"{seq}-0" for seq in range(1, 8)]
    entries = dict(loaded.xrange(CHAT))
    for seq in (2, 6, 7):
        fields = entries[f"{seq}-0"]
        assert "content" not in fields
        assert (fields["deleted_by"], fields["rev"], fields["edited_at"]) == ("ann", "2", str(SENT_AT))
    assert entries["3-0"]["content"] == "text 3"
    assert b"text 2" not in loaded.execute_command("DUMP", CHAT, NEVER_DECODE=True)
    size = sum(len(name) + len(value) for fields in entries.values() for name, value in fields.items())
    assert int(loaded.hget(META, "bytes")) == size
    assert push(loaded, *event(8, n=6)) == "OK"


def test_a_deletion_within_a_load_scrubs_too(loaded):
    assert load(loaded, [event(4), event(5), event(6), delete(6, 7)]) == "OK"
    assert "content" not in dict(loaded.xrange(CHAT))["6-0"]


def test_a_deletion_of_what_is_not_here_is_just_an_event(r):
    load(r, [event(seq) for seq in range(10, 13)])
    assert push(r, *delete(3, 13)) == "OK"
    assert ids(r)[-1] == "13-0"


# ---- load


def test_load_ignores_what_is_there(loaded):
    assert load(loaded, [event(seq) for seq in range(3, 9)]) == "OK"
    assert ids(loaded) == [f"{seq}-0" for seq in range(1, 9)]
    before = snapshot(loaded)
    assert load(loaded, [event(seq) for seq in range(3, 9)]) == "DUP"
    assert snapshot(loaded) == before


def test_load_may_begin_anywhere(r):
    assert load(r, [event(seq) for seq in range(101, 301)], people=[("ann", "agent"), ("x", "removed")], title="t") == "OK"
    assert r.hmget(META, "first", "last_seq", "title") == ["101", "300", "t"]
    assert people(r) == {"ann": "agent", "x": "removed"}


def test_load_past_a_hole_is_gap_and_with_fresh_a_new_stream(loaded):
    before = snapshot(loaded)
    assert load(loaded, [event(8)]).split()[:2] == ["GAP", "5"]
    assert snapshot(loaded) == before
    assert load(loaded, [event(8), event(9)], fresh=1) == "OK"
    assert ids(loaded) == ["8-0", "9-0"]
    assert people(loaded) == {}


def test_load_of_other_events_is_clash(loaded):
    before = snapshot(loaded)
    assert load(loaded, [event(4), event(5, uid="other"), event(6)]) == "CLASH"
    assert snapshot(loaded) == before


def test_a_load_that_was_read_long_ago_is_refused(r):
    assert load(r, [event(1)], asked_at=now(r) - 4500) == "LATE"
    assert load(r, [event(1)], asked_at=now(r) + 60000) == "LATE"
    assert r.keys() == []


def test_participants_of_the_range_come_after_the_list(r):
    removed = json.dumps({"user_id": "bob", "role": "removed"})
    events = [event(1), event(2, kind="p", n=1, uid=None, content=None, detail=removed)]
    assert load(r, events, people=[("bob", "agent")]) == "OK"
    assert r.hget(WHO, "bob") == "removed"


def test_a_load_does_not_take_back_what_was_pushed_meanwhile(loaded):
    """The list was read before somebody removed bob and pushed that; the load brings what came later, too."""
    removed = json.dumps({"user_id": "bob", "role": "removed"})
    removal = event(6, kind="p", n=5, uid=None, content=None, detail=removed)
    assert push(loaded, *removal) == "OK"
    assert load(loaded, [removal, event(7, n=6)], people=[("ann", "agent"), ("bob", "agent")]) == "OK"
    assert people(loaded) == {"ann": "agent", "bob": "removed"}


def test_a_push_does_not_go_on_without_knowing_everybody(loaded):
    loaded.delete(WHO)
    assert push(loaded, *event(6), role="agent").startswith("EMPTY")
    assert not loaded.exists(WHO)
    assert load(loaded, [event(5), event(6)], people=[("ann", "agent"), ("x", "removed")]) == "OK"
    assert ids(loaded)[0] == "1-0" and ids(loaded)[-1] == "6-0"
    assert people(loaded) == {"ann": "agent", "x": "removed"}
    assert push(loaded, *event(7)) == "OK"


def test_a_stream_without_its_people_is_trimmed_all_the_same(loaded):
    loaded.delete(WHO)
    loaded.hset(META, "used", now(loaded) - 5000)
    assert trim(loaded, 5, idle=1000) == [5, 1]
    assert not loaded.exists(*KEYS)


def add_by_hand(r):
    r.xadd(CHAT, {"no": "event"})


def take_the_end_by_hand(r):
    assert r.xdel(CHAT, "5-0") == 1


@pytest.mark.parametrize("harm", [add_by_hand, take_the_end_by_hand])
def test_a_stream_that_does_not_end_as_meta_says_is_loaded_anew(loaded, harm):
    harm(loaded)
    assert load(loaded, [event(seq) for seq in range(3, 7)], people=[("ann", "agent")]) == "OK"
    assert ids(loaded) == ["3-0", "4-0", "5-0", "6-0"]
    assert loaded.hget(META, "first") == "3"
    assert push(loaded, *event(7)) == "OK"


@pytest.mark.parametrize("harm", [add_by_hand, take_the_end_by_hand])
def test_a_stream_that_does_not_end_as_meta_says_is_dropped_by_a_trim(loaded, harm):
    harm(loaded)
    assert trim(loaded, 4) == [0, 0]
    assert trim(loaded, 5)[1] == 1
    assert not loaded.exists(*KEYS)


def test_what_is_in_the_way_of_a_push_is_as_good_as_no_stream(loaded):
    add_by_hand(loaded)
    before = snapshot(loaded)
    assert push(loaded, *event(6)).split()[0] == "EMPTY"
    assert snapshot(loaded) == before


def test_what_was_in_the_way_and_is_gone_begins_a_stream_anew(loaded):
    """Redis goes on from the highest number that it ever gave."""
    loaded.xdel(CHAT, loaded.xadd(CHAT, {"no": "event"}))
    assert push(loaded, *event(6)).split()[0] == "EMPTY"
    assert load(loaded, [event(5), event(6)], people=[("ann", "agent"), ("bob", "removed")]) == "OK"
    assert ids(loaded) == ["6-0"]
    assert people(loaded) == {"ann": "agent", "bob": "removed"}
    assert loaded.hgetall(META)["first"] == loaded.hgetall(META)["last_seq"] == "6"
    assert push(loaded, *event(7)) == "OK"


def test_a_stream_without_its_meta_is_replaced(loaded):
    loaded.delete(META)
    assert push(loaded, *event(6)).startswith("EMPTY")
    assert load(loaded, [event(6)]) == "OK"
    assert ids(loaded) == ["6-0"]


# ---- bad arguments and wrong types change nothing


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["1"],
        ["x", 1, "kind", "m"],
        [0, 1, "kind", "m"],
        [-1, 1, "kind", "m"],
        ["6.0", 1, "kind", "m"],
        ["1e3", 1, "kind", "m"],
        [6, 2, "kind", "m"],
        [6, 0],
        [6, 10**6, "kind", "m"],
        event(6, kind=None),
        event(6, kind="mm"),
        event(6, n="many"),
        event(6, n=None),
        event(6, sent_at=None),
        event(6, kind="d"),
        event(6, kind="p", detail="{"),
        event(6, kind="p", detail='{"user_id":"bob"}'),
        event(6, kind="p", detail='{"user_id":"bob","role":7}'),
        [*event(6), "more"],
    ],
    ids=lambda args: str(args)[:40],
)
def test_bad_arguments_are_told_and_change_nothing(loaded, args):
    before = snapshot(loaded)
    with pytest.raises(redis.ResponseError, match="^BADARG push: "):
        push(loaded, *args)
    with pytest.raises(redis.ResponseError, match="^BADARG load: "):
        load(loaded, [args])
    assert snapshot(loaded) == before


def test_a_hole_within_a_load_is_refused(r):
    with pytest.raises(redis.ResponseError, match="hole"):
        load(r, [event(1), event(3)])
    with pytest.raises(redis.ResponseError, match="out of range"):
        load(r, [event(seq) for seq in range(1, 202)])
    with pytest.raises(redis.ResponseError, match="out of range"):
        load(r, [])
    assert r.keys() == []


@pytest.mark.parametrize("key", KEYS)
def test_a_key_of_a_wrong_type_is_told_and_changes_nothing(loaded, key):
    loaded.delete(key)
    loaded.set(key, "mine")
    before = snapshot(loaded)
    for call in (
        lambda: push(loaded, *event(6)),
        lambda: load(loaded, [event(seq) for seq in range(1, 9)]),
        lambda: trim(loaded, 5, events=1, least=0),
    ):
        with pytest.raises(redis.ResponseError, match="^WRONGTYPE"):
            call()
    assert snapshot(loaded) == before


def test_the_number_of_keys_is_checked(r):
    for name in ("push", "load", "trim"):
        with pytest.raises(redis.ResponseError, match="number of keys"):
            r.fcall(f"bellhop_2_{name}", 1, CHAT, "1")


def test_out_of_memory_changes_nothing_but_trims(loaded):
    before = snapshot(loaded)
    loaded.config_set("maxmemory", "1")
    try:
        with pytest.raises(redis.ResponseError, match="^OOM|^command not allowed when used memory"):
            push(loaded, *event(6))
        assert snapshot(loaded) == before
        assert trim(loaded, 5, events=2, least=1) == [3, 0]
    finally:
        loaded.config_set("maxmemory", "0")


# ---- trim


@pytest.fixture
def long_ticket(r):
    for first in range(1, 301, 100):
        load(r, [event(seq, content="x" * 100) for seq in range(first, first + 100)])
    return r


def test_trim_to_a_number_of_events(long_ticket):
    assert trim(long_ticket, 300, events=120) == [180, 0]
    assert ids(long_ticket) == [f"{seq}-0" for seq in range(181, 301)]
    assert long_ticket.hget(META, "first") == "181"
    assert trim(long_ticket, 300, events=120) == [0, 0]


def test_trim_to_bytes(long_ticket):
    size = int(long_ticket.hget(META, "bytes"))
    assert trim(long_ticket, 300, size=size // 3)[0] in range(195, 206)
    assert int(long_ticket.hget(META, "bytes")) <= size // 3


def test_trim_keeps_the_least(long_ticket):
    assert trim(long_ticket, 300, events=1, size=1, least=50) == [250, 0]
    assert len(ids(long_ticket)) == 50


def test_trim_by_age(r):
    old, young = now(r) - 10_000_000, now(r)
    load(r, [event(seq, sent_at=old if seq <= 30 else young) for seq in range(1, 101)])
    assert trim(r, 100, age=1_000_000, least=10) == [30, 0]


def test_trim_touches_nothing_that_is_not_committed(long_ticket):
    assert trim(long_ticket, 100, events=10, least=1) == [100, 0]
    assert trim(long_ticket, 0, events=10, least=1) == [0, 0]
    assert ids(long_ticket)[0] == "101-0"


def test_trim_takes_what_the_record_has_erased(long_ticket):
    assert trim(long_ticket, 300, first=281) == [280, 0]
    assert trim(long_ticket, 300, first=281) == [0, 0]
    assert trim(long_ticket, 290, first=301) == [10, 0], "what is not committed stays"
    assert trim(long_ticket, 300, first=301) == [10, 1], "nothing is left"


def test_trim_drops_a_stream_that_tells_what_was_erased(r):
    """An edit of a message that is gone holds its text: the stream is loaded anew from the record."""
    edit = {"kind": "e", "target": 2, "n": 3, "n_public": 3, "rev": 2}
    load(r, [*(event(seq) for seq in (1, 2, 3)), event(4, **edit), event(5, **edit, content=None)])
    assert trim(r, 5, first=2) == [1, 0]
    assert trim(r, 4, first=3) == [1, 0], "its tail is not what was committed"
    assert trim(r, 5, first=3) == [3, 1]
    load(r, [event(3), event(4, **edit, content=None), event(5, **edit, content=None)])
    assert trim(r, 5, first=3) == [0, 0]
    assert r.hget(META, "kept") == "3"


def test_an_older_archiver_says_nothing_of_what_was_erased(long_ticket):
    arguments = (300, 120, 10**12, 10**9, 50, 10**9)
    assert long_ticket.fcall("bellhop_2_trim", 3, *KEYS, *arguments) == [180, 0]


def test_one_trim_is_bounded(r):
    for first in range(1, 1001, 200):
        load(r, [event(seq) for seq in range(first, first + 200)])
    assert trim(r, 1000, events=60) == [500, 0]
    assert trim(r, 1000, events=60) == [440, 0]


def test_an_idle_ticket_leaves(loaded):
    loaded.hset(META, "used", now(loaded) - 5000)
    assert trim(loaded, 5, idle=10_000) == [0, 0]
    assert trim(loaded, 4, idle=1000) == [0, 0], "its tail is not what was committed"
    assert trim(loaded, 5, idle=1000) == [5, 1]
    assert loaded.keys() == []


def test_an_edit_of_an_old_message_is_activity(loaded):
    before = now(loaded)
    push(loaded, *event(6, kind="e", n=5, target=2, uid="u2", content="text 2 again", rev=2, sent_at=1))
    assert int(loaded.hget(META, "used")) >= before


def test_trim_of_nothing(r):
    assert trim(r, 5) == [0, 0]
    assert r.keys() == []


# ---- mark


def test_marks_are_written_over_the_expected_only(r):
    a, b = "b:1:{0}:swept", "b:1:{1}:swept"
    assert r.fcall("bellhop_2_mark", 2, a, b, 100, 7, "", "") == 2
    assert r.hgetall(a) == {"until": "100", "at": "7"}
    assert r.fcall("bellhop_2_mark", 2, a, b, 200, 8, 100, 99) == 1
    assert r.hget(a, "until") == "200" and r.hget(b, "until") == "100"
    assert r.fcall("bellhop_2_mark", 1, a, 300, 9, "") == 0
    assert r.fcall("bellhop_2_mark", 0, 0, 0) == 0
    with pytest.raises(redis.ResponseError, match="BADARG mark"):
        r.fcall("bellhop_2_mark", 1, a, 300, 9)
    with pytest.raises(redis.ResponseError, match="BADARG mark"):
        r.fcall("bellhop_2_mark", 1, a, "soon", 9, "")


# ---- readers


def test_a_waiting_reader_sees_a_push_and_a_scrub_once(loaded, server):
    reader = server.connection_pool.make_connection()
    try:
        reader.send_command("XREAD", "BLOCK", 10000, "STREAMS", CHAT, "5-0")
        wait_for(lambda: server.info("clients")["blocked_clients"] == 1, "the reader to wait")
        assert push(loaded, *delete(2, 6)) == "OK"
        [[key, entries]] = reader.read_response()
        assert key == CHAT and [entry[0] for entry in entries] == ["6-0"]
    finally:
        reader.disconnect()


def test_push_is_quick(loaded):
    """A bound that only a mistake of an order of magnitude breaks."""
    start = time.perf_counter()
    for seq in range(6, 506):
        push(loaded, *event(seq))
    assert (time.perf_counter() - start) / 500 < 0.005


# ---- telling people ----


@pytest.fixture
def told(r):
    """A function that gives what was published to users since it was last called."""
    pubsub = r.pubsub(ignore_subscribe_messages=True)
    pubsub.subscribe(*(f"b:user:{name}" for name in ("ann", "bob", "cat", "dan")), "end")
    wait_for(lambda: r.pubsub_numsub("end")[0][1] == 1, "the subscription")

    def take():
        r.publish("end", "")
        found = {}
        for message in pubsub.listen():
            if message["channel"] == "end":
                return found
            found.setdefault(message["channel"].removeprefix("b:user:"), []).append(json.loads(message["data"]))
        return found

    yield take
    pubsub.close()


def news(seq, public=True):
    return [{"epoch": 1, "ticket_id": "T-1", "seq": seq, "public": public}]


def test_a_push_tells_everybody_who_is_not_removed(r, told):
    people = [("ann", "agent"), ("bob", "removed"), ("cat", "requester")]
    load(r, [event(1)], people=people)
    assert told() == {}
    push(r, *event(2, sender_id="dan"), role="agent")
    assert told() == {name: news(2) for name in ("ann", "cat", "dan")}
    push(r, *event(3, public=None, message_kind="n"))
    assert told()["cat"] == news(3, public=False)
    assert push(r, *event(3, public=None, message_kind="n")) == "DUP"
    assert push(r, *event(5)).startswith("GAP")
    assert told() == {}


def test_who_is_added_is_told_and_who_is_removed_is_not(r, told):
    load(r, [event(1)], people=[("ann", "agent")])
    detail = {"user_id": "bob", "role": "agent"}
    push(r, *event(2, kind="p", detail=json.dumps(detail), content=None))
    assert told() == {"ann": news(2), "bob": news(2)}
    push(r, *event(3, kind="p", detail=json.dumps({**detail, "role": "removed"}), content=None))
    assert told() == {"ann": news(3)}


def test_a_load_tells_of_news_once(r, told):
    people = [("ann", "agent")]
    load(r, [event(seq) for seq in (1, 2)], people=people)
    load(r, [event(3), event(4, public=None)], people=people, news=3)
    assert told() == {"ann": news(4)}
    load(r, [event(4, public=None), event(5, public=None)], people=people, news=4)
    assert told() == {"ann": news(5, public=False)}
    assert load(r, [event(5, public=None)], people=people, news=1) == "DUP"
    load(r, [event(6)], people=people, news=7)
    assert told() == {}


def test_who_has_sent_types_no_longer(r):
    r.hset(TYPING, mapping={"ann": "9999999999999 Ann", "bob": "9999999999999 Bob"})
    load(r, [event(1)], news=2)
    assert r.hlen(TYPING) == 2
    push(r, *event(2, kind="e", target=1, sender_id="ann"))
    assert r.hlen(TYPING) == 2
    push(r, *event(3, sender_id="ann"))
    assert r.hkeys(TYPING) == ["bob"]
    load(r, [event(4, sender_id="bob")], news=4)
    assert not r.exists(TYPING)


def test_who_is_removed_types_no_longer(r):
    r.hset(TYPING, mapping={"ann": "9999999999999 Ann", "bob": "9999999999999 Bob"})
    load(r, [event(1)])
    for seq, role in ((2, "agent"), (3, "removed")):
        assert r.hlen(TYPING) == 2
        detail = json.dumps({"user_id": "bob", "role": role})
        push(r, *event(seq, kind="p", detail=detail, content=None))
    assert r.hkeys(TYPING) == ["ann"]


def test_many_people_are_told(r, told):
    load(r, [event(1)], people=[("ann", "agent"), *((f"u{k}", "agent") for k in range(450)), ("dan", "agent")])
    push(r, *event(2))
    assert told() == {"ann": news(2), "dan": news(2)}


def test_telling_makes_no_push_fail(r):
    load(r, [event(1)])
    r.set(TYPING, "mine")
    assert push(r, *event(2)) == "OK"
    assert ids(r) == ["1-0", "2-0"] and r.get(TYPING) == "mine"


@pytest.mark.parametrize("prefix", ["", "c:", "b:1:", "b:1:{7}:chat:T-1"])
def test_a_prefix_that_is_not_the_keys_changes_nothing(loaded, prefix):
    before = snapshot(loaded)
    with pytest.raises(redis.ResponseError, match="^BADARG push:"):
        push(loaded, *event(6), prefix=prefix)
    assert snapshot(loaded) == before
