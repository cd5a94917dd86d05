# SPDX-License-Identifier: BSD-2-Clause
"""What bellhop check says of a PostgreSQL: each test has a server in the state that is told of."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import urllib.parse

import psycopg2
import pytest
from client import wait_for
from lossy import Lossy
from stack import SOURCE, free_port
from test_check import certificates

PASSWORD = "for-this-test-alone"
# It listens everywhere, but whoever is served is on this machine.
HBA = "local all all trust\nhost all all samehost scram-sha-256\n"
IS_ROOT = os.getuid() == 0
SQL = SOURCE / "sql"


def own_address():
    """One of this machine's that is not of the loopback interface; None where there is none. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
        probe.connect(("198.51.100.1", 9))
        return probe.getsockname()[0]


class Server:
    """A PostgreSQL with an up-to-date bellhop in it, and nobody who uses that."""

    def __init__(self, directory):
        self.dir, self.data, self.port = directory, directory / "data", free_port()
        self.user = {"user": "postgres", "group": "postgres", "extra_groups": []} if IS_ROOT else {}
        self.address = own_address()
        certificates(directory, self.address or "127.0.0.1")
        (directory / "password").write_text(PASSWORD)
        for path in (directory, directory / "password", directory / "server.key", directory / "server.crt"):
            self.give(path)
        directory.chmod(0o755)  # the authorities are for others
        self.run("initdb", "-D", self.data, "-U", "admin", f"--pwfile={directory}/password", "--no-sync",
                 "--encoding=UTF8", "--locale=C.UTF-8")  # fmt: skip
        (self.data / "pg_hba.conf").write_text(HBA)
        self.start()
        self.admin(
            (SQL / "roles.sql").read_text(),
            f"ALTER ROLE bellhop PASSWORD '{PASSWORD}'",
            f"ALTER ROLE bellhop_owner PASSWORD '{PASSWORD}'",
        )
        self.admin("CREATE DATABASE bellhop OWNER bellhop_owner")

    def give(self, path):
        if IS_ROOT:
            shutil.chown(path, "postgres", "postgres")

    def command(self, name, *arguments):
        found = sorted(pathlib.Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
        return [found[-1] if found else name, *arguments]

    def run(self, name, *arguments):
        subprocess.run(self.command(name, *arguments), cwd=self.dir, check=True, capture_output=True, **self.user)

    def start(self):
        command = self.command(
            "postgres", "-D", self.data, "-p", str(self.port), "-k", self.dir, "-c", "listen_addresses=*",
            "-c", f"ssl_cert_file={self.dir}/server.crt", "-c", f"ssl_key_file={self.dir}/server.key", "-c", "ssl=on",
        )  # fmt: skip
        with open(self.dir / "log", "a") as log:
            options = {"cwd": self.dir, "stdin": subprocess.DEVNULL, "stdout": log, "stderr": log, **self.user}
            self.process = subprocess.Popen(command, **options)
        wait_for(self.answers, "PostgreSQL", 60)

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(60)

    def answers(self):
        assert self.process.poll() is None, (self.dir / "log").read_text()
        with contextlib.suppress(psycopg2.OperationalError):
            return self.admin("SELECT 1")

    def url(self, role="bellhop", host="127.0.0.1", **options):
        query = urllib.parse.urlencode(options, quote_via=urllib.parse.quote)
        return f"postgresql://{role}:{PASSWORD}@{host}:{self.port}/bellhop?{query}"

    def admin(self, *statements, database="postgres"):
        """The rows of the last one."""
        connection = psycopg2.connect(
            host="127.0.0.1", port=self.port, user="admin", password=PASSWORD, dbname=database
        )
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
                return cursor.fetchall() if cursor.description else None
        finally:
            connection.close()

    def reload(self):
        before = self.admin("SELECT pg_conf_load_time()")
        self.admin("SELECT pg_reload_conf()")
        wait_for(lambda: self.admin("SELECT pg_conf_load_time()") != before, "the reload")

    @contextlib.contextmanager
    def has(self, name, value):
        """A setting, taken up as it runs."""
        self.admin(f"ALTER SYSTEM SET {name} = {value}")
        self.reload()
        try:
            yield
        finally:
            self.admin(f"ALTER SYSTEM RESET {name}")
            self.reload()

    @contextlib.contextmanager
    def lets_in(self, rules):
        """Rules of pg_hba.conf that come before the others."""
        (self.data / "pg_hba.conf").write_text(rules + HBA)
        self.reload()
        try:
            yield
        finally:
            (self.data / "pg_hba.conf").write_text(HBA)
            self.reload()


@pytest.fixture(scope="module")
def server(stack):
    directory = pathlib.Path(tempfile.mkdtemp(prefix="bellhop-test-"))
    server = Server(directory)
    try:
        done = stack.bellhop("migrate", env={"DATABASE_URL": server.url(), "DATABASE_OWNER_URL": server.url("bellhop_owner")})
        assert done.returncode == 0, done.stderr
        yield server
    finally:
        server.stop()
        shutil.rmtree(directory, ignore_errors=True)


def findings(stack, url, **settings):
    """What is not in order about PostgreSQL, and nothing else."""
    done = stack.bellhop("check", "--json", env={"DATABASE_URL": url, **settings})
    found = json.loads(done.stdout)["checks"]
    return [
        (check["level"], check["what"], check["detail"])
        for check in found
        if check["what"].startswith(("postgresql", "schema")) and check["level"] != "ok"
    ]


def details(stack, url):
    """What is told of PostgreSQL, in order or not."""
    done = stack.bellhop("check", "--json", env={"DATABASE_URL": url})
    return {check["what"]: check["detail"] for check in json.loads(done.stdout)["checks"]}


def test_all_is_well(stack, server):
    assert findings(stack, server.url()) == []


# ---- the way there


@pytest.fixture
def elsewhere(server):
    """url(**options) that leads to a server which is not on the loopback interface."""

    def url(**options):
        if server.address is None:  # a machine without a network: the server takes itself to be elsewhere
            options["options"] = "-csearch_path=elsewhere,pg_catalog"
        return server.url(host=server.address or "127.0.0.1", **options)

    server.admin(
        "CREATE SCHEMA IF NOT EXISTS elsewhere",
        "CREATE OR REPLACE FUNCTION elsewhere.inet_server_addr() RETURNS inet LANGUAGE sql AS $$SELECT '192.0.2.1'::inet$$",
        "GRANT USAGE ON SCHEMA elsewhere TO bellhop",
        database="bellhop",
    )
    return url


class TestTransport:
    def test_over_a_network_without_tls(self, stack, elsewhere):
        assert findings(stack, elsewhere(sslmode="disable")) == [(
            "warning", "postgresql transport",
            "messages can be read on the way: add sslmode=verify-full and sslrootcert to DATABASE_URL",
        )]  # fmt: skip

    @pytest.mark.parametrize("mode", ["allow", "prefer", "require", "verify-ca"])
    def test_over_a_network_by_tls_with_whoever_answers(self, stack, server, elsewhere, mode):
        if mode == "allow":  # of the server, which otherwise would be content without
            with server.lets_in("hostnossl all all samehost reject\n"):
                found = findings(stack, elsewhere(sslmode=mode))
        else:
            found = findings(stack, elsewhere(sslmode=mode, sslrootcert=f"{server.dir}/ca.pem"))
        assert found == [(
            "warning", "postgresql transport",
            "TLS, but with whoever answers: add sslmode=verify-full and sslrootcert to DATABASE_URL",
        )]  # fmt: skip

    def test_over_a_network_by_tls_verified(self, stack, server, elsewhere):
        url = elsewhere(sslmode="verify-full", sslrootcert=f"{server.dir}/ca.pem")
        assert findings(stack, url) == []
        assert details(stack, url)["postgresql transport"] == "TLS, verified"

    def test_trust_instead_of_a_password(self, stack, server):
        with server.lets_in("host all bellhop 127.0.0.1/32 trust\n"):
            found = findings(stack, server.url(sslmode="disable"))
        assert found == [(
            "warning", "postgresql password",
            "none is asked for: let pg_hba.conf say scram-sha-256 and not trust",
        )]  # fmt: skip

    def test_a_unix_socket_needs_no_password(self, stack, server):
        url = f"postgresql:///bellhop?host={server.dir}&port={server.port}&user=bellhop"
        assert findings(stack, url) == []
        assert details(stack, url)["postgresql transport"] == "this machine alone"


# ---- durability, limits


@pytest.mark.parametrize(
    "name, detail",
    [
        ("fsync", "fsync is off: a crash of the machine loses messages"),
        ("full_page_writes", "full_page_writes is off: a crash of the machine may leave pages torn"),
    ],
)
def test_what_a_crash_would_cost(stack, server, name, detail):
    with server.has(name, "off"):
        assert findings(stack, server.url()) == [("warning", "postgresql durability", detail)]


TIMEOUTS = "postgresql time-outs"


@pytest.mark.parametrize(
    "options, what, detail",
    [
        ("synchronous_commit=off", "postgresql durability", "synchronous_commit is off: a crash loses the newest messages"),
        ("statement_timeout=0", TIMEOUTS, "statement_timeout of the role is 0 ms, but should be 1 to 2000: see roles.sql"),
        ("statement_timeout=2001", TIMEOUTS,
         "statement_timeout of the role is 2001 ms, but should be 1 to 2000: see roles.sql"),
        ("lock_timeout=0", TIMEOUTS, "lock_timeout of the role is 0 ms, but should be below statement_timeout: see roles.sql"),
        *(
            (f"{name}={value}", "postgresql planner",
             f"{name} of the role is not as in roles.sql: reading may take as long as a ticket is")
            for name, value in (
                ("enable_bitmapscan", "on"), ("enable_seqscan", "on"), ("jit", "on"),
                ("plan_cache_mode", "auto"), ("plan_cache_mode", "force_custom_plan"),
            )
        ),
        ("lock_timeout=1501", TIMEOUTS,
         "lock_timeout of the role is 1501 ms, but should be below statement_timeout: see roles.sql"),
    ],
)  # fmt: skip
def test_limits_of_the_role(stack, server, options, what, detail):
    assert findings(stack, server.url(options=f"-c{options}")) == [("warning", what, detail)]


def test_too_few_connections(stack, server):
    assert findings(stack, server.url(), BELLHOP_API_WORKERS="99") == []
    assert findings(stack, server.url(), BELLHOP_API_WORKERS="100") == [
        ("warning", "postgresql connections", "max_connections is 100 for 100 api workers and others")
    ]


# ---- servers that are no use


def test_a_standby(stack, server):
    server.stop()
    signal_file = server.data / "standby.signal"
    signal_file.touch()
    try:
        server.start()
        assert findings(stack, server.url()) == [("error", "postgresql", "this server is a standby")]
    finally:
        server.stop()
        signal_file.unlink()
        server.start()


@pytest.fixture
def posing(server):
    """url(definitions): the server, with some of what it says of itself replaced. Debian has no other one to be asked."""

    def url(*definitions):
        server.admin(
            "CREATE SCHEMA posing", "GRANT USAGE ON SCHEMA posing TO bellhop", *definitions,
            database="bellhop",
        )  # fmt: skip
        return server.url(options="-csearch_path=posing,pg_catalog")

    yield url
    server.admin("DROP SCHEMA posing CASCADE", database="bellhop")


def test_a_server_that_is_too_old(stack, posing):
    url = posing("""CREATE FUNCTION posing.current_setting(text) RETURNS text LANGUAGE sql AS $$
        SELECT CASE $1 WHEN 'server_version_num' THEN '120022' WHEN 'server_version' THEN '12.22'
                       ELSE pg_catalog.current_setting($1) END $$""")
    assert findings(stack, url) == [("error", "postgresql", "version 12.22, but 13 is needed")]


def test_an_answer_that_makes_no_sense(stack, posing):
    url = posing("CREATE FUNCTION posing.pg_is_in_recovery() RETURNS text LANGUAGE sql AS $$ SELECT 'perhaps' $$")
    assert findings(stack, url) == [("error", "postgresql", "the answer makes no sense")]


def test_a_role_that_makes_no_sense(stack, posing):
    url = posing(
        """CREATE VIEW posing.pg_roles AS SELECT 'bellhop' AS rolname, 'perhaps' AS rolsuper, false AS rolcreaterole,
                  false AS rolcreatedb, false AS rolreplication, false AS rolbypassrls""",
        "GRANT SELECT ON posing.pg_roles TO bellhop",
    )
    assert ("error", "postgresql role", "the answer makes no sense") in findings(stack, url)


def test_a_server_that_hangs(stack, server):
    os.kill(server.process.pid, signal.SIGSTOP)
    try:
        (finding,) = findings(stack, server.url())
    finally:
        os.kill(server.process.pid, signal.SIGCONT)
    assert finding[:2] == ("error", "postgresql") and "in time" in finding[2], finding


@pytest.mark.parametrize("lose, what", [(b"pg_roles", "postgresql role"), (b"bellhop.migration", "schema")])
def test_a_server_that_goes_away_half_way(stack, server, lose, what):
    way = Lossy(server.url(sslmode="disable"))
    way.lose, way.times = lose, 100
    found = findings(stack, way.url)
    way.close()
    assert [finding[:2] for finding in found] == [("error", what)] and found[0][2] != "", found


# ---- the schema


def test_no_schema_yet(stack, server):
    server.admin("DROP DATABASE IF EXISTS bare", "CREATE DATABASE bare OWNER bellhop_owner")
    count = len(list(SQL.glob("0*.sql")))
    assert findings(stack, server.url().replace("/bellhop?", "/bare?")) == [
        ("error", "schema", f"{count} of {count} migrations are still to be applied: run bellhop migrate")
    ]


def test_a_schema_that_may_not_be_looked_at(stack, server):
    server.admin("REVOKE USAGE ON SCHEMA bellhop FROM bellhop", database="bellhop")
    try:
        found = findings(stack, server.url())
    finally:
        server.admin("GRANT USAGE ON SCHEMA bellhop TO bellhop", database="bellhop")
    assert {finding[:2] for finding in found} == {("error", "postgresql role"), ("error", "schema")}, found
    assert all("permission denied for schema bellhop" in finding[2] for finding in found), found


class TestFiles:
    @pytest.fixture
    def files(self, tmp_path):
        shutil.copytree(SQL, tmp_path / "sql")
        return tmp_path / "sql"

    def test_a_newer_program(self, stack, server, files):
        count = len(list(SQL.glob("0*.sql")))
        (files / f"{count + 1:04}_more.sql").write_text("SELECT 1;\n")
        assert findings(stack, server.url(), BELLHOP_SQL_DIR=str(files)) == [
            ("error", "schema", f"1 of {count + 1} migrations are still to be applied: run bellhop migrate")
        ]

    def test_a_newer_database(self, stack, server, files):
        newest = max(files.glob("0*.sql"))
        newest.unlink()
        assert findings(stack, server.url(), BELLHOP_SQL_DIR=str(files)) == [(
            "error", "schema",
            f"the database has migration {newest.stem}, which is not known here: it belongs to a newer version",
        )]  # fmt: skip

    def test_a_file_that_was_changed(self, stack, server, files):
        newest = max(files.glob("0*.sql"))
        newest.write_text(newest.read_text() + "-- a word more\n")
        assert findings(stack, server.url(), BELLHOP_SQL_DIR=str(files)) == [
            ("error", "schema", f"migration {newest.stem} was changed after it was applied")
        ]

    def test_no_files(self, stack, server, tmp_path):
        assert findings(stack, server.url(), BELLHOP_SQL_DIR=f"{tmp_path}/none") == [
            ("warning", "schema", f"could not open {tmp_path}/none: No such file or directory")
        ]
