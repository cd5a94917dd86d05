# SPDX-License-Identifier: BSD-2-Clause
"""
Sealed texts: nothing that a store writes can be read, everything that the interface tells can; what was
tampered with is told as absent, and harms nothing else.
"""

import base64
import json
import os
import pathlib
import signal
import subprocess

import psycopg2
import pytest
from client import check_problem, until, wait_for
from sealing import edit, is_sealed, marker, message, running

@pytest.fixture(scope="module")
def sealed(request):
    yield from running(request)


@pytest.fixture(scope="module")
def stack(sealed):
    """For `database`."""
    return sealed


@pytest.fixture
def site(sealed):
    return sealed.site


class TestEverythingIsToldAsItWas:
    def test_a_message(self, sealed, site, ticket):
        alice = site.api("alice", name="Alice")
        text = "Grüße \U0001f511\n\t" + marker(ticket, "one")
        sent = alice.sent(ticket, text)
        assert sent["content"] == text
        assert message(alice, ticket, 1) == sent
        assert alice.page(ticket)["messages"] == [sent]
        stored = sealed.contents(ticket)[1]
        assert is_sealed(stored, sealed.key_ids()[-1]) and len(stored) == len(text.encode()) + 45
        window = wait_for(lambda: sealed.window(ticket), "the window")
        assert [fields[b"content"] for fields in window] == [stored]

    def test_texts_of_every_length(self, sealed, site, ticket):
        alice = site.api("alice", role="service")
        texts = ["x", "y" * 16384, "\U0001f511" * 4096]
        for text in texts:
            assert alice.sent(ticket, text)["content"] == text
        check_problem(alice.send(ticket, "y" * 16385), 400, "invalid_field")
        assert [m["content"] for m in alice.history(ticket)] == texts
        sealed.forget(ticket)
        assert [m["content"] for m in alice.history(ticket)] == texts

    def test_a_repeated_send(self, site, ticket):
        alice = site.api("alice")
        first = alice.sent(ticket, "once", client_msg_id="u-1")
        again = alice.send(ticket, "once", client_msg_id="u-1")
        assert (again.status_code, again.json()) == (200, first)
        check_problem(alice.send(ticket, "twice", client_msg_id="u-1"), 422, "idempotency_mismatch")
        edit(alice, ticket, 1, "edited")
        again = alice.send(ticket, "once", client_msg_id="u-1")
        assert (again.status_code, again.json()["content"]) == (200, "edited")

    def test_the_same_text_is_no_event(self, sealed, site, ticket):
        alice = site.api("alice")
        first = alice.sent(ticket, "same")
        assert edit(alice, ticket, 1, "same").json() == first
        assert edit(alice, ticket, 1, "other").json()["rev"] == 2
        assert edit(alice, ticket, 1, "other", **{"If-Match": '"1"'}).json()["rev"] == 2
        check_problem(edit(alice, ticket, 1, "third", **{"If-Match": '"1"'}), 412, "stale_revision")
        assert list(sealed.contents(ticket)) == [1]
        assert alice.page(ticket)["cursor"].endswith(".2")

    def test_what_may_not_be_edited(self, site, ticket):
        alice, rita = site.api("alice"), site.api("rita", "requester", tickets=[ticket])
        alice.sent(ticket, "one")
        alice.sent(ticket, "a note", kind="note")
        check_problem(edit(rita, ticket, 1, "mine"), 403, "forbidden")
        check_problem(edit(rita, ticket, 2, "mine"), 404, "not_found")
        check_problem(edit(alice, ticket, 9, "none"), 404, "not_found")
        edit(alice, ticket, 1, "uno")
        check_problem(edit(alice, ticket, 3, "an edit"), 404, "not_found")
        eve = site.api("eve", "requester", tickets=["T-other"])
        check_problem(edit(eve, ticket, 1, "x"), 403, "not_a_participant")
        alice.call("DELETE", f"/v1/tickets/{ticket}/messages/1")
        check_problem(edit(alice, ticket, 1, "x"), 409, "deleted")

    def test_an_admin_edits_what_others_wrote(self, sealed, site, ticket):
        site.api("alice").sent(ticket, "one")
        ada = site.api("ada", role="admin")
        assert edit(ada, ticket, 1, "uno").json()["content"] == "uno"
        sealed.forget(ticket)
        assert message(ada, ticket, 1)["content"] == "uno"
        former = ada.get(f"/v1/tickets/{ticket}/messages/1/revisions").json()["revisions"]
        assert [(r["rev"], r["content"], r["edited_by"]) for r in former] == [(1, "one", "ada")]

    def test_a_service_speaks_for_others(self, site, ticket):
        shop = site.api("shop", role="service")
        sent = shop.sent(ticket, "for rita", sender_id="rita", sender_name="Rita")
        assert message(shop, ticket, 1) == sent

    def test_newer_messages(self, site, ticket):
        alice, rita = site.api("alice"), site.api("rita", "requester", tickets=[ticket])
        rita.sent(ticket, "one")
        alice.sent(ticket, "two")
        answer = rita.send(ticket, "three", headers={"If-Match": '"1"'})
        assert [m["content"] for m in check_problem(answer, 412, "newer_messages")["messages"]] == ["two"]

    def test_lists_and_previews(self, site, ticket):
        alice, rita = site.api("alice"), site.api("rita", "requester", tickets=[ticket])
        rita.sent(ticket, "one")
        with site.api("rita", "requester", tickets=[ticket]).stream_many([ticket], inbox="1") as stream:
            stream.hello()
            alice.sent(ticket, "a text for the preview")
            news = stream.wait(lambda s: [e for e in s.named("inbox") if e.data["unread"] == 1], "news")
            assert news[0].data["preview"] == "a text for the preview"
        listed = rita.get("/v1/tickets").json()["tickets"]
        assert [t["last_message"]["content"] for t in listed if t["ticket_id"] == ticket] == [
            "a text for the preview"
        ]

    def test_streams_and_polls(self, sealed, site, ticket):
        alice = site.api("alice")
        with alice.stream(ticket) as stream:
            stream.hello()
            alice.sent(ticket, "one")
            edit(alice, ticket, 1, "uno")
            alice.sent(ticket, "two")
            alice.call("DELETE", f"/v1/tickets/{ticket}/messages/3")
            stream.wait(lambda s: len(s.durable) >= 4, "four events")
            told = [(e.name, e.data["content"]) for e in stream.durable]
        assert told == [("message", "one"), ("message-edited", "uno"), ("message", "two"), ("message-deleted", None)]
        replayed = [("message", "one"), ("message-edited", "uno"), ("message", None), ("message-deleted", None)]
        events = alice.poll(ticket, since=0)["events"]
        assert [(e["event"], e["data"]["content"]) for e in events] == replayed
        # From the record alone, an event tells its message as it is now.
        sealed.forget(ticket)
        sealed.restart("push")
        events = alice.poll(ticket, since=0)["events"]
        assert [(e["event"], e["data"]["content"]) for e in events] == [("message", "uno"), *replayed[1:]]

    def test_without_redis(self, sealed, site, ticket):
        alice = site.api("alice")
        alice.sent(ticket, "one")
        with alice.stream(ticket, since=0) as stream:
            stream.wait_messages(1)
            sealed.kill("redis")
            try:
                until(lambda: alice.send(ticket, "two"), lambda a: a.headers["Bellhop-Mode"] == "no-redis", "it")
                assert stream.wait_messages(2)[1].data["content"] == "two"
                assert alice.page(ticket)["messages"][0]["content"] == "one"
            finally:
                sealed.start()
        until(lambda: alice.get("/v1/readyz"), lambda a: a.json()["mode"] == "full", "Redis")

    def test_a_tail_in_the_terminal(self, sealed, site, ticket):
        site.api("alice").sent(ticket, "shown")
        done = sealed.bellhop("tail", "--as", "agent", "--init", "1", "--count", "1", ticket)
        assert "shown" in done.stdout, done.stderr

    def test_what_was_there_before(self, sealed, site):
        alice = site.api("alice", role="admin")
        texts = [marker(sealed.plain, "second"), "short"]
        assert [m["content"] for m in alice.history(sealed.plain)[:2]] == texts
        assert edit(alice, sealed.plain, 1, texts[0]).json()["rev"] == 2
        assert sealed.contents(sealed.plain)[1] == texts[0].encode()
        events = alice.poll(sealed.plain, since=0)["events"]
        assert [e["data"]["content"] for e in events[:2]] == [marker(sealed.plain, "first"), texts[0]]

    def test_verify(self, sealed, site, ticket):
        alice = site.api("alice")
        alice.sent(ticket, "one")
        edit(alice, ticket, 1, "uno")
        wait_for(lambda: len(sealed.window(ticket)) == 2, "both events")
        done = sealed.bellhop("verify", ticket)
        assert done.returncode == 0, done.stdout


def spellings(text):
    """A text as it may stand in a file: bytes, hex, and base64 wherever it begins in it."""
    raw = text.encode()
    yield raw
    yield raw.hex().encode()
    for shift in range(3):
        coded = base64.b64encode(b"\0" * shift + raw)
        yield coded[4 * ((shift + 2) // 3) : len(coded) - 4]


def files_with(directory, text):
    found = set()
    for path in pathlib.Path(directory).rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            found |= {str(path.relative_to(directory)) for spelling in spellings(text) if spelling in data}
    return found


class TestNothingCanBeRead:
    """What stands in a file, of what was said; a text from before sealing shows that it would be found."""

    @pytest.fixture(scope="class")
    def disk(self, sealed, tmp_path_factory):
        """Traffic of all kinds, and then everything on disk that a backup would take."""
        ticket, site = "T-on-disk", sealed.site
        alice, rita = site.api("alice"), site.api("rita", "requester", tickets=[ticket])
        store = sealed.redis()
        store.config_set("rdbcompression", "no")  # which would hide what is to be found
        rita.sent(ticket, marker(ticket, "sent"))
        with rita.stream_many([ticket], inbox="1") as stream:
            stream.hello()
            alice.sent(ticket, marker(ticket, "to be edited"))
            stream.wait_named("inbox")
        edit(alice, ticket, 2, marker(ticket, "edited"))
        alice.sent(ticket, marker(ticket, "to be deleted"))
        alice.call("DELETE", f"/v1/tickets/{ticket}/messages/4")
        alice.sent(ticket, marker(ticket, "note"), kind="note")
        site.api("system", role="service").call(
            "POST", f"/v1/tickets/{ticket}/system-messages", json={"content": marker(ticket, "notice")}
        )
        alice.sent(ticket, marker(ticket, "long ") * 500)
        sealed.bellhop("rebuild", ticket)
        store.bgrewriteaof()
        wait_for(lambda: store.info("persistence")["aof_rewrite_in_progress"] == 0, "the rewrite")
        wait_for(lambda: store.info("persistence")["aof_rewrite_scheduled"] == 0, "the rewrite")
        alice.sent(ticket, marker(ticket, "after the rewrite"))
        # Something for the append-only file that was written before sealing, so that it can be found there.
        alice.page(sealed.plain)
        store.set("control", marker(sealed.plain, "second"))
        store.bgsave()
        wait_for(lambda: store.info("persistence")["rdb_bgsave_in_progress"] == 0, "the dump")
        sealed.admin("CHECKPOINT")
        backup = tmp_path_factory.mktemp("backup")
        dump = subprocess.run(
            ["pg_dump", "--dbname", sealed.env["DATABASE_URL"]], capture_output=True, check=True
        ).stdout
        (backup / "dump.sql").write_bytes(dump)
        (backup / "export").write_text(sealed.bellhop("export", "--all").stdout)
        yield ticket, backup
        store.delete("control")

    def test_the_stores_have_files(self, sealed, disk):
        _, backup = disk
        redis = files_with(sealed.dir / "redis", marker(sealed.plain, "second"))
        assert "dump.rdb" in redis and any("appendonlydir" in path for path in redis), redis
        record = files_with(sealed.dir / "postgres", marker(sealed.plain, "second"))
        assert any(path.startswith("base/") for path in record), record
        assert any(path.startswith("pg_wal/") for path in record), record
        assert files_with(backup, marker(sealed.plain, "second")) == {"dump.sql"}

    def test_and_hold_nothing_to_be_read(self, sealed, disk):
        ticket, backup = disk
        for directory in (sealed.dir / "redis", sealed.dir / "postgres", sealed.dir / "log", backup):
            assert files_with(directory, f"plaintext-{ticket}") == set()

    def test_a_former_text_that_was_plain_is_sealed_in_an_export(self, sealed, disk):
        _, backup = disk
        lines = [json.loads(line) for line in (backup / "export").read_text().splitlines()]
        texts = [line for line in lines if line.get("kind") == "m" or line["type"] == "revision"]
        assert texts and not [line for line in texts if "content" in line]
        assert {line["ticket_id"] for line in texts if line["type"] == "revision"} >= {sealed.plain}


class TestTampering:
    """A message whose text cannot be opened is one without a text; all else goes on."""

    @pytest.fixture
    def talk(self, sealed, site, ticket):
        alice = site.api("alice", role="admin")
        for text in ("one", "two", "three"):
            alice.sent(ticket, text, client_msg_id=f"u-{text}")
        return alice

    def damage(self, sealed, ticket, expression, seq=2):
        sealed.sql(
            f"UPDATE bellhop.event SET content = {expression} WHERE ticket_id = %s AND seq = %s", ticket, seq
        )
        sealed.refresh(ticket)

    DAMAGES = {
        "changed": "set_byte(content, 40, get_byte(content, 40) # 1)",
        "cut": "substring(content for 20)",
        "shortened": "substring(content for octet_length(content) - 1)",
        "of another key": r"'\x01deadbeef'::bytea || substring(content from 6)",
        "empty": r"'\x01'::bytea",
        "moved": "(SELECT content FROM bellhop.event x WHERE x.ticket_id = event.ticket_id AND x.seq = 1)",
    }

    @pytest.mark.parametrize("expression", DAMAGES.values(), ids=DAMAGES)
    def test_a_text_that_does_not_open_is_absent(self, sealed, ticket, talk, expression):
        self.damage(sealed, ticket, expression)
        told = message(talk, ticket, 2)
        assert told["content"] is None and told["deleted_at"] is None and told["rev"] == 1
        assert [m["content"] for m in talk.history(ticket)] == ["one", None, "three"]
        again = talk.send(ticket, "two", client_msg_id="u-two")
        assert (again.status_code, again.json()) == (200, told)
        events = talk.poll(ticket, since=0)["events"]
        assert [e["data"]["content"] for e in events] == ["one", None, "three"]
        with talk.stream(ticket, init="3") as stream:
            assert [e.data["content"] for e in stream.wait_messages(3)] == ["one", None, "three"]
        log = sealed.log("api")
        line = next(line for line in log.splitlines()[::-1] if "could not open a sealed text" in line)
        assert f"ticket={ticket}" in line and "seq=2" in line and "reason=" in line
        assert "could not open a sealed text" in sealed.log("push")

    def test_it_can_be_edited_and_deleted(self, sealed, ticket, talk):
        self.damage(sealed, ticket, self.DAMAGES["changed"])
        assert edit(talk, ticket, 2, "again").json()["content"] == "again"
        former = talk.get(f"/v1/tickets/{ticket}/messages/2/revisions").json()["revisions"]
        assert [r["content"] for r in former] == [None]
        sealed.sql("UPDATE bellhop.event SET content = '\\x01' WHERE ticket_id = %s AND seq = 2", ticket)
        assert talk.call("DELETE", f"/v1/tickets/{ticket}/messages/2").status_code == 200
        assert [m["content"] for m in talk.history(ticket)] == ["one", None, "three"]

    def test_in_the_list_and_the_inbox(self, sealed, site, ticket, talk):
        rita = site.api("rita", "requester", tickets=[ticket])
        rita.sent(ticket, "here")
        talk.sent(ticket, "four")
        self.damage(sealed, ticket, self.DAMAGES["changed"], seq=5)
        listed = [t for t in rita.get("/v1/tickets").json()["tickets"] if t["ticket_id"] == ticket]
        assert listed[0]["last_message"]["content"] is None and listed[0]["newest_seq"] == 5

    def test_in_the_window(self, sealed, site, ticket, talk):
        talk.sent(ticket, "four")
        wait_for(lambda: len(sealed.window(ticket)) == 4, "the window")
        store = sealed.redis()
        name = store.keys(f"bellhop:*:chat:{ticket}")[0]
        entries = store.xrange(name)
        with store.pipeline() as at_once:  # or the archiver could mend what it finds in between
            at_once.delete(name)
            for entry_id, fields in entries:
                if entry_id == b"2-0":
                    fields[b"content"] = entries[0][1][b"content"]
                at_once.xadd(name, fields, id=entry_id)
            at_once.execute()
        assert [m["content"] for m in talk.history(ticket)] == ["one", None, "three", "four"]

    def test_a_key_that_is_gone(self, sealed, ticket, talk):
        sealed.add_key()
        sealed.reload()
        talk.sent(ticket, "four")
        before = sealed.drop_key(sealed.key_ids()[0])
        sealed.reload()
        try:
            assert [m["content"] for m in talk.history(ticket)] == [None, None, None, "four"]
            check_problem(edit(talk, ticket, 9, "none"), 404, "not_found")
        finally:
            sealed.keys.write_text(before)
            sealed.reload()
        assert [m["content"] for m in talk.history(ticket)] == ["one", "two", "three", "four"]


class TestKeys:
    def test_a_bad_file_keeps_the_former_keys(self, sealed, site, ticket):
        alice = site.api("alice")
        alice.sent(ticket, "one")
        before = sealed.keys.read_text()
        sealed.keys.write_text(before + "01234567:CHANGE_ME\n")
        for name in ("api", "push"):
            os.kill(sealed.pid(name), signal.SIGHUP)
        try:
            for name in ("api", "push"):
                wait_for(lambda n=name: "the key is not 32 bytes" in sealed.log(n), "the reason in the log")
            assert message(alice, ticket, 1)["content"] == "one"
            assert alice.sent(ticket, "two")["content"] == "two"
        finally:
            sealed.keys.write_text(before)
            sealed.reload()

    def test_a_key_that_is_not_the_last_opens_only(self, sealed, site, ticket):
        """So several machines get a new key without one telling what another one cannot open."""
        alice = site.api("alice")
        old = sealed.key_ids()[-1]
        new = sealed.add_key()
        lines = sealed.keys.read_text().splitlines(True)
        sealed.keys.write_text("".join(lines[:-2] + [lines[-1], lines[-2]]))
        sealed.reload()
        with alice.stream(ticket) as stream:
            stream.hello()
            alice.sent(ticket, "one")
            sealed.keys.write_text("".join(lines))
            sealed.reload("api")
            alice.sent(ticket, "two")
            assert [e.data["content"] for e in stream.wait_messages(2)] == ["one", "two"]
        sealed.reload("push")
        stored = sealed.contents(ticket)
        assert is_sealed(stored[1], old) and is_sealed(stored[2], new)

    def test_a_file_that_others_may_read_is_no_start(self, sealed, tmp_path):
        keys = tmp_path / "keys"
        keys.write_text(sealed.keys.read_text())
        keys.chmod(0o644)
        for name in ("bellhop-api", "bellhop-push"):
            done = subprocess.run(
                [sealed.program(name), "-t", "-c", sealed.config],
                env={**os.environ, "BELLHOP_SEAL_KEYS_FILE": str(keys)},
                capture_output=True, text=True, timeout=20,
            )  # fmt: skip
            assert done.returncode == 1 and "others may read or change it" in done.stderr, done.stderr

    def test_keygen_appends_and_never_spoils(self, sealed, tmp_path):
        keys = tmp_path / "keys"
        for count in (1, 2, 3):
            done = sealed.bellhop("keygen", "--seal", str(keys))
            assert done.returncode == 0, done.stderr
            assert len([line for line in keys.read_text().splitlines() if line[:1] != "#"]) == count
            assert keys.stat().st_mode & 0o777 == 0o600
        before = keys.read_text()
        keys.write_text(before + "no key\n")
        done = sealed.bellhop("keygen", "--seal", str(keys))
        assert done.returncode == 1 and "line 5: not an id" in done.stderr
        assert keys.read_text() == before + "no key\n"
        assert sealed.bellhop("keygen", "--seal", "--ed25519", str(keys)).returncode == 2
        assert sorted(path.name for path in tmp_path.iterdir()) == ["keys"]

    def test_keygen_goes_where_a_link_leads(self, sealed, tmp_path):
        keys, link = tmp_path / "keys", tmp_path / "link"
        assert sealed.bellhop("keygen", "--seal", str(keys)).returncode == 0
        link.symlink_to("keys")
        done = sealed.bellhop("keygen", "--seal", str(link))
        assert done.returncode == 0 and f"BELLHOP_SEAL_KEYS_FILE={keys}\n" in done.stdout, done
        assert link.is_symlink() and len(keys.read_text().splitlines()) == 3


class TestCopies:
    """export and import between records, with and without keys."""

    @pytest.fixture
    def copy(self, sealed, database):
        settings = {
            **database,
            "REDIS_URL": sealed.redis_user("copy", prefix="copy:"),
            "BELLHOP_REDIS_PREFIX": "copy:",
        }

        def run(*arguments, env=None, **options):
            return sealed.bellhop(*arguments, env={**settings, **(env or {})}, **options)

        assert run("migrate").returncode == 0
        run.settings = settings
        return run

    @pytest.fixture
    def talk(self, sealed, site, ticket):
        alice = site.api("alice")
        alice.sent(ticket, 'one "\\ \u201cé\U0001f600')
        edit(alice, ticket, 1, "uno")
        alice.sent(ticket, "two")
        alice.sent(ticket, "gone")
        alice.call("DELETE", f"/v1/tickets/{ticket}/messages/4")
        return ticket

    def export(self, run, *arguments, env=None):
        done = run("export", *arguments, env=env)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def stored(self, copy):
        connection = psycopg2.connect(copy.settings["DATABASE_URL"])
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT content FROM bellhop.event WHERE content IS NOT NULL"
                " UNION ALL SELECT content FROM bellhop.revision"
            )
            rows = [bytes(content) for (content,) in cursor.fetchall()]
        connection.close()
        return sorted(rows)

    def test_a_sealed_copy_is_the_same(self, sealed, talk, copy):
        text = self.export(sealed.bellhop, talk)
        assert copy("import", input=text).returncode == 0
        assert self.export(copy, "--all") == text
        assert all(is_sealed(content) for content in self.stored(copy)) and len(self.stored(copy)) == 3
        assert copy("import", input=text).returncode == 0
        assert copy("verify", "--record").returncode == 0

    def test_an_opened_copy_is_sealed_again(self, sealed, talk, copy):
        opened = self.export(sealed.bellhop, "--open", talk)
        lines = [json.loads(line) for line in opened.splitlines()]
        texts = {line["content"] for line in lines if "content" in line}
        assert texts == {"uno", 'one "\\ \u201cé\U0001f600', "two"}
        assert not [line for line in lines if "sealed" in line]
        assert copy("import", input=opened).returncode == 0
        # To the same bytes, whoever seals.
        assert self.export(copy, "--all") == self.export(sealed.bellhop, talk)
        assert self.export(copy, "--all", "--open") == opened

    def test_without_keys_a_plain_copy_stays_plain(self, sealed, talk, copy):
        opened = self.export(sealed.bellhop, "--open", talk)
        none = {"BELLHOP_SEAL_KEYS_FILE": ""}
        assert copy("import", input=opened, env=none).returncode == 0
        assert b"uno" in self.stored(copy)
        assert self.export(copy, "--all", env=none) == opened

    def refused(self, copy, text, reason, env=None):
        done = copy("import", input=text, env=env)
        assert done.returncode == 1 and reason in done.stderr, done.stderr
        assert self.stored(copy) == []

    def test_what_does_not_open_is_refused(self, sealed, talk, copy):
        text = self.export(sealed.bellhop, talk)
        self.refused(copy, text, "key that is not in BELLHOP_SEAL_KEYS_FILE", {"BELLHOP_SEAL_KEYS_FILE": ""})
        self.refused(copy, text.replace('"sender_id": "alice"', '"sender_id": "eve"'), "belongs to another message")
        lines = text.splitlines()
        first = json.loads(lines[1])
        for value, reason in {
            first["sealed"][:-4]: "sealed text was changed, or belongs to another message",
            "AQ==": "member sealed is no sealed text",
            "dW5v": "member sealed is no sealed text",
            first["sealed"] + "=": "member sealed is no sealed text",
            "!": "member sealed is no sealed text",
        }.items():
            broken = json.dumps({**first, "sealed": value})
            self.refused(copy, "\n".join([lines[0], broken, *lines[2:]]), f"line 2: its {reason}")
        both = json.dumps({**first, "content": "uno"})
        self.refused(copy, "\n".join([lines[0], both]), "line 2: it has its text twice")
        control = json.dumps({**{k: v for k, v in first.items() if k != "sealed"}, "content": "\x01uno"})
        self.refused(copy, "\n".join([lines[0], control]), "line 2: its text begins with a control character")

    def test_a_former_text_of_an_older_file_cannot_be_sealed(self, sealed, talk, copy):
        lines = [json.loads(line) for line in self.export(sealed.bellhop, "--open", talk).splitlines()]
        lines[0]["version"] = 1
        for line in lines:
            if line["type"] == "revision":
                del line["uid"], line["sender_id"]
        text = "\n".join(json.dumps(line) for line in lines)
        self.refused(copy, text, "it does not say whose text it is")
        assert copy("import", input=text, env={"BELLHOP_SEAL_KEYS_FILE": ""}).returncode == 0

    def test_what_cannot_be_opened_is_exported_sealed(self, sealed, site, ticket):
        alice = site.api("alice")
        alice.sent(ticket, "one")
        alice.sent(ticket, "two")
        sealed.sql(
            "UPDATE bellhop.event SET content = set_byte(content, 40, get_byte(content, 40) # 1)"
            " WHERE ticket_id = %s AND seq = 1",
            ticket,
        )
        done = sealed.bellhop("export", "--open", ticket)
        assert done.returncode == 1 and "1 texts could not be opened" in done.stderr
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        assert "sealed" in lines[1] and lines[2]["content"] == "two" and lines[-1]["type"] == "ticket"
