# SPDX-License-Identifier: BSD-2-Clause
"""
PostgreSQL's two roles: one owns the schema, the other one is the daemons', and may do what they do. Every stack
of these tests has both.
"""

import subprocess

import psycopg2
import pytest
from stack import SOURCE

TABLES = {
    "activity", "deployment", "event", "migration", "participant", "receipt", "revision", "revocation", "ticket",
    "user_seen",
}  # fmt: skip
# Beside reading.
MAY = {
    "activity": {"UPDATE"},
    "deployment": {"UPDATE"},
    "event": {"INSERT"},
    "participant": {"INSERT", "UPDATE"},
    "receipt": {"INSERT", "UPDATE"},
    "revision": {"INSERT", "DELETE"},
    "revocation": {"INSERT", "DELETE"},
    "ticket": {"INSERT", "UPDATE"},
    "user_seen": {"INSERT", "UPDATE"},
}
PRIVILEGES = """
    SELECT c.relname, array_agg(p ORDER BY p)
      FROM pg_class c CROSS JOIN unnest('{INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}'::text[]) p
     WHERE c.relnamespace = 'bellhop'::regnamespace AND c.relkind IN ('r', 'p', 'v')
       AND has_table_privilege('bellhop', c.oid, p)
     GROUP BY 1"""


def run(url, *statements):
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return cursor.fetchall() if cursor.description else None
    finally:
        connection.close()


@pytest.fixture
def daemons(stack):
    return stack.env["DATABASE_URL"]


def test_what_the_daemons_may_do(stack):
    assert {name: set(rights) for name, rights in stack.sql(PRIVILEGES)} == MAY
    owners = "SELECT DISTINCT relowner::regrole::text FROM pg_class WHERE relnamespace = 'bellhop'::regnamespace"
    assert stack.sql(owners) == [("bellhop_owner",)]
    public = """SELECT count(*) FROM pg_class c, aclexplode(c.relacl) a
                 WHERE c.relnamespace = 'bellhop'::regnamespace AND a.grantee = 0"""
    assert stack.sql(public) == [(0,)]
    executable = """SELECT count(*) FROM pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
                     WHERE p.pronamespace = 'bellhop'::regnamespace AND a.grantee = 0"""
    assert stack.sql(executable) == [(0,)]


def test_every_table_is_known(stack):
    """A new one needs a line in grants.sql, and one here."""
    tables = """SELECT relname FROM pg_class WHERE relnamespace = 'bellhop'::regnamespace
                 AND relkind IN ('r', 'p') AND NOT relispartition"""
    assert {name for (name,) in stack.sql(tables)} == TABLES


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM bellhop.event",
        "TRUNCATE bellhop.event",
        "DROP TABLE bellhop.event",
        "ALTER TABLE bellhop.event ADD COLUMN x int",
        "UPDATE bellhop.event SET sender_id = 'eve'",
        "UPDATE bellhop.event SET sent_at = now()",
        "UPDATE bellhop.revision SET rev = 9",
        "DELETE FROM bellhop.ticket",
        "DELETE FROM bellhop.participant",
        "DELETE FROM bellhop.receipt",
        "DELETE FROM bellhop.deployment",
        "INSERT INTO bellhop.migration (version, name) VALUES (9999, 'x')",
        "UPDATE bellhop.migration SET checksum = ''",
        "ALTER FUNCTION bellhop.erase(text, text, bigint, bigint) SECURITY INVOKER",
        "CREATE OR REPLACE FUNCTION bellhop.server_timeline() RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint'",
        "CREATE TABLE bellhop.mine (a int)",
        "CREATE SCHEMA mine",
        "CREATE TEMPORARY TABLE mine (a int)",
        "CREATE TABLE public.mine (a int)",
        "SELECT * FROM pg_authid",
        "SELECT pg_read_file('postgresql.conf')",
        "COPY bellhop.event TO '/tmp/x'",
        "COPY bellhop.event TO PROGRAM 'true'",
        "CREATE ROLE eve",
        "SET ROLE bellhop_owner",
    ],
)
def test_the_daemons_may_not(daemons, statement):
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        run(daemons, statement)


def test_nobody_else_may_connect(stack):
    admin = stack.owner_url.replace("bellhop_owner:", "admin:").split("@")
    admin = f"postgresql://admin:{stack.admin_password}@{admin[1]}"
    run(admin, "DROP ROLE IF EXISTS stranger", "CREATE ROLE stranger LOGIN PASSWORD 'for-this-test-alone'")
    try:
        with pytest.raises(psycopg2.OperationalError, match="CONNECT privilege"):
            run(admin.replace(f"admin:{stack.admin_password}", "stranger:for-this-test-alone"), "SELECT 1")
    finally:
        run(admin, "DROP ROLE stranger")


def test_what_is_granted_by_hand_does_not_stay(stack):
    stack.sql("GRANT DELETE ON bellhop.event TO bellhop")
    assert "set what bellhop may do\n" in stack.bellhop("migrate").stdout
    assert {name: set(rights) for name, rights in stack.sql(PRIVILEGES)} == MAY


def migrate(stack, *arguments, **settings):
    return stack.bellhop("migrate", *arguments, env=settings)


def test_both_urls_must_lead_to_one_database(stack, database):
    done = migrate(stack, DATABASE_OWNER_URL=database["DATABASE_OWNER_URL"], DATABASE_URL=stack.env["DATABASE_URL"])
    assert (done.returncode, "lead to different databases" in done.stderr) == (1, True), done.stderr


def test_a_daemons_role_that_cannot_connect_is_told_of(stack, database):
    done = migrate(stack, **{**database, "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/bellhop"})
    assert done.returncode == 1
    assert "could not connect by DATABASE_URL: " in done.stderr


def test_one_role_is_enough(stack, database):
    """As it was for everybody once: the owner is the daemons' role, too."""
    owner = database["DATABASE_OWNER_URL"]
    done = migrate(stack, DATABASE_URL=owner, DATABASE_OWNER_URL="")
    assert done.returncode == 0 and "may do" not in done.stdout
    done = migrate(stack, DATABASE_URL=owner, DATABASE_OWNER_URL=owner)
    assert done.returncode == 0 and "name the same role" in done.stderr
    send = "SELECT (bellhop.send('T-1', 'ann', 'Ann', 'agent', 't', 'x', 'u1', '\\x00', 1, NULL)).outcome"
    assert run(owner, send) == [("c",)]


def test_from_one_role_to_two(stack, database):
    """As roles.sql says."""
    admin = f"postgresql://admin:{stack.admin_password}@" + database["DATABASE_URL"].rpartition("@")[2]
    base = database["DATABASE_URL"].rpartition("/")[2]
    run(admin, f"ALTER DATABASE {base} OWNER TO bellhop")
    assert migrate(stack, **{**database, "DATABASE_OWNER_URL": ""}).returncode == 0
    assert migrate(stack, **database).returncode == 1  # the owner owns nothing yet
    lines = (SOURCE / "sql" / "roles.sql").read_text().splitlines()
    (command,) = [line.split("-c ")[1].strip(" '") for line in lines if "REASSIGN" in line]
    run(admin, command)
    done = migrate(stack, **database)
    assert done.returncode == 0, done.stderr
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        run(database["DATABASE_URL"], "DELETE FROM bellhop.event")


def test_psql_applies_the_grants(stack, database):
    assert migrate(stack, **{**database, "DATABASE_URL": database["DATABASE_OWNER_URL"]}).returncode == 0
    grants = SOURCE / "sql" / "grants.sql"
    command = ["psql", "-X", "-q", "-1", "-v", "ON_ERROR_STOP=1", "-f", grants, database["DATABASE_OWNER_URL"]]
    subprocess.run(command, env={"PGOPTIONS": "-c bellhop.runtime_role=bellhop", "PATH": "/usr/bin"}, check=True)
    assert run(database["DATABASE_URL"], "SELECT epoch FROM bellhop.deployment") == [(1,)]
