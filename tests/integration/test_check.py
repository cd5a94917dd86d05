# SPDX-License-Identifier: BSD-2-Clause
"""bellhop check warns of everything that works and is not safe, and says what to do."""

import contextlib
import json
import os
import pathlib
import re
import resource
import socket
import subprocess
import time

import pytest
import redis
from client import wait_for
from daemon import daemons
from fcgi_recorder import Recorder
from lossy import Lossy
from stack import free_port

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
        port = free_port()
        log = tmp_path / f"log{port}"
        command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", str(tmp_path), *options]
        with open(log, "w") as file:
            # A file that may grow no more is an error to be told of, and no signal.
            processes[port] = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, restore_signals=False)
        wait_for(lambda: re.search("Ready to accept|Loading RDB", log.read_text()), "Redis")
        return port

    processes = start.processes = {}
    yield start
    for process in processes.values():
        process.kill()
        process.wait()


def check_redis(stack, port=None, **settings):
    """What is not in order about a Redis, and the archiver that should look after it."""
    if port is not None:
        settings["REDIS_URL"] = f"redis://127.0.0.1:{port}/0"
    done = stack.bellhop("check", "--json", env=settings)
    found = json.loads(done.stdout)["checks"]
    return [
        (check["level"], check["what"], check["detail"])
        for check in found
        if check["what"].startswith(("redis", "archive")) and check["level"] != "ok"
    ]


def told(found, what):
    return [(level, detail) for level, of, detail in found if of == what]


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


def test_redis_by_a_unix_socket(stack, open_redis, make_directory):
    path = f"{make_directory()}/redis.sock"
    open_redis("--unixsocket", path)
    assert "ok       redis transport: a unix socket" in check(stack, REDIS_URL=f"unix://{path}")[1]


# ---- a Redis that does not work


def test_a_redis_that_nobody_looks_after(stack, open_redis):
    found = check_redis(stack, open_redis())
    assert told(found, "redis functions") == [
        ("error", f"{name} is not loaded: is bellhop-archive running?")
        for name in ("bellhop_2", "bellhop_people_1", "bellhop_rate_1")
    ]
    assert told(found, "archive") == [("error", "Redis does not know the deployment: is bellhop-archive running?")]
    assert told(found, "redis appendonly") == [
        ("warning", "off: after a restart of Redis every window is read from PostgreSQL again")
    ]


def test_a_redis_that_is_swept_no_more(breakable):
    store = breakable.redis()
    breakable.stop("archive")
    (mark,) = store.keys("bellhop:*:{0}:swept")
    assert store.hset(mark, "at", int(time.time() * 1000) - 3600_000) == 0
    ((level, detail),) = told(check_redis(breakable), "archive")
    seconds = re.fullmatch(r"the last sweep was (\d+) s ago: is bellhop-archive running\?", detail)
    assert level == "error" and 3600 <= int(seconds[1]) < 3700
    store.delete(mark)
    assert check_redis(breakable) == [
        ("error", "archive", "nothing was ever swept: is bellhop-archive running?")
    ]


def test_a_replica(stack, open_redis):
    port = open_redis("--replicaof", f"127.0.0.1 {open_redis()}")
    assert told(check_redis(stack, port), "redis role") == [("error", "slave: not a master")]


def test_a_cluster(stack, open_redis):
    found = check_redis(stack, open_redis("--cluster-enabled", "yes", "--cluster-port", str(free_port())))
    assert told(found, "redis cluster") == [("error", "a Cluster is not spoken to yet")]


def test_a_redis_that_is_loading(stack, open_redis):
    port = open_redis()
    store = redis.Redis(port=port)
    with store.pipeline() as pipe:
        for number in range(5000):
            pipe.set(f"key{number}", number)
        pipe.execute()
    store.save()
    # As slowly as from a very slow disk, answering meanwhile.
    slow = open_redis("--key-load-delay", "10000", "--loading-process-events-interval-bytes", "1024")
    found = check_redis(stack, slow)
    assert told(found, "redis") == [("warning", "it is still loading its data")]
    assert set(told(found, "redis functions")) == {("error", "the server cannot serve now")}


def test_a_redis_that_is_full(breakable):
    store = breakable.redis()
    store.config_set("maxmemory", 1)
    try:
        found = check_redis(breakable)
        text = check(breakable)[1]
    finally:
        store.config_set("maxmemory", 0)
    assert set(told(found, "redis functions")) == {("error", "the server takes no writes")}
    assert "ok       redis maxmemory-policy: noeviction, maxmemory 1B" in text


def test_a_snapshot_that_failed(stack, open_redis, tmp_path):
    store = redis.Redis(port=open_redis("--dbfilename", "kept.rdb"))
    (tmp_path / "kept.rdb").mkdir()
    store.bgsave()
    wait_for(lambda: store.info("persistence")["rdb_last_bgsave_status"] == "err", "the snapshot to fail")
    found = check_redis(stack, store.connection_pool.connection_kwargs["port"])
    assert told(found, "redis snapshot") == [("warning", "the last one failed; Redis may refuse writes (MISCONF)")]


def test_a_log_that_cannot_be_written(stack, open_redis):
    port = open_redis("--appendonly", "yes")
    store = redis.Redis(port=port)
    store.set("key", "x" * 100_000)
    resource.prlimit(open_redis.processes[port].pid, resource.RLIMIT_FSIZE, (50_000, 50_000))
    with contextlib.suppress(redis.ResponseError):  # MISCONF, as soon as it knows
        store.set("key", "y" * 100_000)
    wait_for(lambda: store.info("persistence")["aof_last_write_status"] == "err", "the write to fail")
    assert told(check_redis(stack, port), "redis appendonly") == [("error", "the last write failed")]


def test_too_few_clients(stack, open_redis):
    port = open_redis("--maxclients", "201")

    def clients(**settings):
        return told(check_redis(stack, port, **settings), "redis maxclients")

    assert clients(BELLHOP_API_WORKERS="2") == [("warning", "201, but 202 are wanted")]
    assert clients(BELLHOP_API_WORKERS="1") == []
    with contextlib.ExitStack() as busy:
        for _ in range(160):
            busy.enter_context(socket.create_connection(("127.0.0.1", port)))
        ((level, detail),) = clients(BELLHOP_API_WORKERS="1")
    assert level == "warning" and re.fullmatch("16[0-9] of 201 are in use", detail), detail


@pytest.mark.parametrize(
    "rule, what, detail",
    [("-info", "redis", "INFO: NOPERM "), ("-fcall", "redis functions", "NOPERM ")],
)
def test_a_redis_user_of_few_rights(stack, rule, what, detail):
    url = stack.redis_user("bellhop-feeble", rules=[rule])
    found = check_redis(stack, REDIS_URL=url)
    stack.redis().execute_command("ACL", "DELUSER", "bellhop-feeble")
    found = told(found, what)
    assert found and all(level == "error" and text.startswith(detail) for level, text in found), found


@pytest.mark.parametrize("lose, what", [(b"swept", "archive"), (b"WHOAMI", "redis user")])
def test_a_redis_that_goes_away_half_way(stack, lose, what):
    way = Lossy(stack.env["REDIS_URL"])
    way.lose, way.times = lose, 100
    ((level, of, detail),) = check_redis(stack, REDIS_URL=way.url)
    way.close()
    assert (level, of) == ("error", what) and detail != ""


def test_a_redis_that_is_too_old(stack):
    """Debian has no such: it is one that says so."""
    way = Lossy(stack.env["REDIS_URL"])
    way.rewrite = (b"redis_version:7.", b"redis_version:6.")
    found = check_redis(stack, REDIS_URL=way.url)
    way.close()
    assert found == [("error", "redis version", f"6.{stack.redis().info()['redis_version'][2:]}, but 7.0 is needed")]


@pytest.mark.parametrize(
    "url, detail",
    [
        ("http://127.0.0.1/", "a Redis URL begins with redis://, rediss:// or unix://"),
        ("redis://bellhop:wrong@{at}", "WRONGPASS"),
    ],
)
def test_an_address_that_leads_nowhere(stack, url, detail):
    found = check_redis(stack, REDIS_URL=url.format(at=stack.env["REDIS_URL"].rpartition("@")[2]))
    assert [(level, what) for level, what, _ in found] == [("error", "redis")] and detail in found[0][2]


def test_a_redis_that_hangs(breakable):
    breakable.freeze("redis")
    try:
        ((level, what, detail),) = check_redis(breakable)
    finally:
        breakable.thaw("redis")
    assert (level, what) == ("error", "redis") and "in time" in detail, detail


def test_postgresql_by_its_owner(stack):
    status, text = check(stack, DATABASE_URL=stack.owner_url)
    assert status == 1
    assert "warning  postgresql role: bellhop_owner owns the schema" in text


def test_postgresql_by_a_superuser(stack):
    status, text = check(stack, DATABASE_URL=stack.admin_url)
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
    stack.as_admin(begin)
    try:
        status, text = check(stack)
    finally:
        stack.as_admin(end)
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


# ---- keys, origins, trust


@pytest.mark.parametrize(
    "value, detail",
    [
        ("", "BELLHOP_SECRET_FILE is not set"),
        ("/nonexistent", "could not open /nonexistent: No such file or directory"),
        ("{short}", "could not use {short}: 31 bytes, at least 32 are needed"),
        ("{open}", "could not use {open}: others may read or change it (mode 0644, make it 0600)"),
    ],
)
def test_the_secret(stack, tmp_path, value, detail):
    files = {"short": tmp_path / "short", "open": tmp_path / "open"}
    for path, size, mode in ((files["short"], 31, 0o600), (files["open"], 32, 0o644)):
        path.write_text("x" * size)
        path.chmod(mode)
    status, text = check(stack, BELLHOP_SECRET_FILE=value.format(**files))
    assert status == 2 and f"error    secret: {detail.format(**files)}\n" in text


@pytest.mark.parametrize("name", ["BELLHOP_ALLOWED_ORIGINS", "BELLHOP_CORS_ORIGINS"])
@pytest.mark.parametrize(
    "origin, finding",
    [
        ("https://desk.example.org", None),
        ("http://localhost", None),
        ("http://localhost:8080", None),
        ("http://127.0.0.1:8080", None),
        ("http://[::1]:8080", None),
        ("http://desk.example.org", "warning  origins: {} is not encrypted"),
        ("http://localhost.example.org", "warning  origins: {} is not encrypted"),
        ("http://127.example.org", "warning  origins: {} is not encrypted"),
        ("desk.example.org", "error    origins: {} is not an origin"),
        ("https://desk.example.org/", "error    origins: {} ends in a slash, so no browser will match it"),
    ],
)
def test_origins(stack, name, origin, finding):
    lines = [line for line in check(stack, **{name: origin})[1].splitlines() if " origins: " in line]
    assert lines == ([finding.format(origin)] if finding else [])


def test_trust_in_whoever_connects(stack):
    finding = "warning  trust: BELLHOP_TRUST_PARAMS without BELLHOP_SOCKET_PEERS: whoever can connect"
    assert finding in check(stack, BELLHOP_TRUST_PARAMS="yes")[1]
    assert "warning  trust" not in check(stack, BELLHOP_TRUST_PARAMS="yes", BELLHOP_SOCKET_PEERS="www-data")[1]


# ---- sockets and the web server


def test_a_group_that_is_none(stack):
    status, text = check(stack, BELLHOP_SOCKET_GROUP="no-such-group")
    for name in ("api", "push"):
        assert f"error    {name} socket: there is no group no-such-group\n" in text


def test_another_group(stack):
    group = os.stat(stack.dir / "run" / "api.sock").st_gid
    assert " socket: its group is " not in check(stack, BELLHOP_SOCKET_GROUP=str(group))[1]
    status, text = check(stack, BELLHOP_SOCKET_GROUP=str(group + 1))
    for name in ("api", "push"):
        assert f"warning  {name} socket: its group is {group}, not {group + 1}\n" in text


def test_a_file_that_is_no_socket(stack):
    status, text = check(stack, BELLHOP_PUSH_SOCKET="/etc/passwd")
    assert status == 2 and "error    push socket: /etc/passwd is not a socket\n" in text


def test_a_socket_that_nobody_listens_on(stack, make_directory):
    path = f"{make_directory()}/socket"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
    status, text = check(stack, BELLHOP_API_SOCKET=path)
    assert status == 2 and re.search(f"error    api socket: {path}: .*Connection refused", text), text


def test_a_daemon_that_hangs(breakable):
    breakable.freeze("api")
    try:
        status, text = check(breakable, BELLHOP_URL="")
    finally:
        breakable.thaw("api")
    assert status == 2 and re.search("error    api socket: .*in time", text), text


def test_a_socket_of_somebody_else(stack, make_directory):
    def trouble(_, write):
        write(b"Status: 502 Bad Gateway\r\nContent-Type: text/plain\r\n\r\n")

    path = f"{make_directory()}/socket"
    other = Recorder(path, trouble)
    status, text = check(stack, BELLHOP_API_SOCKET=path)
    other.close()
    assert status == 2 and f"error    api socket: {path} answers 502\n" in text


@pytest.mark.parametrize(
    "url, finding",
    [
        ("ftp://localhost/chat", "error    web: ftp://localhost/chat is no address"),
        ("{url}/more", "error    web: {url}/more answers 404"),
    ],
)
def test_the_way_by_the_web_server(stack, url, finding):
    at = stack.env["BELLHOP_URL"]
    status, text = check(stack, BELLHOP_URL=url.format(url=at))
    assert status == 2 and finding.format(url=at) in text


def test_an_authority_that_is_not_ours(stack, tmp_path):
    certificates(tmp_path)
    status, text = check(stack, BELLHOP_CA=f"{tmp_path}/other.pem")
    assert status == 2 and re.search(f"error    web: {stack.env['BELLHOP_URL']}: .*certificate", text), text


def test_a_web_server_that_takes_headers_away(stack, make_directory):
    """Another one in front of ours, of whom it is not known what it is for."""
    directory = pathlib.Path(make_directory())
    port = free_port()
    (directory / "nginx.conf").write_text(f"""
        daemon off; pid {directory}/pid; error_log stderr; events {{ }}
        http {{ access_log off; server {{ listen 127.0.0.1:{port};
            location / {{ proxy_pass {stack.env["BELLHOP_PLAIN_URL"].removesuffix("/chat")};
                          proxy_hide_header Bellhop-Mode; }} }} }}""")
    command = ["nginx", "-e", "stderr", "-p", directory, "-c", directory / "nginx.conf"]
    nginx = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}/chat"
        finding = f"warning  web: {url} answers, but the header Bellhop-Mode is lost on the way\n"
        wait_for(lambda: finding in check(stack, BELLHOP_URL=url)[1], "the finding")
    finally:
        nginx.terminate()
        nginx.wait()


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


def certificates(directory, address="127.0.0.1"):
    """An authority, a server's certificate for that address, and another authority."""
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)

    for name in ("ca", "other"):
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.pem",
                "-days", "2", "-subj", f"/CN={name}")  # fmt: skip
    (directory / "names").write_text(f"subjectAltName=IP:{address},DNS:localhost\n")
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
    stack.as_admin("ALTER SYSTEM SET ssl = on")
    stack.as_admin("SELECT pg_reload_conf()")
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
        stack.as_admin("ALTER SYSTEM SET ssl = off")
        stack.as_admin("SELECT pg_reload_conf()")
