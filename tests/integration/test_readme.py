# SPDX-License-Identifier: BSD-2-Clause
"""What README tells people to do is done here."""

import os
import re
import shutil
import subprocess

import pytest
from stack import SOURCE, build_dir

TEMPORARY = ("client_body", "fastcgi", "proxy", "uwsgi", "scgi")
README = (SOURCE / "README").read_text()


def blocks(kind):
    """The fenced blocks whose opening line says `kind`."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", README, re.S | re.M)


def shell(text, env, timeout=120, **options):
    command = ["sh", "-eu", "-c", text]
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=timeout, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def environment(stack, **more):
    path = f"{build_dir()}:{os.environ['PATH']}"
    return {**os.environ, **stack.env, "PATH": path, "BUILD_DIR": str(build_dir()), **more}


def test_the_two_commands_are_there():
    assert blocks("sh") == ["contrib/demo\n", "contrib/check\n"]
    for command in ("contrib/demo", "contrib/check"):
        assert os.access(SOURCE / command, os.X_OK)


def test_the_demo_commands(stack):
    (block,) = blocks("sh demo")
    block = block.replace("~/.local/state/bellhop-demo", str(stack.dir))
    block = block.replace("build/bellhop", f"{build_dir()}/bellhop")
    output = shell(block, os.environ)
    assert output.count("Hello from the terminal") >= 2


def test_the_calls_about_people(stack):
    (block,) = blocks("sh people")
    output = shell(block, environment(stack))
    for name in ("tickets", "total", "users", "seq", "role"):
        assert f'"{name}":' in output


def test_installing(tmp_path):
    """From the build that is there, into a directory of our own."""
    building, configuring = blocks("sh install")
    assert building.splitlines()[-1] == "sudo make install"
    shell(f"make -s -C {build_dir()} install DESTDIR={tmp_path}/root prefix=/usr", os.environ)
    programs = sorted(os.listdir(tmp_path / "root" / "usr" / "bin"))
    assert {"bellhop", "bellhop-api", "bellhop-archive", "bellhop-push"} <= set(programs)
    # The settings as README writes them down, with this directory for /etc/bellhop and no sudo.
    text = configuring.replace("sudo ", "").replace("/etc/bellhop", f"{tmp_path}/etc")
    text = text[: text.index("bellhop migrate")] + f"bellhop -c {tmp_path}/etc/bellhop.conf config\n"
    output = shell(text, {**os.environ, "PATH": f"{tmp_path}/root/usr/bin:{os.environ['PATH']}"})
    assert "CHANGE_ME" not in output, "a secret is not shown"
    assert (tmp_path / "etc" / "jwt.key").stat().st_mode & 0o077 == 0


def mint_php(stack, directory):
    (directory / "mint.php").write_text(blocks("php")[0])
    return shell(f"php -d include_path={SOURCE} {directory}/mint.php", environment(stack), cwd=SOURCE)


def mint_python(stack, directory):
    (directory / "mint.py").write_text(blocks("python")[0])
    env = environment(stack, PYTHONDONTWRITEBYTECODE="1")
    return shell(f"/usr/bin/python3 {directory}/mint.py", env, cwd=SOURCE)


def mint_perl(stack, directory):
    (directory / "mint.pl").write_text(blocks("perl")[0])
    return shell(f"perl {directory}/mint.pl", environment(stack), cwd=SOURCE)


def mint_shell(stack, directory):
    return shell(blocks("sh token")[0], environment(stack), cwd=directory)


@pytest.mark.parametrize("mint", [mint_php, mint_python, mint_perl, mint_shell])
def test_a_token_minted_as_readme_says_is_accepted(stack, tmp_path, mint):
    import requests

    token = mint(stack, tmp_path).strip()
    headers = {"Authorization": f"Bearer {token}"}
    options = {"verify": stack.site.ca, "headers": headers, "timeout": 10}
    answer = requests.get(stack.site.url + "/v1/auth", **options)
    assert answer.status_code == 204, answer.text
    assert (answer.headers["X-Bellhop-User"], answer.headers["X-Bellhop-Role"]) == ("bob", "requester")
    for ticket, status in (("T-1", 200), ("T-2", 403)):
        assert requests.get(f"{stack.site.url}/v1/tickets/{ticket}/messages", **options).status_code == status


def test_nginx_takes_the_block(stack, tmp_path):
    (block,) = blocks("nginx")
    shutil.copytree(SOURCE / "nginx", tmp_path / "bellhop")
    certificate = stack.dir / "secret" / "tls.pem"
    block = re.sub(r"/etc/ssl/\S+(?=;)", str(certificate), block).replace("listen 443", "listen 127.0.0.1:65000")
    temporary = "".join(f"{kind}_temp_path {tmp_path}/{kind}; " for kind in TEMPORARY)
    block = block.replace("http {", f"http {{ access_log {tmp_path}/access.log; {temporary}", 1)
    (tmp_path / "nginx.conf").write_text(f"pid {tmp_path}/pid; events {{}}\n{block}")
    command = ["/usr/sbin/nginx", "-t", "-c", tmp_path / "nginx.conf", "-e", tmp_path / "error.log"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_apache_takes_the_block(stack, tmp_path):
    (block,) = blocks("apache")
    shutil.copytree(SOURCE / "contrib" / "apache", tmp_path / "bellhop")
    certificate = stack.dir / "secret" / "tls.pem"
    block = re.sub(r"/etc/ssl/\S+", str(certificate), block).replace("/etc/apache2/bellhop", f"{tmp_path}/bellhop")
    asked = re.search(r"a2enmod (.*)", (SOURCE / "contrib" / "apache" / "bellhop.conf").read_text())[1].split()
    modules = ["mpm_event", "authz_core", "env", "ssl", "proxy", *asked]
    loads = "\n".join(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so" for name in modules)
    options = f"ServerName localhost\nDefaultRuntimeDir {tmp_path}\nErrorLog {tmp_path}/log\n"
    (tmp_path / "apache.conf").write_text(loads + "\n" + options + block)
    done = subprocess.run(["/usr/sbin/apache2", "-t", "-f", tmp_path / "apache.conf"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_file_that_is_named_is_there():
    for name in set(re.findall(r"`((?:contrib|nginx|sql|src)/[\w./-]*)", README)) - {"nginx/"}:
        assert (SOURCE / name).exists(), name


def test_sealing(stack, tmp_path):
    (block,) = blocks("sh seal")
    conf = tmp_path / "bellhop.conf"
    conf.write_text((stack.dir / "bellhop.conf").read_text())
    shell(block.replace("/etc/bellhop", str(tmp_path)), environment(stack))
    assert f"BELLHOP_SEAL_KEYS_FILE={tmp_path}/seal.keys" in conf.read_text().splitlines()
    shell(f"bellhop-api -t -c {conf} && bellhop-push -t -c {conf}", environment(stack))
