# SPDX-License-Identifier: BSD-2-Clause
"""Stacks for the integration tests: two that many tests share, and any number of one's own."""

import shutil
import tempfile

import pytest

from stack import Stack


def new_directory():
    """Not pytest's own: its path is long and closed to PostgreSQL's user."""
    return tempfile.mkdtemp(prefix="bellhop-test-")


@pytest.fixture
def make_stack(request):
    """make_stack(server=…, env=…) → a started Stack that this test may break as it likes."""
    stacks = []

    def make(**options):
        stack = Stack(new_directory(), **options)
        stacks.append(stack)
        return stack.start()

    yield make
    for stack in stacks:
        finish(request, stack)


@pytest.fixture(scope="session")
def nginx_stack(request):
    stack = Stack(new_directory())
    yield stack.start()
    finish(request, stack)


@pytest.fixture(scope="session")
def lighttpd_stack(request):
    stack = Stack(new_directory(), server="lighttpd")
    yield stack.start()
    finish(request, stack)


@pytest.fixture
def stack(nginx_stack):
    """The shared stack behind nginx, whole again whatever the test before did to it."""
    return nginx_stack


@pytest.fixture
def ticket(nginx_stack):
    """A ticket that no other test uses."""
    return nginx_stack.new_ticket()


def finish(request, stack):
    stack.stop()
    if request.session.testsfailed:
        print(f"kept for inspection: {stack.dir}")
    else:
        shutil.rmtree(stack.dir, ignore_errors=True)
