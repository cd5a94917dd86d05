# SPDX-License-Identifier: BSD-2-Clause
"""
contrib/openapi.yaml as the judge of every answer that a test gets: its status, media type, headers and body, and
the data of every live event. Members that the document does not name are faults here, though clients ignore them.
"""

import functools
import pathlib
import re

import jsonschema
import yaml

DOCUMENT = pathlib.Path(__file__).resolve().parents[2] / "contrib" / "openapi.yaml"


@functools.cache
def document():
    contract = yaml.safe_load(DOCUMENT.read_text())
    make_strict(contract, bases(contract))
    return contract


def walk(node):
    """The node and everything in it that is a mapping."""
    if isinstance(node, dict):
        yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from walk(child)


def bases(contract):
    """The schemas that others extend: they cannot know what else there will be."""
    refs = {part.get("$ref") for node in walk(contract) for part in node.get("allOf", ())}
    return {id(resolve(contract, {"$ref": ref})) for ref in refs if ref}


def make_strict(contract, lenient):
    parts = {id(part) for node in walk(contract) for part in node.get("allOf", ()) if isinstance(part, dict)}
    for node in list(walk(contract)):
        describes = isinstance(node.get("properties"), dict) or "allOf" in node
        if describes and id(node) not in lenient | parts and "additionalProperties" not in node:
            node["unevaluatedProperties"] = False


def resolve(contract, node):
    while "$ref" in node:
        target = contract
        for name in node["$ref"].removeprefix("#/").split("/"):
            target = target[name]
        node = target
    return node


@functools.cache
def validator(pointer):
    """For the schema at a place of the document, given as its path of keys."""
    contract = document()
    schema = {"$ref": "#/" + "/".join(key.replace("~", "~0").replace("/", "~1") for key in pointer)}
    resolver = jsonschema.RefResolver("", contract)
    return jsonschema.Draft202012Validator(schema, resolver=resolver)


def fault(pointer, value):
    """What is wrong with the value, or None."""
    error = jsonschema.exceptions.best_match(validator(pointer).iter_errors(value))
    if error is None:
        return None
    return f"{'/'.join(map(str, error.absolute_path)) or 'it'}: {error.message}"


@functools.cache
def patterns():
    """(pattern, path) of every path, those without placeholders first."""
    found = []
    for path in sorted(document()["paths"], key=lambda path: path.count("{")):
        found.append((re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path)) + "$"), path))
    return found


def operation_of(method, path):
    """(path in the document, operation), or (None, None) where the document knows none."""
    method = "get" if method == "HEAD" else method.lower()
    for pattern, template in patterns():
        if pattern.match(path):
            return template, document()["paths"][template].get(method)
    return None, None


def check_answer(method, path, answer):
    """`path` begins with /v1, without a query; `answer` is one of requests. Raises AssertionError."""
    template, operation = operation_of(method, path)
    if operation is None:
        assert answer.status_code in (400, 401, 404, 405, 413, 429, 503), (
            f"{method} {path} is not in the contract, and is answered with {answer.status_code}"
        )
        return
    status = str(answer.status_code)
    assert status in operation["responses"] or answer.status_code >= 400, (
        f"{method} {template}: the contract knows no {status}"
    )
    check_limit(template, operation, answer)
    key = status if status in operation["responses"] else "default"
    entry = operation["responses"][key]
    pointer = ("paths", template, "get" if method == "HEAD" else method.lower(), "responses", key)
    if "$ref" in entry:
        pointer = tuple(entry["$ref"].removeprefix("#/").split("/"))
    response = resolve(document(), entry)
    kind = answer.headers.get("Content-Type", "").split(";")[0]
    content = response.get("content", {})
    if method == "HEAD":
        return
    if not content:
        assert not answer.content, f"{method} {template}: {status} has a body"
        return
    assert kind in content, f"{method} {template}: {status} comes as {kind or 'nothing'}"
    if kind.endswith("json"):
        wrong = fault((*pointer, "content", kind, "schema"), answer.json())
        assert wrong is None, f"{method} {template}: {status}: {wrong}"
        check_events(answer.json())


def check_limit(template, operation, answer):
    """What tells of a limit comes together, well-formed, and only where the contract knows of one."""
    told = [name for name in ("RateLimit-Policy", "RateLimit") if name in answer.headers]
    if not told:
        return
    assert len(told) == 2 and "429" in operation["responses"], f"{template}: {told}"
    for name in told:
        wrong = fault(("components", "headers", name.replace("-", ""), "schema"), answer.headers[name])
        assert wrong is None, f"{template}: {name}: {wrong}"


def check_events(body):
    """Those that a poll has brought."""
    if isinstance(body, dict) and isinstance(body.get("events"), list):
        for event in body["events"]:
            check_event(event["event"], event["id"], event["data"])


EVENTS = ("components", "responses", "EventStream", "content", "text/event-stream")


def check_event(name, event_id, data):
    stream = document()["components"]["responses"]["EventStream"]["content"]["text/event-stream"]
    assert name in stream["x-events"], f"the contract knows no event {name}"
    assert (event_id is not None) == (name in stream["x-events-with-id"]), f"{name} with the id {event_id}"
    if event_id is not None:
        wrong = fault(("components", "schemas", "Cursor"), event_id)
        assert wrong is None, f"the id of {name}: {wrong}"
    wrong = fault((*EVENTS, "x-events", name), data)
    assert wrong is None, f"{name}: {wrong}"
