# SPDX-License-Identifier: BSD-2-Clause
"""Keys come and go: bellhop reseal, and what bellhop check and verify say of keys."""

import json
import os
import subprocess

import psycopg2
import pytest
from client import wait_for
from sealing import edit, is_sealed, marker, running

@pytest.fixture(scope="module")
def sealed(request):
    yield from running(request)


@pytest.fixture
def site(sealed):
    return sealed.site

class TestReseal:
    """All texts come to the newest key, beside everybody who writes; then the old ones can go."""

    @pytest.fixture(autouse=True)
    def rotated(self, sealed):
        """The keys are two more than they were when most was said; afterwards all but the last are taken away."""
        self.old = sealed.key_ids()
        self.new = sealed.add_key()
        sealed.reload()

    def reseal(self, sealed, *arguments, status=0):
        done = sealed.bellhop("reseal", *arguments, timeout=60)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout.splitlines()

    def talk(self, sealed, ticket):
        """Everything that has a text; returns what is to be read of it."""
        alice = sealed.site.api("alice")
        alice.sent(ticket, "one")
        edit(alice, ticket, 1, "uno")
        edit(alice, ticket, 1, "eins")
        alice.sent(ticket, "note", kind="note")
        alice.sent(ticket, "gone")
        alice.call("DELETE", f"/v1/tickets/{ticket}/messages/5")
        return ["eins", "note", None]

    def texts(self, sealed, ticket):
        return sealed.sql(
            "SELECT content FROM bellhop.event WHERE ticket_id = %s AND content IS NOT NULL"
            " UNION ALL SELECT content FROM bellhop.revision WHERE ticket_id = %s",
            ticket, ticket,
        )  # fmt: skip

    def test_one_ticket(self, sealed, site, ticket):
        told = self.talk(sealed, ticket)
        newer = sealed.add_key()
        sealed.reload()
        before = sealed.sql("SELECT count(*) FROM bellhop.event WHERE ticket_id = %s", ticket)
        lines = self.reseal(sealed, "--dry-run", ticket)
        assert lines[:3] == [
            "4 texts to be sealed, 1 tickets to be loaded into Redis again",
            f"key {newer}: 0 texts, the newest",
            f"key {self.new}: 4 texts",
        ]
        assert {bytes(content)[1:5].hex() for (content,) in self.texts(sealed, ticket)} == {self.new}
        lines = self.reseal(sealed, ticket)
        assert lines[:3] == [
            "4 texts sealed, 1 tickets loaded into Redis again",
            f"key {newer}: 4 texts, the newest",
            f"key {self.new}: 0 texts",
        ]
        assert all(is_sealed(bytes(content), newer) for (content,) in self.texts(sealed, ticket))
        assert all(is_sealed(f[b"content"], newer) for f in sealed.window(ticket) if b"content" in f)
        assert self.reseal(sealed, ticket)[0] == "0 texts sealed, 0 tickets loaded into Redis again"
        # Nothing has happened, for those who listen.
        alice = site.api("ada", role="admin")
        assert [m["content"] for m in alice.history(ticket)] == told
        former = alice.get(f"/v1/tickets/{ticket}/messages/1/revisions").json()["revisions"]
        assert [r["content"] for r in former] == ["one", "uno"]
        assert sealed.sql("SELECT count(*) FROM bellhop.event WHERE ticket_id = %s", ticket) == before
        assert sealed.bellhop("verify", ticket).returncode == 0

    def test_legal_hold_is_no_obstacle(self, sealed, ticket):
        self.talk(sealed, ticket)
        newer = sealed.add_key()
        sealed.reload()
        assert sealed.bellhop("hold", ticket).returncode == 0
        self.reseal(sealed, ticket)
        assert all(is_sealed(bytes(content), newer) for (content,) in self.texts(sealed, ticket))

    def test_while_everybody_writes(self, sealed, site, ticket):
        """Nothing that is sent, edited or deleted meanwhile is lost, and every listener sees it once."""
        alice = site.api("alice", role="service")
        expected = {}
        for i in range(120):
            expected[alice.sent(ticket, f"text {i}")["seq"]] = f"text {i}"
        newer = sealed.add_key()
        sealed.reload()
        first = list(expected)
        with alice.stream(ticket) as stream:
            start = int(stream.hello()["cursor"].split(".")[1])
            command = [sealed.program("bellhop"), "-c", sealed.config, "reseal", ticket]
            env = {**os.environ, **sealed.env, "BELLHOP_SEAL_KEYS_FILE": str(sealed.keys)}
            with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as running:
                count = 0
                while running.poll() is None and count < 600:
                    seq = first[count % len(first)]
                    if count % 3 == 0 and expected[seq] is not None:
                        edit(alice, ticket, seq, f"edited {count}")
                        expected[seq] = f"edited {count}"
                    elif count % 7 == 1:
                        alice.call("DELETE", f"/v1/tickets/{ticket}/messages/{seq}")
                        expected[seq] = None
                    else:
                        expected[alice.sent(ticket, f"more {count}")["seq"]] = f"more {count}"
                    count += 1
                assert running.wait(60) == 0, running.stdout.read()
            assert count > 20
            newest = int(alice.page(ticket)["cursor"].split(".")[1])
            stream.wait(lambda s: s.durable and s.durable[-1].data["event_seq"] >= newest, "the last event")
            assert [e.data["event_seq"] for e in stream.durable] == list(range(start + 1, newest + 1))
        assert {m["seq"]: m["content"] for m in alice.history(ticket)} == expected
        assert all(is_sealed(bytes(content), newer) for (content,) in self.texts(sealed, ticket))
        assert all(is_sealed(f[b"content"], newer) for f in sealed.window(ticket) if b"content" in f)
        assert sealed.bellhop("verify", ticket).returncode == 0

    def plain(self, sealed, ticket):
        return sum(content == b"x" for content in sealed.contents(ticket).values())

    def test_one_that_is_killed_goes_on(self, sealed, site, ticket):
        """Of plain texts, as from before sealing; one of them is held, so that it stops there."""
        for first in range(1, 600, 100):
            sealed.sql(
                "SELECT bellhop.send(%s, 'bob', 'Bob', 'agent', 't', 'x', 'fill' || i, '\\x00', 2, NULL)"
                " FROM generate_series(%s, %s) i",
                ticket, first, first + 99,
            )  # fmt: skip
        command = [sealed.program("bellhop"), "-c", sealed.config, "reseal", ticket]
        env = {**os.environ, **sealed.env, "BELLHOP_SEAL_KEYS_FILE": str(sealed.keys)}
        holder = psycopg2.connect(sealed.env["DATABASE_URL"])
        holder.cursor().execute(
            "SELECT FROM bellhop.event WHERE ticket_id = %s AND seq = 450 FOR UPDATE", (ticket,)
        )
        with subprocess.Popen(command, env=env) as running:
            wait_for(lambda: self.plain(sealed, ticket) == 200, "the first of them")
            running.kill()
        holder.close()
        # PostgreSQL may have finished what it had been told, whether anybody waited for it or not.
        sealed_anew = int(self.reseal(sealed, ticket)[0].split()[0])
        assert sealed_anew in (0, 200) and self.plain(sealed, ticket) == 0
        assert all(is_sealed(f[b"content"], self.new) for f in sealed.window(ticket))
        assert {m["content"] for m in site.api("alice").history(ticket)} == {"x"}

    def test_what_cannot_be_opened_stays(self, sealed, site, ticket):
        self.talk(sealed, ticket)
        sealed.add_key()
        sealed.reload()
        sealed.sql(
            "UPDATE bellhop.event SET content = set_byte(content, 40, get_byte(content, 40) # 1)"
            " WHERE ticket_id = %s AND seq = 1",
            ticket,
        )
        before = sealed.contents(ticket)[1]
        done = sealed.bellhop("reseal", ticket, timeout=60)
        assert done.returncode == 1 and done.stdout.startswith("3 texts sealed")
        assert f"ticket {ticket}, message 1: it was changed, or belongs to another message" in done.stderr
        assert "1 texts could not be opened" in done.stderr
        assert sealed.contents(ticket)[1] == before

    def test_all_and_then_the_old_keys_go(self, sealed, site, ticket):
        told = self.talk(sealed, ticket)
        # What other tests have spoilt on purpose.
        sealed.sql("DELETE FROM bellhop.revision WHERE octet_length(content) < 45 AND get_byte(content, 0) = 1")
        done = sealed.bellhop("reseal", "--all", timeout=120)
        spoilt = "could not be opened" in done.stderr
        assert done.returncode == (1 if spoilt else 0), done.stderr
        lines = done.stdout.splitlines()
        assert [line for line in lines if line.startswith(f"key {self.new}: ") and line.endswith(", the newest")]
        assert not [line for line in lines if line.startswith("without a key")]
        alice = site.api("ada", role="admin")
        before = sealed.keys.read_text()
        for key_id in self.old:
            sealed.drop_key(key_id)
        sealed.reload()
        try:
            assert [m["content"] for m in alice.history(ticket)] == told
            assert [m["content"] for m in alice.history(sealed.plain)][0] == marker(sealed.plain, "second")
            former = alice.get(f"/v1/tickets/{sealed.plain}/messages/1/revisions").json()["revisions"]
            assert [r["content"] for r in former] == [marker(sealed.plain, "first")]
            sealed.forget(ticket)
            assert [m["content"] for m in alice.history(ticket)] == told
        finally:
            sealed.keys.write_text(before)
            sealed.reload()

    def test_verify_looks_at_what_is_said(self, sealed, ticket):
        """A window of an older key says the same as the record; one that says something else does not."""
        self.talk(sealed, ticket)
        window = wait_for(lambda: len(found := sealed.window(ticket)) == 6 and found, "the window")
        newer = sealed.add_key()
        sealed.reload()
        self.reseal(sealed, ticket)
        store = sealed.redis()
        name = store.keys(f"bellhop:*:chat:{ticket}")[0]

        def put(entries):
            with store.pipeline() as at_once:  # or the archiver could mend what it finds in between
                at_once.delete(name)
                for seq, fields in enumerate(entries, 1):
                    at_once.xadd(name, fields, id=f"{seq}-0")
                at_once.execute()

        assert is_sealed(window[2][b"content"], self.new) and self.new != newer
        put(window)
        assert sealed.bellhop("verify", ticket).returncode == 0
        put([*window[:3], {**window[3], b"content": b"another"}, *window[4:]])
        done = sealed.bellhop("verify", ticket)
        assert done.returncode == 1 and "event 4: the stream differs in content" in done.stdout

    def test_a_bar_on_a_terminal(self, sealed, ticket):
        self.talk(sealed, ticket)
        newest = sealed.add_key()
        sealed.reload()
        keys = {"BELLHOP_SEAL_KEYS_FILE": str(sealed.keys)}
        status, written, drawn = sealed.on_terminal("reseal", ticket, **keys)
        assert status == 0 and f"key {newest}: 4 texts, the newest" in written.decode()
        assert f"[{'.' * 40}]   0 %" in drawn and drawn.endswith(f"[{'#' * 40}] 100 %\r\n"), drawn

    def test_usage(self, sealed):
        assert sealed.bellhop("reseal").returncode == 2
        assert sealed.bellhop("reseal", "a/b").returncode == 2
        assert sealed.bellhop("reseal", "--all", "T-1").returncode == 2
        done = sealed.bellhop("reseal", "--all", env={"BELLHOP_SEAL_KEYS_FILE": ""})
        assert done.returncode == 1 and "BELLHOP_SEAL_KEYS_FILE is not set" in done.stderr


class TestCheck:
    def findings(self, sealed, **env):
        done = sealed.bellhop("check", "--json", env=env)
        return [(c["level"], c["detail"]) for c in json.loads(done.stdout)["checks"] if c["what"] == "sealing"]

    def test_keys_and_texts(self, sealed, site, ticket):
        site.api("alice").sent(ticket, "one")
        level, detail = self.findings(sealed)[0]
        assert (level, detail) == ("ok", f"{len(sealed.key_ids())} keys, of which {sealed.key_ids()[-1]} seals")

    def test_no_keys(self, sealed, site, ticket):
        site.api("alice").sent(ticket, "one")
        first, *others = self.findings(sealed, BELLHOP_SEAL_KEYS_FILE="")
        assert first[0] == "ok" and first[1].startswith("off: ")
        key_id = sealed.key_ids()[-1]
        assert any(level == "error" and f"key {key_id}, which is not in" in detail for level, detail in others)

    def test_texts_of_an_older_key(self, sealed, site, ticket):
        site.api("alice").sent(ticket, "one")
        older = sealed.key_ids()[-1]
        sealed.add_key()
        sealed.reload()
        assert any(
            level == "ok" and f"are sealed with the older key {older}" in detail for level, detail in self.findings(sealed)
        )

    def test_a_file_that_is_none(self, sealed, tmp_path):
        keys = tmp_path / "keys"
        keys.write_text("no key\n")
        keys.chmod(0o600)
        for path, reason in ((keys, f"{keys}"), ("/nonexistent", "could not open /nonexistent: No such file")):
            ((level, detail),) = self.findings(sealed, BELLHOP_SEAL_KEYS_FILE=str(path))
            assert level == "error" and reason in detail, detail

    def test_texts_without_a_key(self, sealed, ticket):
        sealed.sql("SELECT bellhop.send(%s, 'bob', 'Bob', 'agent', 't', 'x', 'u', '\\x00', 2, NULL)", ticket)
        assert any(
            level == "warning" and "are not sealed: run bellhop reseal --all" in detail
            for level, detail in self.findings(sealed)
        )

    def test_a_file_for_everybody(self, sealed, tmp_path):
        keys = tmp_path / "keys"
        keys.write_text(sealed.keys.read_text())
        keys.chmod(0o640)
        assert self.findings(sealed, BELLHOP_SEAL_KEYS_FILE=str(keys))[0][0] == "ok"
        keys.chmod(0o644)
        level, detail = self.findings(sealed, BELLHOP_SEAL_KEYS_FILE=str(keys))[0]
        assert level == "error" and "others may read or change it" in detail
