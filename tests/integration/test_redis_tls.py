# SPDX-License-Identifier: BSD-2-Clause
"""rediss://: everything by TLS, faults included, and whatever is not to be trusted is not spoken to."""

import contextlib
import datetime
import ipaddress
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess

import pytest
import redis
from client import DEADLINE, wait_for
from conftest import running_stack
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from daemon import Daemon, daemons, settings_of_name
from stack import SOURCE, free_port

UNTRUSTED = "TLS: (self-signed certificate in certificate chain|unable to get local issuer certificate)"
# It may also take what TLS says for the beginning of a command.
NOT_TLS = "TLS: wrong version number|closed the connection|reset by peer|in time"
NOW = datetime.datetime.utcnow()


class Authority:
    """Signs certificates; what it makes is in a directory of its own."""

    def __init__(self, directory, name):
        self.directory = pathlib.Path(directory)
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.file = self.directory / f"{name}.pem"
        certificate = self._sign(self.name, self.key.public_key(), x509.BasicConstraints(True, 0), days=1)
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def _sign(self, subject, key, *extensions, days):
        begin = NOW - datetime.timedelta(days=10)
        builder = x509.CertificateBuilder(self.name, subject, key, x509.random_serial_number(), begin,
                                          NOW + datetime.timedelta(days=days))  # fmt: skip
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def issue(self, name, hosts=("127.0.0.1", "localhost"), days=1):
        """(certificate, key), files"""
        names = [x509.DNSName(host) if re.search("[a-z]", host) else x509.IPAddress(ipaddress.ip_address(host))
                 for host in hosts]  # fmt: skip
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        certificate = self._sign(subject, key.public_key(), x509.SubjectAlternativeName(names), days=days)
        files = self.directory / f"{name}.crt", self.directory / f"{name}.key"
        files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        files[1].touch(0o600)
        files[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                               serialization.NoEncryption()))  # fmt: skip
        return files


def answers_at(address, port):
    with contextlib.suppress(OSError):
        return socket.create_connection((address, port), 1).close() is None


class Server:
    """A Redis with the users of a stack's, that speaks TLS alone."""

    def __init__(self, stack, authority, files, directory, *extra):
        self.stack, self.authority, self.port = stack, authority, free_port()
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(exist_ok=True)
        shutil.copy(stack.dir / "redis" / "users.acl", self.directory)
        certificate, key = files
        (self.directory / "redis.conf").write_text("\n".join((
            f"include {SOURCE}/contrib/redis/redis.conf", "bind 127.0.0.1", "port 0", f"tls-port {self.port}",
            f"dir {self.directory}", f"aclfile {self.directory}/users.acl", f"logfile {self.directory}/log",
            f"tls-cert-file {certificate}", f"tls-key-file {key}", f"tls-ca-cert-file {authority.file}",
            "tls-auth-clients no", *extra)))  # fmt: skip
        self.start()

    def start(self):
        self.process = subprocess.Popen(["redis-server", self.directory / "redis.conf"], stdin=subprocess.DEVNULL)
        wait_for(self.answers, "Redis")

    def answers(self):
        return answers_at("127.0.0.1", self.port)

    def admin(self, **options):
        return redis.Redis(port=self.port, ssl=True, ssl_ca_certs=str(self.authority.file), username="admin",
                           password=self.stack.admin_password, **options)  # fmt: skip

    def url(self, user="bellhop", host="127.0.0.1", scheme="rediss", port=None):
        credentials = self.stack.redis_url(user).partition("//")[2].rpartition("@")[0]
        return f"{scheme}://{credentials}@{host}:{port or self.port}/0"

    def kill(self):
        self.process.kill()
        self.process.wait(DEADLINE)


@pytest.fixture(scope="module")
def stack(request):
    for stack in running_stack(request):
        for name in ("push", "api", "archive"):
            stack.stop(name)
        yield stack


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("tls"), "authority")


@pytest.fixture
def serve(stack, authority, tmp_path):
    servers = []

    def start(*extra, files=None):
        files = files or authority.issue(f"server{len(servers)}")
        servers.append(Server(stack, authority, files, tmp_path / f"redis{len(servers)}", *extra))
        return servers[-1]

    yield start
    for server in servers:
        server.kill()


def settings_of(server, **more):
    return {"REDIS_URL": server.url(), "REDIS_ADMIN_URL": server.url("bellhop-admin"),
            "REDIS_CA": str(server.authority.file), **more}  # fmt: skip


def is_mode(api, mode):
    return api.call("GET", "/v1/readyz").headers.get("Bellhop-Mode") == mode


def chat(api, ticket, count=3):
    with api.stream(ticket) as stream:
        stream.wait_named("hello")
        for number in range(count):
            api.sent(ticket, f"number {number}")
        stream.wait_messages(count)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_the_whole_of_it(stack, serve, ticket, host):
    server = serve()
    settings = settings_of(server, REDIS_URL=server.url(host=host))
    api = stack.site.api("alice")
    with daemons(stack, **settings):
        wait_for(lambda: is_mode(api, "full"), "mode full")
        with api.stream(ticket) as stream:
            sent = [api.sent(ticket, "x" * 16000) for _ in range(12)]
            stream.wait_messages(len(sent))
            assert api.call("POST", f"/v1/tickets/{ticket}/typing", json={"typing": True}).status_code == 204
            stream.wait_named("typing-start")
        assert [m["seq"] for m in api.history(ticket)] == [m["seq"] for m in sent]
        assert api.call("GET", "/v1/health/redis").json()["status"] == "connected"
        names = {client["name"] for client in server.admin().client_list()}
        assert {"bellhop-api", "bellhop-archive", "bellhop-push"} <= names
        done = stack.bellhop("check", env=settings)
        assert "redis functions" in done.stdout and "error    redis" not in done.stdout, done.stdout
        assert server.admin().acl_log() == [] or {
            entry["client-info"]["name"] for entry in server.admin().acl_log()
        } == {"bellhop-check"}


@pytest.mark.parametrize("other", ["nobody", "silence", "no TLS"])
def test_a_name_whose_second_address_it_is(stack, authority, serve, ticket, tmp_path, other):
    name = "redis.example.org"
    server = serve(files=authority.issue("named", [name]))
    settings = settings_of(server, REDIS_URL=server.url(host=name),
                           REDIS_ADMIN_URL=server.url("bellhop-admin", host=name),
                           **settings_of_name(tmp_path, name, "127.0.0.2", "127.0.0.1"))  # fmt: skip
    api = stack.site.api("alice")
    with contextlib.ExitStack() as cleaning:
        if other == "silence":
            cleaning.enter_context(socket.create_server(("127.0.0.2", server.port)))
        elif other == "no TLS":
            plain = ["redis-server", "--bind", "127.0.0.2", "--port", str(server.port), "--save", ""]
            cleaning.callback(subprocess.Popen(plain, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL).kill)
            wait_for(lambda: answers_at("127.0.0.2", server.port), "the other Redis")
        # A command makes one attempt.
        done = stack.bellhop("check", env=settings)
        assert "ok       redis version" in done.stdout and "error    redis:" not in done.stdout, done.stdout
        running = cleaning.enter_context(daemons(stack, **settings))
        wait_for(lambda: is_mode(api, "full"), "mode full")
        chat(api, ticket)
        names = {client["name"] for client in server.admin().client_list()}
        assert {"bellhop-api", "bellhop-archive", "bellhop-push"} <= names
        # So was the first attempt of each.
        for daemon in running:
            assert "could not connect" not in daemon.text()


def test_redis_hangs_and_dies(stack, serve, ticket):
    server = serve()
    api = stack.site.api("alice")
    with daemons(stack, **settings_of(server)):
        wait_for(lambda: is_mode(api, "full"), "mode full")
        with api.stream(ticket, init=50) as stream:
            api.sent(ticket, "before")
            os.kill(server.process.pid, signal.SIGSTOP)
            for number in range(3):
                api.sent(ticket, f"while it hangs {number}")
            stream.wait_messages(4)
            assert is_mode(api, "no-redis")
            os.kill(server.process.pid, signal.SIGCONT)
            wait_for(lambda: is_mode(api, "full"), "mode full")
            server.kill()
            api.sent(ticket, "while it is gone")
            stream.wait_messages(5)
            server.start()
            wait_for(lambda: is_mode(api, "full"), "mode full")
            api.sent(ticket, "after")
            stream.wait_messages(6)


def refused(stack, serve, ticket, reason, settings):
    """Chat goes on without Redis, and every daemon says why it is not there."""
    api = stack.site.api("alice")
    with daemons(stack, **settings) as running:
        wait_for(lambda: running[1].answers() and running[2].answers(), "the daemons")
        wait_for(lambda: is_mode(api, "no-redis"), "mode no-redis")
        chat(api, ticket)
        for daemon in running:
            wait_for(lambda: re.search(reason, daemon.text()), f"{daemon.name} to say why", 10)  # noqa: B023
    done = stack.bellhop("check", env=settings)
    assert done.returncode == 2 and re.search(f"error    redis: .*{reason}", done.stdout), done.stdout


def test_another_authority(stack, serve, ticket, tmp_path):
    server, other = serve(), Authority(tmp_path, "other")
    refused(stack, serve, ticket, UNTRUSTED, settings_of(server, REDIS_CA=str(other.file)))


def test_the_systems_authorities_are_the_default(stack, serve):
    server = serve()
    done = stack.bellhop("check", env=settings_of(server, REDIS_CA=""))
    assert re.search(f"error    redis: .*{UNTRUSTED}", done.stdout), done.stdout


def test_a_certificate_whose_time_is_over(stack, authority, serve, ticket):
    server = serve(files=authority.issue("late", days=-1))
    refused(stack, serve, ticket, "TLS: certificate has expired", settings_of(server))


@pytest.mark.parametrize("host, hosts, reason", [
    ("127.0.0.1", ["127.0.0.2", "redis.example.org"], "TLS: IP address mismatch"),
    ("localhost", ["127.0.0.1", "redis.example.org"], "TLS: hostname mismatch"),
])  # fmt: skip
def test_a_certificate_of_another_host(stack, authority, serve, ticket, host, hosts, reason):
    server = serve(files=authority.issue("elsewhere", hosts))
    refused(stack, serve, ticket, reason, settings_of(server, REDIS_URL=server.url(host=host)))


def test_a_server_without_tls(stack, serve, ticket):
    server = serve(f"port {free_port()}")
    plain = server.admin().config_get("port")["port"]
    refused(stack, serve, ticket, f"({NOT_TLS})", settings_of(server, REDIS_URL=server.url(port=plain)))


def test_old_versions_of_tls(stack, serve):
    server = serve('tls-protocols "TLSv1 TLSv1.1"', "tls-ciphers DEFAULT@SECLEVEL=0")
    done = stack.bellhop("check", env=settings_of(server))
    assert re.search("error    redis: .*TLS: .*version", done.stdout), done.stdout


def test_a_certificate_of_ours(stack, authority, serve, ticket):
    server = serve("tls-auth-clients yes")
    done = stack.bellhop("check", env=settings_of(server))
    assert re.search("error    redis: .*TLS: .*certificate required", done.stdout), done.stdout
    certificate, key = authority.issue("client")
    settings = settings_of(server, REDIS_CERT_FILE=str(certificate), REDIS_KEY_FILE=str(key))
    api = stack.site.api("alice")
    with daemons(stack, **settings):
        wait_for(lambda: is_mode(api, "full"), "mode full")
        chat(api, ticket)
    both = certificate.with_name("both.pem")
    both.touch(0o600)
    both.write_bytes(certificate.read_bytes() + key.read_bytes())
    done = stack.bellhop("check", env=settings_of(server, REDIS_CERT_FILE=str(both)))
    assert "error    redis:" not in done.stdout, done.stdout


def spoil_rights(certificate, key, other):
    key.chmod(0o644)
    return certificate, key


@pytest.mark.parametrize("spoil, reason", [
    (spoil_rights, "others"),
    (lambda certificate, key, other: (certificate, other), "is not that of the certificate"),
    (lambda certificate, key, other: (key, key), "could not use the certificate in"),
    (lambda certificate, key, other: (certificate, "/nonexistent"), "/nonexistent"),
])  # fmt: skip
def test_files_that_cannot_be_used(stack, authority, tmp_path, spoil, reason):
    files = authority.issue("spoilt")
    certificate, key = spoil(*files, authority.issue("another")[1])
    settings = {"REDIS_URL": "rediss://127.0.0.1:1/0", "REDIS_CERT_FILE": str(certificate), "REDIS_KEY_FILE": str(key)}
    with Daemon(stack, "api", str(tmp_path / "api.sock"), **settings) as daemon:
        assert daemon.process.wait(DEADLINE) != 0
        assert reason in daemon.text()


def test_authorities_that_cannot_be_read(stack):
    done = stack.bellhop("check", env={"REDIS_URL": "rediss://127.0.0.1:1/0", "REDIS_CA": "/nonexistent"})
    assert "error    redis: could not read the authorities in /nonexistent" in done.stdout


def test_a_backup(stack, serve, tmp_path):
    server = serve()
    server.admin().set("bellhop:kept", "x")
    settings = {**settings_of(server), "REDIS_BACKUP_URL": server.url("bellhop-backup")}
    done = subprocess.run(
        [SOURCE / "contrib" / "backup", "-c", stack.config, "save", tmp_path / "saved"],
        env={**os.environ, **settings}, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "saved" / "redis.rdb").read_bytes().startswith(b"REDIS")


def test_stunnel(stack, serve, ticket, tmp_path):
    """As contrib/redis/stunnel.conf says, with these addresses and files."""
    server, port = serve(), free_port()
    text = (SOURCE / "contrib" / "redis" / "stunnel.conf").read_text()
    for old, new in (
        ("/run/bellhop/stunnel.pid", f"{tmp_path}/pid\nforeground = yes"),
        ("127.0.0.1:6380", f"127.0.0.1:{port}"),
        ("connect = redis.example.org:6379", f"connect = 127.0.0.1:{server.port}"),
        ("checkHost = redis.example.org", "checkHost = localhost"),
        ("/etc/ssl/certs/ca-certificates.crt", str(server.authority.file)),
    ):
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "stunnel.conf").write_text(text)
    with open(tmp_path / "stunnel.log", "w") as log:
        tunnel = subprocess.Popen(["stunnel", tmp_path / "stunnel.conf"], stdin=subprocess.DEVNULL, stderr=log)
    try:
        api = stack.site.api("alice")
        settings = {name: server.url(user, scheme="redis", port=port)
                    for name, user in (("REDIS_URL", "bellhop"), ("REDIS_ADMIN_URL", "bellhop-admin"))}  # fmt: skip
        with daemons(stack, **settings):
            wait_for(lambda: is_mode(api, "full"), "mode full")
            chat(api, ticket)
            server.kill()
            wait_for(lambda: is_mode(api, "no-redis"), "mode no-redis")
            chat(api, ticket)
            server.start()
            wait_for(lambda: is_mode(api, "full"), "mode full")
    finally:
        tunnel.kill()
        tunnel.wait()


def test_a_bellhop_without_openssl(tmp_path):
    options = ["--quiet", "--without-openssl", "CFLAGS=-O0"]
    subprocess.run([SOURCE / "configure", *options], cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["make", "-s", "-j2", "bellhop"], cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
    needed = subprocess.run(["readelf", "-d", tmp_path / "bellhop"], capture_output=True, text=True, check=True).stdout
    assert "libssl" not in needed
    done = subprocess.run(
        [tmp_path / "bellhop", "-c", "/dev/null", "check"],
        env={**os.environ, "REDIS_URL": "rediss://127.0.0.1:1/0"}, capture_output=True, text=True, timeout=DEADLINE,
    )  # fmt: skip
    assert "built without OpenSSL; use a local stunnel" in done.stdout
