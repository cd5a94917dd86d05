# SPDX-License-Identifier: BSD-2-Clause
"""
The stacks of the integration and browser tests. `stack` and `site` are shared and must stay whole; `breakable`
is shared too, and mended before each test that takes it.
"""

import itertools
import os
import pathlib
import secrets
import shutil
import sys
import tempfile
import urllib.parse
import uuid

import psycopg2
import pytest

TESTS = pathlib.Path(__file__).parent
sys.path[:0] = [str(TESTS), str(TESTS / "integration")]

pytest.register_assert_rewrite("model")

from client import wait_for  # noqa: E402
from stack import Stack  # noqa: E402

RUN = secrets.token_hex(3)
NUMBERS = itertools.count(1)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """In CI a test that is skipped has failed: nothing may pass for tested that was not."""
    report = (yield).get_result()
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("CI") == "true":
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid}: skipped, which CI does not allow: {call.excinfo.value}"


def running_stack(request, **options):
    """A generator for fixtures: a stack of its own, whose directory stays where a test failed."""
    failed_before = request.session.testsfailed
    # Not pytest's own directory: its path is long, and closed to PostgreSQL's user.
    stack = Stack(tempfile.mkdtemp(prefix="bellhop-test-"), **options)
    try:
        yield stack.start()
    finally:
        stack.stop()
        if request.session.testsfailed > failed_before:
            print(f"kept for inspection: {stack.dir}")
        else:
            shutil.rmtree(stack.dir, ignore_errors=True)


@pytest.fixture(scope="session")
def stack(request):
    yield from running_stack(request)


@pytest.fixture(scope="session")
def lighttpd_stack(request):
    yield from running_stack(request, server="lighttpd")


@pytest.fixture(scope="session")
def apache_stack(request):
    yield from running_stack(request, server="apache")


@pytest.fixture(scope="session")
def trusting_stack(request):
    """Believes what its web server says about who is asking, for pages of http://desk.test."""
    env = {"BELLHOP_TRUST_PARAMS": "yes", "BELLHOP_ALLOWED_ORIGINS": "http://desk.test"}
    yield from running_stack(request, env=env)


@pytest.fixture(scope="session")
def quick_stack(request):
    """Heartbeats come every second."""
    yield from running_stack(request, env={"BELLHOP_HEARTBEAT_MS": "1000"})


@pytest.fixture(scope="session")
def two_pushes(request):
    """A ticket's streams go to one of two push processes."""
    yield from running_stack(request, pushes=2)


@pytest.fixture(scope="session")
def breakable_stack(request):
    yield from running_stack(request)


@pytest.fixture
def breakable(breakable_stack):
    """The daemons find out each for itself that a store is back; the start waits for the api alone."""
    mender = breakable_stack.start().site.api("mender")

    def push_is_well():
        answer = mender.get("/v1/tickets/T-mended/poll", wait=0)
        return answer.status_code == 200 and answer.headers["Bellhop-Mode"] == "full"

    wait_for(push_is_well, "the push process to have both stores")
    return breakable_stack


@pytest.fixture
def site(stack):
    return stack.site


@pytest.fixture
def quick_site(quick_stack):
    return quick_stack.site


@pytest.fixture
def ticket():
    """A ticket that no other test uses."""
    return f"T-{RUN}-{next(NUMBERS)}"


@pytest.fixture
def make_directory():
    """make_directory() → a new directory with a short path; gone after the test."""
    directories = []

    def make():
        directories.append(tempfile.mkdtemp(prefix="bellhop-test-"))
        return directories[-1]

    yield make
    for directory in directories:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def database(stack):
    """Settings that lead to an empty database."""
    url = urllib.parse.urlsplit(stack.owner_url)
    name = f"t_{uuid.uuid4().hex}"
    admin = psycopg2.connect(
        host=url.hostname, port=url.port, user="admin", password=stack.admin_password, dbname="postgres"
    )
    admin.autocommit = True
    with admin.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name} OWNER {url.username}")
    yield {
        "DATABASE_OWNER_URL": url._replace(path=f"/{name}").geturl(),
        "DATABASE_URL": urllib.parse.urlsplit(stack.env["DATABASE_URL"])._replace(path=f"/{name}").geturl(),
    }
    with admin.cursor() as cursor:
        cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")
    admin.close()
