# SPDX-License-Identifier: BSD-2-Clause
"""contrib/demo: what it promises to people and to these tests."""

import os
import pathlib
import re
import signal
import socket
import stat
import subprocess
import time

import httpx
import jwt
import pytest
from client import DEADLINE, wait_for
from stack import DEMO, SOURCE, Stack, build_dir, free_port, is_gone

NAMES = [
    "BELLHOP_URL", "BELLHOP_PLAIN_URL", "BELLHOP_CA", "BELLHOP_JWT_KEY_FILE", "BELLHOP_JWT_KID",
    "BELLHOP_TOKEN_AGENT", "BELLHOP_TOKEN_REQUESTER", "BELLHOP_TOKEN_SERVICE", "BELLHOP_TOKEN_ADMIN",
    "REDIS_URL", "DATABASE_URL",
]  # fmt: skip
MASTERS = ["api", "push", "archive", "redis", "postgres", "nginx"]


@pytest.fixture
def own(make_directory):
    """A stack that is not started yet."""
    stack = Stack(make_directory())
    yield stack
    stack.stop()


def listening_ports():
    ports = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in pathlib.Path(table).read_text().splitlines()[1:]:
            local, state = line.split()[1], line.split()[3]
            if state == "0A":
                ports.add((local.rpartition(":")[0], int(local.rpartition(":")[2], 16)))
    return ports


# ---- the env file


def test_the_env_file_names_exactly_what_it_should(stack):
    assert sorted(stack.env) == sorted(NAMES)
    assert stack.env["BELLHOP_URL"].startswith("https://localhost:")
    assert stack.env["BELLHOP_PLAIN_URL"].startswith("http://127.0.0.1:")


def test_a_shell_and_a_parser_read_the_same_env_file(stack):
    printed = subprocess.run(
        ["sh", "-c", f". {stack.dir}/env && set"], env={}, capture_output=True, text=True, check=True
    ).stdout
    for name, value in stack.env.items():
        assert f"{name}='{value}'" in printed or f"{name}={value}" in printed
        assert not re.search(r"[\s'\"\\$`]", value)


def test_the_tools_of_the_stores_take_their_urls(stack):
    """redis-cli, unlike the libraries, takes a user that is left out for one without a name."""
    count = ["redis-cli", "--no-auth-warning", "-u", stack.env["REDIS_URL"], "XLEN", "bellhop:nothing"]
    select = ["psql", stack.env["DATABASE_URL"], "-Atc", "SELECT 1"]
    assert subprocess.run(count, capture_output=True, text=True, check=True).stdout == "0\n"
    assert subprocess.run(select, capture_output=True, text=True, check=True).stdout == "1\n"


def test_the_tokens_are_who_they_say(stack):
    roles = {"AGENT": "agent", "REQUESTER": "requester", "SERVICE": "service", "ADMIN": "admin"}
    key = stack.site.key
    for name, role in roles.items():
        token = stack.env[f"BELLHOP_TOKEN_{name}"]
        assert jwt.get_unverified_header(token)["kid"] == stack.env["BELLHOP_JWT_KID"]
        claims = jwt.decode(token, key, algorithms=["HS256"])
        assert claims["role"] == role
        assert 14 < (claims["exp"] - time.time()) / 86400 <= 30
        headers = {"Authorization": f"Bearer {token}"}
        answer = httpx.get(stack.site.url + "/v1/auth", headers=headers, verify=stack.site.ca)
        assert answer.status_code == 204 and answer.headers["X-Bellhop-Role"] == role
    agent = jwt.decode(stack.env["BELLHOP_TOKEN_AGENT"], key, algorithms=["HS256"])
    requester = jwt.decode(stack.env["BELLHOP_TOKEN_REQUESTER"], key, algorithms=["HS256"])
    assert (agent["sub"], agent["tickets"]) == ("alice", "*")
    assert (requester["sub"], requester["tickets"]) == ("bob", ["T-1"])


def test_nobody_else_can_read_the_secrets(stack):
    files = [*stack.dir.glob("secret/*"), *(stack.dir / name for name in ("env", "bellhop.conf", "web/config.json"))]
    assert len(files) > 10
    for file in files:
        assert stat.S_IMODE(file.stat().st_mode) & 0o077 == 0, file


def test_bellhop_check_finds_nothing_wrong(stack):
    done = stack.bellhop("check")
    assert done.returncode == 0, done.stdout + done.stderr


# ---- processes


def test_the_pid_files_name_the_masters(stack):
    expected = {"api": "bellhop-api", "push": "bellhop-push", "archive": "bellhop-archive",
                "redis": "redis-server", "postgres": "postgres", "nginx": "nginx"}  # fmt: skip
    for name, program in expected.items():
        assert program.encode() in pathlib.Path(f"/proc/{stack.pid(name)}/cmdline").read_bytes()
        assert os.getsid(stack.pid(name)) != os.getsid(0)
    assert stack.children("api") and stack.children("push") and stack.children("nginx")


def test_postgres_is_not_root(stack):
    assert pathlib.Path(f"/proc/{stack.pid('postgres')}").stat().st_uid != 0


def test_everything_listens_on_loopback_alone(stack):
    names = ("BELLHOP_URL", "BELLHOP_PLAIN_URL", "REDIS_URL", "DATABASE_URL")
    ports = {httpx.URL(stack.env[name]).port for name in names}
    loopback = {"0100007F", "00000000000000000000000001000000"}
    found = {(address, port) for address, port in listening_ports() if port in ports}
    assert {port for _, port in found} == ports
    assert {address for address, _ in found} <= loopback


def test_called_again_it_starts_what_is_missing_and_changes_nothing(breakable):
    before = {name: breakable.pid(name) for name in MASTERS}
    env = (breakable.dir / "env").read_text()
    api = breakable.site.api("alice")
    message = api.sent("T-demo-again", "before")
    for name in ("push", "redis"):
        breakable.kill(name)
    breakable.start()
    after = {name: breakable.pid(name) for name in MASTERS}
    assert {name for name in MASTERS if before[name] != after[name]} == {"push", "redis"}
    assert (breakable.dir / "env").read_text() == env
    assert breakable.site.api("alice").history("T-demo-again")[0] == message


def test_stop_ends_everything_and_data_stay(own):
    own.start()
    pids = [own.pid(name) for name in MASTERS]
    env = (own.dir / "env").read_text()
    own.site.api("alice").sent("T-1", "kept")
    own.stop()
    assert all(is_gone(pid) for pid in pids)
    assert not list((own.dir / "run").glob("*.pid"))
    own.stop()  # nothing to do, and no complaint
    own.start()
    assert (own.dir / "env").read_text() == env
    assert [message["content"] for message in own.site.api("alice").history("T-1")] == ["kept"]


def test_stop_spares_a_process_that_is_not_its_own(own):
    own.start()
    own.kill("archive")
    with subprocess.Popen(["sleep", "1000"]) as stranger:
        (own.dir / "run" / "archive.pid").write_text(f"{stranger.pid}\n")
        own.stop()
        assert stranger.poll() is None
        stranger.kill()


def test_stop_where_nothing_ever_ran(tmp_path):
    done = subprocess.run([DEMO, "--stop", "--dir", tmp_path / "none"], capture_output=True, text=True)
    assert done.returncode == 0 and not (tmp_path / "none").exists()


def test_control_c_stops_everything(own):
    process = subprocess.Popen(
        [DEMO, "--dir", own.dir, "--no-build"],
        env={**os.environ, "BUILD_DIR": str(build_dir())},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    seen = ""
    while "Ctrl-C" not in seen:
        line = process.stdout.readline()
        assert line, seen
        seen += line
    pids = [own.pid(name) for name in MASTERS]
    os.killpg(process.pid, signal.SIGINT)
    process.wait(2 * DEADLINE)
    wait_for(lambda: all(is_gone(pid) for pid in pids), "the end")
    # What it printed is what one needs, and works as it stands.
    assert "https://localhost:" in seen and "curl" in seen and str(own.dir) in seen


def test_ready_within_fifteen_seconds(own):
    began = time.monotonic()
    own.start()
    assert time.monotonic() - began < 15


# ---- options


def test_a_port_of_ones_choice(own):
    own.port = free_port()
    own.start()
    assert own.env["BELLHOP_URL"] == f"https://localhost:{own.port}/chat"


def test_a_port_that_is_taken_is_a_clear_error(own):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = own.demo("--no-build", "--detach", "--port", str(port), check=False)
    assert done.returncode == 1
    assert str(port) in done.stdout and "taken" in done.stdout
    assert not list((own.dir / "run").glob("*.pid"))


WRONG = ["--port 0", "--port x", "--server iis", "--dir", "--nonsense", "--stop --detach"]


@pytest.mark.parametrize("arguments", [text.split() for text in WRONG], ids=WRONG)
def test_a_wrong_option_is_a_usage_error(arguments):
    done = subprocess.run([DEMO, *arguments], capture_output=True, text=True)
    assert done.returncode == 2 and "--help" in done.stderr


def test_a_directory_of_somebody_else_is_left_alone(make_directory):
    directory = pathlib.Path(make_directory())
    (directory / "settings").write_text("precious")
    done = subprocess.run([DEMO, "--no-build", "--detach", "--dir", directory], capture_output=True, text=True)
    assert done.returncode == 1 and "not a demo's" in done.stderr
    assert os.listdir(directory) == ["settings"]
    assert (directory / "settings").read_text() == "precious"


@pytest.mark.parametrize("server", ["nginx", "lighttpd", "apache"])
def test_self_test(server, make_directory):
    directory = make_directory()
    done = Stack(directory, server=server).demo("--server", server, "--no-build", "--self-test")
    assert "arrived" in done.stdout
    assert not list(pathlib.Path(directory, "run").glob("*.pid"))


def test_apache_starts_again_whatever_it_left_behind(make_directory):
    """Files of its own user, and one with a number that may be another's by now."""
    with Stack(make_directory(), server="apache") as stack:
        stack.stop("nginx")
        (stack.dir / "run" / "apache.pid").write_text("1\n")
        stack.start()
        assert stack.site.api("alice").sent("T-1", "again")["seq"] == 1


def test_a_deep_directory_closed_to_others(make_directory):
    """PostgreSQL's user cannot walk there, and no socket's path would fit."""
    top = pathlib.Path(make_directory(), "closed")
    top.mkdir(mode=0o700)
    with Stack(top / ("d" * 60) / ("e" * 60)) as stack:
        assert stack.site.api("alice").sent("T-1", "deep down")["seq"] == 1


def test_settings_of_the_environment_reach_the_daemons(make_directory):
    env = {"BELLHOP_HEARTBEAT_MS": "1000", "BELLHOP_BASE_PATH": "/talk", "BELLHOP_LOG_FORMAT": "json",
           "REDIS_URL": "redis://127.0.0.1:1/0", "BELLHOP_API_SOCKET": "/nonexistent/api.sock"}  # fmt: skip
    with Stack(make_directory(), env=env) as stack:
        assert stack.env["BELLHOP_URL"].endswith("/talk")
        with stack.site.api("alice").stream("T-1") as stream:
            stream.wait_named("ping", deadline=5)
        assert stack.log("api").startswith("{")


def test_two_demos_side_by_side(stack, own):
    own.start()
    assert own.env["BELLHOP_URL"] != stack.env["BELLHOP_URL"]
    own.site.api("alice").sent("T-apart", "here")
    assert stack.site.api("alice").history("T-apart") == []


def test_the_certificate_is_worth_nothing_elsewhere(stack):
    """The authority signed one certificate, for this machine's own names, and its key is gone."""
    command = ["openssl", "x509", "-in", stack.env["BELLHOP_CA"], "-noout", "-text"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "CA:TRUE, pathlen:0" in text
    assert not list(stack.dir.glob("**/ca.key"))
    for name in ("localhost", "127.0.0.1"):
        url = stack.env["BELLHOP_URL"].replace("localhost", name) + "/v1/healthz"
        assert httpx.get(url, verify=stack.env["BELLHOP_CA"]).status_code == 200


# ---- the page


@pytest.mark.parametrize("server", ["stack", "lighttpd_stack", "apache_stack"])
def test_the_page_is_served_with_its_settings(request, server):
    stack = request.getfixturevalue(server)
    origin = stack.env["BELLHOP_URL"].removesuffix("/chat")
    page = httpx.get(origin + "/", verify=stack.site.ca)
    assert page.status_code == 200 and "default-src 'self'" in page.headers["Content-Security-Policy"]
    config = httpx.get(origin + "/config.json", verify=stack.site.ca)
    assert [person["as"] for person in config.json()["people"]] == ["agent", "requester"]
    assert config.headers["Cross-Origin-Resource-Policy"] == "same-origin"


@pytest.mark.parametrize("server", ["stack", "lighttpd_stack", "apache_stack"])
def test_the_streams_address_says_who_listens_on_the_demo_alone(request, server):
    stack = request.getfixturevalue(server)
    url = stack.site.url + "/v1/tickets/{}/stream?as={}"
    options = {"verify": stack.site.ca, "timeout": DEADLINE, "trust_env": False}
    for who in ("agent", "requester"):
        with httpx.stream("GET", url.format("T-1", who), **options) as response:
            assert response.status_code == 200
    for ticket, who in (("T-1", "nobody"), ("T-1", "agentx"), ("T-2", "agent")):
        assert httpx.get(url.format(ticket, who), **options).status_code == 401
    assert httpx.get(stack.site.url + "/v1/tickets/T-1/messages?as=agent", **options).status_code == 401
    for file in [*SOURCE.glob("nginx/bellhop*"), *SOURCE.glob("contrib/lighttpd/*"), *SOURCE.glob("contrib/apache/*")]:
        assert "arg_as" not in file.read_text() and "as=" not in file.read_text()
