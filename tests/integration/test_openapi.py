# SPDX-License-Identifier: BSD-2-Clause
"""contrib/openapi.yaml: well-formed by its own standard, complete, served, and a judge that does refuse."""

import json
import re
import subprocess
import types

import contract
import pytest
from stack import SOURCE

METHODS = {"get", "put", "post", "delete", "patch"}


@pytest.fixture(scope="module")
def linter(tmp_path_factory):
    """npm's validator of OpenAPI documents, a program of its own."""
    place = tmp_path_factory.mktemp("openapi")
    name = "@seriousme/openapi-schema-validator"
    command = ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", f"{name}@^2.2.0"]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return place / "node_modules" / ".bin" / "validate-api"


def lint(linter, path):
    done = subprocess.run(["node", str(linter), str(path)], capture_output=True, text=True, timeout=60)
    return json.loads(done.stdout)


def test_the_document_is_openapi(linter, tmp_path):
    assert lint(linter, contract.DOCUMENT)["valid"] is True
    broken = tmp_path / "broken.yaml"
    broken.write_text(contract.DOCUMENT.read_text().replace("operationId: sendMessage", "operationID: sendMessage"))
    assert lint(linter, broken)["valid"] is False


def test_it_is_served_as_shipped(site):
    answer = site.api("anna").get("/v1/openapi.yaml")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/yaml"
    assert answer.content == contract.DOCUMENT.read_bytes()


def program_routes():
    """(METHOD, path) of every row in the tables of the two programs."""
    rows = set()
    for table in ("src/api/dispatch.c", "src/push/opening.c"):
        text = (SOURCE / table).read_text()
        rows |= set(re.findall(r'\{\s*ROUTE_\w+,\s*REQUEST_(\w+),\s*"([^"]+)"\s*\}', text))
    return rows


def test_every_route_is_in_it_and_no_other():
    known = {
        (method.upper(), path)
        for path, item in contract.document()["paths"].items()
        for method in METHODS & set(item)
    }
    assert known == program_routes()


def test_every_operation_has_a_name_of_its_own_and_says_what_it_is():
    operations = [
        item[method] for item in contract.document()["paths"].values() for method in METHODS & set(item)
    ]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    for operation in operations:
        assert operation["summary"] and operation["tags"] and "default" in operation["responses"], operation


def test_every_call_that_is_counted_knows_the_refusal():
    free = {"/v1/healthz", "/v1/readyz", "/v1/auth", "/v1/openapi.yaml", "/v1/stream", "/v1/tickets/{ticket}/stream"}
    for path, item in contract.document()["paths"].items():
        for method, operation in item.items():
            if method in ("get", "post", "put", "patch", "delete"):
                assert ("429" in operation["responses"]) == (path not in free), f"{method} {path}"


def test_every_placeholder_is_declared():
    for path, item in contract.document()["paths"].items():
        declared = {contract.resolve(contract.document(), entry)["name"] for entry in item.get("parameters", ())}
        assert set(re.findall(r"\{(\w+)\}", path)) == declared, path


def test_every_problem_code_is_in_it():
    codes = set(re.findall(r'\{"(\w+)",\s*\d{3},', (SOURCE / "src/web/problem.c").read_text()))
    facts = contract.document()["components"]["schemas"]["ProblemFacts"]
    assert codes == set(facts["properties"]["code"]["enum"])


def answer_of(status, body, kind="application/json"):
    text = json.dumps(body).encode() if body is not None else b""
    headers = {"Content-Type": kind} if body is not None else {}
    return types.SimpleNamespace(status_code=status, headers=headers, content=text, json=lambda: body)


GOOD_CARD = {
    "ticket_id": "T-1",
    "title": None,
    "status": "open",
    "hold": False,
    "created_at": "2026-11-20T15:04:05.123Z",
    "last_activity_at": "2026-11-20T15:04:05.123Z",
    "newest_seq": 3,
    "participants": [{"user_id": "anna", "role": "agent", "joined_at": "2026-11-20T15:04:05.123Z"}],
}


class TestTheJudge:
    def test_takes_what_is_right(self):
        contract.check_answer("GET", "/v1/tickets/T-1", answer_of(200, GOOD_CARD))

    @pytest.mark.parametrize(
        "change",
        [
            {"more": 1},
            {"status": "half"},
            {"newest_seq": "3"},
            {"created_at": "2026-11-20 15:04"},
            {"participants": [{"user_id": "anna", "role": "agent"}]},
            {"participants": [{**GOOD_CARD["participants"][0], "more": 1}]},
        ],
        ids=str,
    )
    def test_refuses_a_wrong_member(self, change):
        with pytest.raises(AssertionError):
            contract.check_answer("GET", "/v1/tickets/T-1", answer_of(200, {**GOOD_CARD, **change}))

    def test_refuses_a_missing_member(self):
        card = {name: value for name, value in GOOD_CARD.items() if name != "hold"}
        with pytest.raises(AssertionError, match="hold"):
            contract.check_answer("GET", "/v1/tickets/T-1", answer_of(200, card))

    def test_refuses_statuses_media_types_and_bodies_that_are_not_in_it(self):
        for answer in (answer_of(207, GOOD_CARD), answer_of(200, GOOD_CARD, "text/html")):
            with pytest.raises(AssertionError):
                contract.check_answer("GET", "/v1/tickets/T-1", answer)
        with pytest.raises(AssertionError, match="body"):
            contract.check_answer("POST", "/v1/tickets/T-1/typing", answer_of(204, {}))
        with pytest.raises(AssertionError, match="not in the contract"):
            contract.check_answer("GET", "/v1/elsewhere", answer_of(200, {}))

    def test_refuses_events(self):
        contract.check_event("mode", None, {"mode": "full"})
        for name, event_id, data in [
            ("mode", None, {"mode": "half"}),
            ("mode", "1.2", {"mode": "full"}),
            ("mode", None, {"mode": "full", "more": 1}),
            ("gap", None, {"ticket_id": "T-1", "from": 1, "to": 2, "reason": "epoch"}),
            ("gap", "x", {"ticket_id": "T-1", "from": 1, "to": 2, "reason": "epoch"}),
            ("gossip", None, {}),
        ]:
            with pytest.raises(AssertionError):
                contract.check_event(name, event_id, data)
