# SPDX-License-Identifier: BSD-2-Clause
"""
nginx, lighttpd and Apache of a test's own, with the files that an operator includes, and php-fpm for a site that
has logins.
"""

import glob
import os
import pathlib
import pwd
import shutil
import socket
import subprocess

import httpx
from client import DEADLINE, wait_for
from fcgi_recorder import Recorder
from stack import SOURCE, free_port


# What bellhop.conf asks for, and what Debian's Apache has anyhow.
APACHE_MODULES = [
    "mpm_event", "authn_core", "authn_file", "authz_core", "authz_user", "auth_basic", "env", "setenvif", "mime", "dir",
    "reqtimeout", "deflate", "filter", "proxy", "alias", "asis", "buffer", "headers", "proxy_fcgi", "unique_id",
]  # fmt: skip


def is_root():
    return os.geteuid() == 0


def which(name):
    return shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")


class WebServer:
    """
    A web server with the operator's files. Behind it are recorders in its own directory, or the daemons whose
    sockets are in `sockets`; with `php`, who is logged in there is so in the chat. `site` is text for the server's
    configuration, `changes` are pairs of what stands in the operator's files and what a test wants there.
    """

    def __init__(self, name, directory, sockets=None, php=None, site="", changes=()):
        self.name, self.dir, self.port = name, pathlib.Path(directory), free_port()
        self.sockets = pathlib.Path(sockets or directory)
        self.php, self.site, self.changes = php, site, changes
        self.url = f"http://127.0.0.1:{self.port}"
        self.config = self.dir / f"{name}.conf"
        write = {"nginx": self._write_nginx, "lighttpd": self._write_lighttpd, "apache": self._write_apache}[name]
        self.command = write()

    def _adapt(self, source, target):
        text = source.read_text().replace("/run/bellhop/", f"{self.sockets}/")
        text = text.replace("/etc/apache2/bellhop/", f"{target.parent}/").replace("/etc/apache2/", f"{self.dir}/")
        text = text.replace("/etc/lighttpd/bellhop", f"{target.parent}/bellhop").replace("/etc/lighttpd/", f"{self.dir}/")
        if self.php:
            text = text.replace("#include ", "include ")
            text = text.replace("/run/php/php-fpm.sock", str(self.php.socket))
            text = text.replace("/var/www/bellhop/", f"{self.php.dir}/")
        for there, wanted in self.changes:
            text = text.replace(there, wanted)
        target.parent.mkdir(exist_ok=True)
        target.write_text(text)

    def _write_nginx(self):
        for source in (SOURCE / "nginx").glob("bellhop*"):
            self._adapt(source, self.dir / "bellhop" / source.name)
        temporary = "\n".join(
            f"{kind}_temp_path {self.dir}/{kind};" for kind in ("client_body", "fastcgi", "proxy", "uwsgi", "scgi")
        )
        pages = "location ~ [.]php$ { return 418; }"
        if self.php:
            pages = f"""
                location ~ \\.php$ {{
                    include /etc/nginx/fastcgi_params;
                    fastcgi_param SCRIPT_FILENAME {self.php.dir}$fastcgi_script_name;
                    fastcgi_pass unix:{self.php.socket};
                }}"""
        self.config.write_text(f"""
            daemon off; pid {self.dir}/nginx.pid; error_log {self.dir}/nginx.log;
            {"user root;" if is_root() else ""}
            events {{ worker_connections 2048; }}
            http {{
                access_log off; {temporary}
                include bellhop/bellhop_http.conf;
                server {{
                    listen 127.0.0.1:{self.port};
                    # A test can come from elsewhere.
                    set_real_ip_from 127.0.0.1; real_ip_header X-Test-Address;
                    {pages}
                    {self.site}
                    include bellhop/bellhop.conf;
                }}
            }}""")
        return [which("nginx"), "-c", str(self.config), "-e", f"{self.dir}/nginx.log"]

    def _write_lighttpd(self):
        for source in (SOURCE / "contrib" / "lighttpd").iterdir():
            self._adapt(source, self.dir / "included" / source.name)
        self.config.write_text(f"""
            server.document-root = "{self.dir}"
            server.bind = "127.0.0.1"
            server.port = {self.port}
            server.errorlog = "{self.dir}/lighttpd.log"
            server.upload-dirs = ( "{self.dir}" )
            {self.site}
            include "included/bellhop.conf"
        """)
        return [which("lighttpd"), "-D", "-f", str(self.config)]

    def _write_apache(self):
        for source in (SOURCE / "contrib" / "apache").iterdir():
            self._adapt(source, self.dir / "included" / source.name)
        modules = "\n".join(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so" for name in APACHE_MODULES)
        self.config.write_text(f"""
            {modules}
            ServerName localhost
            # One process of Debian's.
            StartServers 1
            ServerLimit 1
            ThreadsPerChild 25
            MaxRequestWorkers 25
            Listen 127.0.0.1:{self.port}
            PidFile {self.dir}/apache.pid
            ErrorLog {self.dir}/apache.log
            DefaultRuntimeDir {self.dir}
            TypesConfig /dev/null
            DocumentRoot {self.dir}
            <Directory />
                AllowOverride None
                Require all denied
            </Directory>
            <VirtualHost 127.0.0.1:{self.port}>
                Include {self.dir}/included/bellhop.conf
                {self.site}
            </VirtualHost>
        """)
        return [*self._as_nobody_special(), which("apache2"), "-D", "FOREGROUND", "-f", str(self.config)]

    @staticmethod
    def _as_nobody_special():
        """Apache does not serve as root; what is closed to others in a test's directory, it may open."""
        if not is_root():
            return []
        rights = ["--inh-caps=+dac_override", "--ambient-caps=+dac_override"]
        return ["setpriv", "--reuid=www-data", "--regid=www-data", "--init-groups", *rights]

    def __enter__(self):
        self.process = subprocess.Popen(self.command)
        wait_for(self._answers, f"{self.name}")
        return self

    def _answers(self):
        assert self.process.poll() is None, f"{self.name} has ended"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(DEADLINE)

    def api(self, answer=None):
        return Recorder(self.sockets / "api.sock", answer)

    def push(self, answer=None):
        return Recorder(self.sockets / "push.sock", answer)

    def raw(self, head, body=b""):
        """Sends exactly this, and returns the open connection."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE)
        connection.sendall(head.replace("\n", "\r\n").encode("latin-1") + b"\r\n" + body)
        return connection

    def call(self, method="GET", path="/chat/v1/tickets/T-1/messages", **more):
        return httpx.request(method, self.url + path, timeout=DEADLINE, trust_env=False, **more)


class Php:
    """php-fpm with a pool of its own, that of a site in `dir`; as nobody special, sessions and all."""

    def __init__(self, directory, env=None):
        self.dir = pathlib.Path(directory)
        self.socket = self.dir / "php.sock"
        sessions = self.dir / "sessions"
        sessions.mkdir()
        identity = ""
        if is_root():
            user = pwd.getpwnam("www-data")
            os.chmod(self.dir, 0o711)
            os.chown(sessions, user.pw_uid, user.pw_gid)
            identity = "user = www-data\ngroup = www-data"
        variables = "\n".join(f'env[{name}] = "{value}"' for name, value in (env or {}).items())
        config = self.dir / "php-fpm.conf"
        config.write_text(f"""
[global]
error_log = {self.dir}/php-fpm.log
daemonize = no
[site]
{identity}
listen = {self.socket}
pm = static
pm.max_children = 2
{variables}
php_admin_value[error_log] = {self.dir}/php.log
php_admin_value[opcache.enable] = 0
php_admin_value[session.save_path] = {sessions}
""")
        log = self.dir / "php.log"
        log.touch()
        log.chmod(0o666)
        self.command = [sorted(glob.glob("/usr/sbin/php-fpm[0-9]*"))[-1], "-y", str(config)]

    def add(self, name, text):
        """A page of the site."""
        page = self.dir / name
        page.write_text(text)
        page.chmod(0o644)

    def log(self):
        return (self.dir / "php.log").read_text()

    def __enter__(self):
        self.process = subprocess.Popen(self.command)
        wait_for(self.socket.exists, "php-fpm")
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(DEADLINE)
