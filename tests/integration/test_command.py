# SPDX-License-Identifier: BSD-2-Clause
"""The operator's command on a running stack: every subcommand, its output and its exit status."""

import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import urllib.parse
import uuid

import jwt
import psycopg2
import pytest
from client import DEADLINE, wait_for

SQL = pathlib.Path(__file__).resolve().parents[2] / "sql"


def ok(done, status=0):
    assert done.returncode == status, f"status {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


class Tail:
    """A `bellhop tail` that runs until the test is over; its lines are in .lines()."""

    def __init__(self, stack, directory, *arguments):
        self.path = pathlib.Path(directory) / f"tail-{uuid.uuid4().hex}"
        with open(self.path, "w") as output:
            self.process = subprocess.Popen(
                [stack.program("bellhop"), "-c", stack.config, "tail", "--as", "agent", *arguments],
                env={**os.environ, **stack.env},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def lines(self):
        return self.path.read_text().splitlines()

    def wait_line(self, part):
        wait_for(lambda: any(part in line for line in self.lines()), f"a line with {part!r}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


# ---- migrate


@pytest.fixture
def migrate(stack, database):
    def run(*arguments, sql_dir=SQL):
        return stack.bellhop("migrate", *arguments, env={**database, "BELLHOP_SQL_DIR": str(sql_dir)})

    return run


@pytest.fixture
def sql_dir(make_directory):
    """A copy of the migrations, to be tampered with."""
    directory = pathlib.Path(make_directory())
    for file in SQL.glob("*.sql"):
        (directory / file.name).write_bytes(file.read_bytes())
    return directory


def last_version(directory):
    return max(int(file.name[:4]) for file in directory.glob("[0-9]*.sql"))


def rows(database, statement):
    with psycopg2.connect(database["DATABASE_OWNER_URL"]) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


def test_migrate_applies_once(migrate, database):
    assert "would apply 0001_first_light\n" in ok(migrate("--dry-run"))
    assert rows(database, "SELECT to_regclass('bellhop.event')") == [(None,)]
    assert "applied 0001_first_light\n" in ok(migrate())
    assert ok(migrate()) == "up to date\nset what bellhop may do\n"
    assert ok(migrate("-n")) == "up to date\nwould set what bellhop may do\n"
    versions = rows(database, "SELECT version, length(checksum) FROM bellhop.migration ORDER BY 1")
    assert versions == [(n, 64) for n in range(1, last_version(SQL) + 1)]


def test_several_migrations_at_once_apply_each_one_once(migrate):
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        outputs = [ok(done.result()) for done in [pool.submit(migrate) for _ in range(4)]]
    assert "".join(outputs).count("applied 0001_first_light\n") == 1


def test_migrate_refuses_what_was_changed(migrate, sql_dir):
    ok(migrate(sql_dir=sql_dir))
    file = sql_dir / "0001_first_light.sql"
    file.write_text(file.read_text() + "-- more\n")
    done = migrate(sql_dir=sql_dir)
    ok(done, 1)
    assert "0001_first_light was changed after it was applied" in done.stderr


def test_migrate_refuses_a_newer_database(migrate, sql_dir):
    n = last_version(sql_dir) + 1
    statement = f"INSERT INTO bellhop.migration (version, name) VALUES ({n}, 'more')"
    (sql_dir / f"{n:04}_more.sql").write_text(f"CREATE TABLE bellhop.more (a int); {statement};")
    assert f"applied {n:04}_more\n" in ok(migrate(sql_dir=sql_dir))
    done = migrate()
    ok(done, 1)
    assert "belongs to a newer version" in done.stderr


def test_a_migration_that_fails_leaves_nothing(migrate, sql_dir, database):
    n = last_version(sql_dir) + 1
    (sql_dir / f"{n:04}_bad.sql").write_text("CREATE TABLE bellhop.half (a int); SELECT 1/0;")
    done = migrate(sql_dir=sql_dir)
    ok(done, 1)
    assert f"could not apply {n:04}_bad: division by zero" in done.stderr
    assert rows(database, "SELECT to_regclass('bellhop.half')") == [(None,)]
    assert rows(database, "SELECT max(version) FROM bellhop.migration") == [(n - 1,)]


def test_migrate_adopts_what_psql_applied(migrate, database):
    for file in sorted(SQL.glob("[0-9]*.sql")):
        command = ["psql", "-X", "-q", "-1", "-v", "ON_ERROR_STOP=1", "-f", str(file), database["DATABASE_OWNER_URL"]]
        subprocess.run(command, check=True, timeout=DEADLINE, stdout=subprocess.DEVNULL)
    assert "adopted 0001_first_light\n" in ok(migrate())
    assert ok(migrate()).startswith("up to date\n")


# ---- keygen and token


def test_keys_that_are_made_sign_tokens_that_are_accepted(stack, make_directory):
    directory = make_directory()
    for option, file in (("--kid=main", "hs.key"), ("--ed25519", "ed.pem")):
        path = f"{directory}/{file}"
        settings = dict(
            line.split("=", 1)
            for line in ok(stack.bellhop("keygen", option, path)).splitlines()
            if not line.startswith("#")
        )
        assert os.stat(path).st_mode & 0o777 == 0o600
        again = stack.bellhop("keygen", path)
        ok(again, 1)
        assert "File exists" in again.stderr
        token = ok(stack.bellhop("token", "--user", "u", "--key", path, "--kid", "main"))
        explained = stack.bellhop("token", "--explain", "-", input=token, env=settings)
        assert "accepted  yes" in ok(explained)
        # The key of the stack is another one.
        assert "accepted  no: " in ok(stack.bellhop("token", "--explain", input=token), 1)
    assert re.fullmatch(r"[\w-]{64}\n", pathlib.Path(f"{directory}/hs.key").read_text())


def test_the_claims_are_those_asked_for(stack):
    arguments = ["--user", "a-7", "--role", "agent", "--ticket", "T-1", "--ticket", "T-2"]
    token = ok(stack.bellhop("token", *arguments, "--name", "Älice", "--ttl", "2h")).strip()
    claims = jwt.decode(token, stack.site.key, algorithms=["HS256"])
    assert (claims["sub"], claims["role"], claims["name"]) == ("a-7", "agent", "Älice")
    assert claims["tickets"] == ["T-1", "T-2"]
    assert claims["exp"] - claims["iat"] == 7200
    explained = ok(stack.bellhop("token", "--explain", token))
    assert "user      a-7\n" in explained
    assert re.search(r"\(in (2 hours|119 minutes)\)", explained)
    assert stack.site.key.decode() not in explained


def test_the_csrf_token_is_the_servers(stack):
    token = ok(stack.bellhop("token", "--user", "u"))
    first = ok(stack.bellhop("token", "--csrf", input=token))
    assert re.fullmatch(r"[\w-]{43}\n", first)
    assert ok(stack.bellhop("token", "--csrf", "-", input=token.strip())) == first


@pytest.mark.parametrize(
    "arguments",
    [
        ["token"],
        ["token", "--user", "a b"],
        ["token", "--user", "u", "--role", "king"],
        ["token", "--user", "u", "--ticket", "a/b"],
        ["token", "--user", "u", "--ticket", "T-1", "--all-tickets"],
        ["token", "--user", "u", "--ttl", "soon"],
        ["token", "--user", "u", "--ttl", "4000d"],
        ["token", "--user", "u", "--explain"],
        ["keygen"],
        ["send"],
        ["send", "T-1", "a", "b"],
        ["send", ".hidden", "a"],
        ["send", "--as", "king", "T-1", "a"],
        ["send", "--if-match", "x", "T-1", "a"],
        ["tail"],
        ["tail", "--init", "201", "T-1"],
        ["tail", "--init", "1", "--since", "0", "T-1"],
        ["tail", "--since", "here", "T-1"],
        ["migrate", "now"],
        ["migrate", "--bogus"],
        ["check", "-x"],
        ["check", "now"],
        ["help", "me"],
        ["sned"],
    ],
)
def test_wrong_usage_is_status_2_and_a_hint(stack, arguments):
    done = stack.bellhop(*arguments)
    assert ok(done, 2) == ""
    assert "Try 'bellhop help" in done.stderr


@pytest.mark.parametrize("command", "migrate keygen token check send tail config help".split())
def test_every_command_has_help(stack, command):
    usage = ok(stack.bellhop("help", command))
    assert usage.startswith(f"Usage: bellhop {command} ")
    assert ok(stack.bellhop(command, "--help")) == usage


# ---- check and config


def test_check_finds_nothing_wrong(stack):
    text = ok(stack.bellhop("check"))
    assert set(line.split()[0] for line in text.splitlines()) == {"ok"}
    found = json.loads(ok(stack.bellhop("check", "--json")))
    assert found["status"] == "ok"
    seen = {check["what"] for check in found["checks"]}
    assert {"settings", "keys", "schema", "redis functions", "archive", "api socket", "web"} <= seen


@pytest.mark.parametrize(
    "settings, finding",
    [
        ({"REDIS_URL": "redis://127.0.0.1:1/0"}, "error    redis: "),
        ({"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/x"}, "error    postgresql: "),
        ({"BELLHOP_API_SOCKET": "/nonexistent"}, "error    api socket: "),
        ({"BELLHOP_URL": "https://127.0.0.1:1/chat"}, "error    web: "),
        ({"BELLHOP_JWT_KEY_FILE": "/nonexistent"}, "error    keys: "),
        ({"BELLHOP_API_WORKERS": "none"}, "error    settings: "),
    ],
)
def test_check_finds_what_is_broken(stack, settings, finding):
    done = stack.bellhop("check", env=settings)
    assert finding in ok(done, 2)


@pytest.mark.parametrize(
    "settings, finding",
    [
        ({"BELLHOP_NONSENSE": "1"}, "warning  settings: "),
        ({"BELLHOP_SOCKET_MODE": "0640"}, "warning  api socket: mode is "),
        ({"BELLHOP_ALLOWED_ORIGINS": "http://desk.example.org"}, "warning  origins: "),
    ],
)
def test_check_warns(stack, settings, finding):
    assert finding in ok(stack.bellhop("check", env=settings), 1)


def test_a_key_that_others_may_read_is_an_error(stack, make_directory):
    path = f"{make_directory()}/key"
    ok(stack.bellhop("keygen", path))
    os.chmod(path, 0o644)
    assert "error    keys: " in ok(stack.bellhop("check", env={"BELLHOP_JWT_KEY_FILE": path}), 2)


def test_config_hides_secrets(stack):
    text = ok(stack.bellhop("config"))
    assert f"BELLHOP_URL={stack.env['BELLHOP_URL']}" in text
    assert stack.env["BELLHOP_TOKEN_AGENT"] not in text
    assert urllib.parse.urlsplit(stack.env["DATABASE_URL"]).password not in text
    assert "#BELLHOP_API_WORKERS=8" in ok(stack.bellhop("config", "--sample"))


# ---- send and tail


def test_send_prints_the_number(stack, ticket):
    assert ok(stack.bellhop("send", "--as", "agent", ticket, "one")) == "1\n"
    assert ok(stack.bellhop("send", "--as", "agent", ticket, input="two\nlines\n\n")) == "2\n"
    assert ok(stack.bellhop("send", "--as", "agent", "--note", ticket, "-", input="three")) == "3\n"
    messages = stack.site.api("reader").page(ticket)["messages"]
    assert [m["content"] for m in messages] == ["one", "two\nlines\n", "three"]
    assert [m["kind"] for m in messages] == ["text", "text", "note"]


def test_send_says_a_thing_once(stack, ticket):
    once = ["send", "--as", "agent", "--client-msg-id", "x 1", ticket]
    assert ok(stack.bellhop(*once, "same")) == "1\n"
    assert ok(stack.bellhop(*once, "same")) == "1\n"
    done = stack.bellhop(*once, "other")
    ok(done, 1)
    assert "422 idempotency_mismatch" in done.stderr


def test_send_shows_what_was_said_meanwhile(stack, ticket):
    stack.site.api("bob", name="Bob").sent(ticket, "wait \x1b[31m".replace("\x1b", "") + "\u009b!")
    done = stack.bellhop("send", "--as", "agent", "--if-match", "0", ticket, "hasty")
    assert ok(done, 1) == ""
    assert "412 newer_messages" in done.stderr
    assert "1  Bob: wait [31m\\u009b!" in done.stderr


def test_send_is_refused_in_words(stack, ticket):
    done = stack.bellhop("send", "--as", "requester", ticket, "hello")
    ok(done, 1)
    assert "403 not_a_participant" in done.stderr and "(request " in done.stderr
    done = stack.bellhop("send", "--as", "agent", ticket, "")
    ok(done, 1)
    assert "400 invalid_field" in done.stderr and "/content" in done.stderr


def test_send_gives_up_in_time(stack, ticket):
    nobody = {"BELLHOP_URL": "https://127.0.0.1:1/chat"}
    done = stack.bellhop("send", "--as", "agent", "--retry-for", "1s", ticket, "x", env=nobody)
    ok(done, 1)
    assert "trying again" in done.stderr
    strangers = {"BELLHOP_CA": ""}
    done = stack.bellhop("send", "--as", "agent", ticket, "x", env=strangers)
    ok(done, 1)
    assert "certificate" in done.stderr and "trying again" not in done.stderr


def test_tail_prints_what_comes(stack, ticket, make_directory):
    with Tail(stack, make_directory(), "--count", "2", "--since", "0", ticket) as tail:
        bob = stack.site.api("bob", name="Bob\u202e")
        bob.sent(ticket, "one\ntwo")
        tail.wait_line("two")
        bob.sent(ticket, "three")
        assert tail.process.wait(DEADLINE) == 0
    lines = [re.sub(r"^2\d\d\d-\d\d-\d\d \d\d:\d\d:\d\d  ", "", line) for line in tail.lines()]
    assert lines == ["1  Bob\\u202e: one", "        two", "2  Bob\\u202e: three"]


def test_tail_prints_events_as_json(stack, ticket):
    for text in ("one", "two", "three"):
        stack.site.api("bob").sent(ticket, text)
    arguments = ["tail", "--as", "agent", "--json", "--init", "2", "--count", "2", ticket]
    events = [json.loads(line) for line in ok(stack.bellhop(*arguments)).splitlines()]
    assert events[0]["event"] == "hello" and events[0]["id"].endswith(".1")
    messages = [event for event in events if event["event"] == "message"]
    assert [event["data"]["content"] for event in messages] == ["two", "three"]
    assert [event["data"]["prev"] for event in messages] == [1, 2]
    rest = stack.bellhop("tail", "--as", "agent", "--since", messages[0]["id"], "--count", "1", ticket)
    assert ok(rest).endswith("3  bob: three\n")


def test_tail_survives_a_restart_of_push(breakable, ticket, make_directory):
    bob = breakable.site.api("bob")
    with Tail(breakable, make_directory(), "--since", "0", "--count", "3", ticket) as tail:
        bob.sent(ticket, "one")
        tail.wait_line("one")
        breakable.stop("push")
        bob.sent(ticket, "two")
        breakable.start()
        tail.wait_line("two")
        bob.sent(ticket, "three")
        assert tail.process.wait(DEADLINE) == 0
    said = [line.split(": ")[1] for line in tail.lines() if "  bob: " in line]
    assert said == ["one", "two", "three"]


def test_tail_ends_where_coming_back_is_of_no_use(stack, ticket):
    done = stack.bellhop("tail", "--as", "requester", ticket)
    ok(done, 1)
    assert "403 not_a_participant" in done.stderr
    nobody = {"BELLHOP_URL": "https://127.0.0.1:1/chat"}
    ok(stack.bellhop("tail", "--as", "agent", ticket, env=nobody), 1)


# ---- the bench


def bench(stack, *arguments, env=None):
    done = subprocess.run(
        [stack.program("tests/bench/bellhop-bench"), "--json", *arguments],
        env={**os.environ, **stack.env, **(env or {})},
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done, json.loads(done.stdout or "null")


@pytest.mark.parametrize("protocol", [[], ["--http2"]])
def test_the_bench_finds_every_message_once(stack, protocol):
    done, result = bench(stack, "--messages", "200", "--streams", "40", "--tickets", "8", *protocol)
    assert done.returncode == 0, done.stderr
    assert result["good"] is True
    assert result["sends"]["answered"] == 200
    assert result["deliveries"]["delivered"] == 200 * 40 // 8
    assert 0 < result["event_ms"]["p50"] <= result["event_ms"]["p99"] <= result["event_ms"]["max"]


def test_the_bench_sends_alone_and_reads_pages(stack):
    done, result = bench(stack, "--send-only", "--messages", "100")
    assert done.returncode == 0 and result["numbers"]["dense"] == 1, done.stderr
    done, result = bench(stack, "--history", "--messages", "300", "--tickets", "3", "--requests", "100")
    assert done.returncode == 0 and result["pages"]["read"] == 100, done.stderr


def test_the_bench_says_when_it_is_not_good(stack):
    done, result = bench(stack, "--url", "https://127.0.0.1:1/chat", "--patience", "1")
    assert done.returncode == 1
    assert result["good"] is False
    assert "nothing happened" in done.stderr
