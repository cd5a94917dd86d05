# SPDX-License-Identifier: BSD-2-Clause
"""contrib/{php,python,perl}: a host application's page of code in each language, run as its operator would."""

import http.server
import os
import subprocess
import threading

import pytest
from stack import SOURCE

SAMPLES = {
    "php": ["php", str(SOURCE / "contrib/php/bellhop.php")],
    "python": ["/usr/bin/python3", "-B", str(SOURCE / "contrib/python/bellhop.py")],
    "perl": ["perl", str(SOURCE / "contrib/perl/Bellhop.pm")],
}


@pytest.fixture(params=SAMPLES)
def sample(request):
    return SAMPLES[request.param]


def run(sample, stack, *arguments, timeout=60, **env):
    settings = {**os.environ, **stack.env, **env}
    return subprocess.run([*sample, *arguments], capture_output=True, text=True, env=settings, timeout=timeout)


def test_it_posts_a_system_message(stack, site, ticket, sample):
    done = run(sample, stack, ticket, 'Zimmer «4711» ist bereit: "süß" 😀')
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{ticket} 1\n"
    (message,) = site.api("anna").history(ticket)
    assert message["content"] == 'Zimmer «4711» ist bereit: "süß" 😀'
    assert (message["kind"], message["sender_id"]) == ("system", "site")
    assert site.api("anna").get(f"/v1/tickets/{ticket}").json()["participants"] == [], "the site takes no part"


def test_a_refusal_is_said(stack, site, ticket, sample):
    done = run(sample, stack, ticket, "")
    assert done.returncode not in (0, 2)
    assert "400" in done.stderr + done.stdout
    assert site.api("anna").history(ticket) == []


def test_wrong_arguments(stack, sample):
    done = run(sample, stack, "T-1")
    assert done.returncode != 0
    assert "usage" in done.stderr


class Hesitant(http.server.BaseHTTPRequestHandler):
    """Stores what comes, and says the first time that it is not available."""

    def do_POST(self):
        self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        status = 503 if len(self.server.bodies) == 1 else 201
        self.send_response(status)
        self.end_headers()
        self.wfile.write(b'{"ticket_id": "T-1", "seq": 7}')

    def log_message(self, *_):
        pass


def test_what_may_have_failed_is_said_again_with_the_same_id(stack, sample):
    with http.server.HTTPServer(("127.0.0.1", 0), Hesitant) as server:
        server.bodies = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        done = run(sample, stack, "T-1", "again", BELLHOP_URL=f"http://127.0.0.1:{server.server_port}/chat")
        server.shutdown()
    assert done.returncode == 0, done.stderr
    assert done.stdout == "T-1 7\n"
    assert len(server.bodies) == 2 and server.bodies[0] == server.bodies[1]
