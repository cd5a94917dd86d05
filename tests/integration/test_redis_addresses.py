# SPDX-License-Identifier: BSD-2-Clause
"""A Redis whose name stands for several addresses, of which not every one is its own."""

import contextlib
import socket

import pytest
from client import wait_for
from conftest import running_stack
from daemon import daemons, settings_of_name

NAME, OTHER, OWN = "redis.example.org", "127.0.0.2", "127.0.0.1"


@pytest.fixture(scope="module")
def stack(request):
    for stack in running_stack(request):
        for name in ("push", "api", "archive"):
            stack.stop(name)
        yield stack


def settings_of(stack, tmp_path, *addresses, **more):
    urls = {"REDIS_URL": "bellhop", "REDIS_ADMIN_URL": "bellhop-admin"}
    urls = {setting: stack.redis_url(user).replace(f"@{OWN}:", f"@{NAME}:") for setting, user in urls.items()}
    assert all(NAME in url for url in urls.values())
    return {**urls, **settings_of_name(tmp_path, NAME, *addresses), **more}


def is_mode(api, mode):
    return api.call("GET", "/v1/readyz").headers.get("Bellhop-Mode") == mode


@contextlib.contextmanager
def silence(port):
    """Somebody at the other address who takes connections, and never says anything."""
    with socket.create_server((OTHER, port)):
        yield


@pytest.fixture(params=["nobody", "silence"])
def other(request, stack):
    """What is at the address that is not the server's."""
    with silence(stack.redis().connection_pool.connection_kwargs["port"]) if request.param == "silence" else (
        contextlib.nullcontext()
    ):
        yield request.param


def connected(stack):
    return {client["id"]: client["name"] for client in stack.redis().client_list()}


@pytest.mark.parametrize("addresses", [(OTHER, OWN), (OWN, OTHER)], ids=" ".join)
def test_the_address_that_answers_is_found(stack, ticket, tmp_path, other, addresses):
    settings = settings_of(stack, tmp_path, *addresses)
    # A command makes one attempt.
    done = stack.bellhop("check", env=settings)
    assert "ok       redis functions" in done.stdout and "error    redis" not in done.stdout, done.stdout
    api = stack.site.api("alice")
    with daemons(stack, **settings) as running:
        wait_for(lambda: is_mode(api, "full"), "mode full")
        with api.stream(ticket) as stream:
            stream.wait_named("hello")
            sent = [api.sent(ticket, f"number {number}") for number in range(3)]
            stream.wait_messages(len(sent))
            assert api.call("POST", f"/v1/tickets/{ticket}/typing", json={"typing": True}).status_code == 204
            stream.wait_named("typing-start")
        assert {"bellhop-api", "bellhop-archive", "bellhop-push"} <= set(connected(stack).values())
        # So was the first attempt of each.
        for daemon in running:
            assert "could not connect" not in daemon.text()


def test_it_is_found_again(stack, ticket, tmp_path):
    api = stack.site.api("alice")
    with daemons(stack, **settings_of(stack, tmp_path, OTHER, OWN)):
        wait_for(lambda: is_mode(api, "full"), "mode full")
        with api.stream(ticket) as stream:
            stream.wait_named("hello")
            before = connected(stack)
            for number in before:
                stack.redis().client_kill_filter(_id=number)
            api.sent(ticket, "to those who come back")
            stream.wait_messages(1)

            def are_back():
                now = connected(stack)
                assert not set(now) & set(before)
                return {"bellhop-api", "bellhop-archive", "bellhop-push"} <= set(now.values())

            wait_for(are_back, "new connections")
            wait_for(lambda: is_mode(api, "full"), "mode full")
            api.sent(ticket, "to all")
            stream.wait_messages(2)


def test_of_none_it_says_why(stack, ticket, tmp_path):
    settings = settings_of(stack, tmp_path, OTHER, "127.0.0.3")
    reason = f"{OTHER}: could not connect: Connection refused; 127.0.0.3: could not connect: Connection refused"
    done = stack.bellhop("check", env=settings)
    assert done.returncode == 2 and f"error    redis: server unavailable: {reason}" in done.stdout, done.stdout
    api = stack.site.api("alice")
    with daemons(stack, **settings) as running:
        wait_for(lambda: running[1].answers() and running[2].answers(), "the daemons")
        api.sent(ticket, "without Redis")
        for daemon in running:
            wait_for(lambda daemon=daemon: reason in daemon.text(), f"{daemon.name} to say why")
