# SPDX-License-Identifier: BSD-2-Clause
"""bellhop check warns of everything that works and is not safe, and says what to do."""

import os
import pathlib
import socket
import subprocess

import psycopg2
import pytest
from client import wait_for
from daemon import daemons

PASSWORD = "for-this-test-alone"


def check(stack, **settings):
    done = stack.bellhop("check", env=settings)
    return done.returncode, done.stdout


def test_all_is_well(stack):
    status, text = check(stack)
    for line in (
        "ok       redis transport: this machine alone",
        "ok       redis password: is asked for",
        "ok       redis user: may do what it needs",
        "ok       postgresql role: bellhop may do what it needs",
        "ok       postgresql transport: this machine alone",
    ):
        assert line in text


@pytest.mark.parametrize(
    "rules, finding",
    [
        (["+config"], "(CONFIG)"),
        (["+eval"], "(EVAL)"),
        (["+function|load"], "(FUNCTION LOAD)"),
        (["+acl|whoami"], "(ACL WHOAMI)"),
        (["allkeys"], "(keys of others)"),
        (["allchannels"], "(channels of others)"),
        (["+config", "allkeys"], "(CONFIG, keys of others)"),
    ],
)
def test_a_redis_user_of_many_rights(stack, rules, finding):
    url = stack.redis_user("bellhop-mighty", rules=rules)
    status, text = check(stack, REDIS_URL=url)
    stack.redis().execute_command("ACL", "DELUSER", "bellhop-mighty")
    assert status == 1
    assert f"warning  redis user: may do more than it needs {finding}: use the users of contrib/redis" in text


@pytest.fixture
def open_redis(tmp_path):
    """As it is installed: anybody may do everything."""

    def start(*options):
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = listener.getsockname()[1]
        command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", str(tmp_path), *options]
        with open(tmp_path / "log", "w") as log:
            processes.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log))
        wait_for(lambda: "Ready to accept" in (tmp_path / "log").read_text(), "Redis")
        return port

    processes = []
    yield start
    for process in processes:
        process.kill()
        process.wait()


def test_a_redis_that_is_open_to_all(stack, open_redis):
    status, text = check(stack, REDIS_URL=f"redis://127.0.0.1:{open_redis()}/0")
    assert "warning  redis password: anybody gets in without one: `user default off" in text
    assert "warning  redis user: may do more" in text
    assert "warning  redis appendonly: " in text


def test_a_redis_that_is_open_to_other_machines(stack, open_redis):
    status, text = check(stack, REDIS_URL=f"redis://127.0.0.1:{open_redis('--protected-mode', 'no')}/0")
    assert "warning  redis password: anybody gets in without one, from other machines too" in text


def test_the_password_of_the_user_default(stack, open_redis):
    status, text = check(stack, REDIS_URL=f"redis://:{PASSWORD}@127.0.0.1:{open_redis('--requirepass', PASSWORD)}/0")
    assert "warning  redis password: it is that of the user default" in text


def test_a_redis_that_evicts(stack, open_redis):
    port = open_redis("--maxmemory-policy", "allkeys-lru")
    status, text = check(stack, REDIS_URL=f"redis://127.0.0.1:{port}/0")
    assert "error    redis maxmemory-policy: allkeys-lru" in text


def test_redis_over_a_network(stack, open_redis):
    """This machine by another of its names is as good as another one."""
    port = open_redis("--bind", "0.0.0.0")
    status, text = check(stack, REDIS_URL=f"redis://0.0.0.0:{port}/0")
    assert "warning  redis transport: 0.0.0.0 is reached without TLS" in text
    assert "use rediss://" in text


def as_admin(stack, statement):
    at = stack.env["DATABASE_URL"].rpartition("@")[2]
    connection = psycopg2.connect(f"postgresql://admin:{stack.admin_password}@{at}")
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(statement)
    connection.close()


def test_postgresql_by_its_owner(stack):
    status, text = check(stack, DATABASE_URL=stack.owner_url)
    assert status == 1
    assert "warning  postgresql role: bellhop_owner owns the schema" in text


def test_postgresql_by_a_superuser(stack):
    at = stack.env["DATABASE_URL"].rpartition("@")[2]
    status, text = check(stack, DATABASE_URL=f"postgresql://admin:{stack.admin_password}@{at}")
    assert "warning  postgresql role: admin is a superuser" in text


@pytest.mark.parametrize(
    "begin, end, finding",
    [
        ("GRANT DELETE ON bellhop.event TO bellhop", "REVOKE DELETE ON bellhop.event FROM bellhop",
         "bellhop may delete events"),
        ("ALTER ROLE bellhop CREATEDB", "ALTER ROLE bellhop NOCREATEDB", "bellhop may do more than it needs"),
    ],
)  # fmt: skip
def test_postgresql_by_a_role_of_many_rights(stack, begin, end, finding):
    as_admin(stack, begin)
    try:
        status, text = check(stack)
    finally:
        as_admin(stack, end)
    assert (status, f"warning  postgresql role: {finding}" in text) == (1, True), text


def test_settings_that_everybody_may_read(stack, tmp_path):
    file = tmp_path / "bellhop.conf"
    file.write_text(pathlib.Path(stack.config).read_text())
    for mode, is_warned in ((0o644, True), (0o640, False)):
        file.chmod(mode)
        done = subprocess.run([stack.program("bellhop"), "-c", file, "check"], capture_output=True, text=True)
        assert (f"warning  settings: everybody on this machine may read {file}" in done.stdout) is is_warned
    file.write_text("REDIS_URL=redis://127.0.0.1:1/0\nDATABASE_URL=postgresql://bellhop@127.0.0.1:1/x\n")
    file.chmod(0o644)
    done = subprocess.run([stack.program("bellhop"), "-c", file, "check"], capture_output=True, text=True)
    assert "may read" not in done.stdout


def test_tokens_that_live_long(stack):
    assert "warning  tokens: BELLHOP_TOKEN_MAX_DAYS is 93" in check(stack, BELLHOP_TOKEN_MAX_DAYS="93")[1]
    assert "warning  tokens: " not in check(stack, BELLHOP_TOKEN_MAX_DAYS="92")[1]


# ---- passwords from files


@pytest.mark.parametrize("name", ["REDIS_PASSWORD", "REDIS_URL", "REDIS_ADMIN_URL", "DATABASE_URL", "DATABASE_OWNER_URL"])
def test_a_secret_in_a_file(stack, tmp_path, name):
    values = {
        "REDIS_PASSWORD": stack.redis_url("bellhop").split(":")[2].split("@")[0],
        "REDIS_URL": stack.env["REDIS_URL"],
        "REDIS_ADMIN_URL": stack.redis_url("bellhop-admin"),
        "DATABASE_URL": stack.env["DATABASE_URL"],
        "DATABASE_OWNER_URL": stack.owner_url,
    }
    file = tmp_path / "secret"
    file.touch(0o600)
    file.write_text(values[name] + "\n")
    env = {key: value for key, value in {**os.environ, **stack.env}.items() if key != name}
    env[f"{name}_FILE"] = str(file)
    if name == "REDIS_PASSWORD":
        env["REDIS_URL"] = f"redis://bellhop@{values['REDIS_URL'].rpartition('@')[2]}"

    def run():
        command = [stack.program("bellhop"), "-c", stack.config, "check"]
        return subprocess.run(command, env=env, capture_output=True, text=True).stdout

    assert "error    " not in run()
    file.chmod(0o644)
    text = run()
    assert "error    settings: " in text and str(file) in text and values[name] not in text
    file.unlink()
    text = run()
    assert "error    settings: " in text and f"{file}: No such file" in text


# ---- PostgreSQL by TLS


def certificates(directory):
    """An authority, a server's certificate for 127.0.0.1, and another authority."""
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)

    for name in ("ca", "other"):
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.pem",
                "-days", "2", "-subj", f"/CN={name}")  # fmt: skip
    (directory / "names").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=server")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
            "-extfile", "names", "-out", "server.crt")  # fmt: skip


def test_postgresql_by_tls(breakable, ticket, tmp_path):
    stack, data = breakable, breakable.dir / "postgres"
    certificates(tmp_path)
    for name in ("server.key", "server.crt"):
        (data / name).write_bytes((tmp_path / name).read_bytes())
        (data / name).chmod(0o600)
        os.chown(data / name, data.stat().st_uid, data.stat().st_gid)
    as_admin(stack, "ALTER SYSTEM SET ssl = on")
    as_admin(stack, "SELECT pg_reload_conf()")
    url = stack.env["DATABASE_URL"] + "?sslmode=verify-full&sslrootcert="
    try:
        wait_for(lambda: "error    postgresql" not in check(stack, DATABASE_URL=f"{url}{tmp_path}/ca.pem")[1], "TLS")
        rows = stack.sql("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()", url=f"{url}{tmp_path}/ca.pem")
        assert rows == [(True,)]
        for name in ("push", "api", "archive"):
            stack.stop(name)
        api = stack.site.api("alice")
        with daemons(stack, DATABASE_URL=f"{url}{tmp_path}/ca.pem"):
            wait_for(lambda: api.get("/v1/readyz").headers.get("Bellhop-Mode") == "full", "mode full")
            with api.stream(ticket) as stream:
                api.sent(ticket, "by TLS")
                stream.wait_messages(1)
            clear = """SELECT count(*) FROM pg_stat_activity a JOIN pg_stat_ssl s USING (pid)
                        WHERE a.application_name ~ '^bellhop-(api|push|archive)$' AND NOT s.ssl"""
            assert stack.sql(clear) == [(0,)]
        status, text = check(stack, DATABASE_URL=f"{url}{tmp_path}/other.pem")
        assert status == 2 and "error    postgresql: " in text and "certificate verify failed" in text, text
    finally:
        as_admin(stack, "ALTER SYSTEM SET ssl = off")
        as_admin(stack, "SELECT pg_reload_conf()")
