"""`openapi.yaml` says what the routes do: both ways, field by field, and by requests that are made up from it."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest
import schemathesis
import yaml
from hypothesis import HealthCheck, Phase, seed, settings
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tornado.web import RequestHandler

from omc_agent.config import AgentSettings
from omc_agent.request import KINDS, Request
from omc_agent.server.base import METHODS
from omc_agent.server.beginning import FLAG_FIELDS, Beginning
from omc_agent.server.description import FILE
from omc_agent.server.routes import ROUTES
from omc_agent.stages import STAGES
from omc_agent.store.artifacts import save_artifact
from tests.server.conftest import PREFIX, TOKEN

SPEC = yaml.safe_load(FILE.read_text())
SCHEMAS = SPEC["components"]["schemas"]
CHECKS = [schemathesis.checks.not_a_server_error, status_code_conformance, content_type_conformance,
          response_schema_conformance]  # fmt: skip
EXAMPLES = 300 if os.environ.get("OMC_ALL_REQUESTS") else 12  # make test-rest
BOUNDED = settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None,
                   phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck))  # fmt: skip
described = schemathesis.openapi.from_dict(SPEC)


def methods_of(handler: type[RequestHandler]) -> set[str]:
    missing = RequestHandler._unimplemented_method
    return {name for name in METHODS if getattr(handler, name) is not missing} - {"options"}


def test_the_routes_are_those_of_the_description():
    there = {path: {name for name in item if name != "parameters"} for path, item in SPEC["paths"].items()}
    assert there == {path: methods_of(handler) for path, handler in ROUTES}


def test_the_fields_of_a_beginning_are_the_flags():
    assert set(SCHEMAS["Flags"]["properties"]) == set(FLAG_FIELDS)
    assert set(SCHEMAS["Beginning"]["properties"]) == set(Beginning.model_fields)
    for name in FLAG_FIELDS:
        trait, told = AgentSettings.class_traits()[name], SCHEMAS["Flags"]["properties"][name]
        least, most = getattr(trait, "min", None), getattr(trait, "max", None)
        assert told.get("minimum") == (None if least in (None, float("-inf")) else least), name
        assert told.get("maximum") == (None if most in (None, float("inf")) else most), name
        if hasattr(trait, "values"):
            assert told["enum"] == [*trait.values, None], name


def test_names_of_the_description_are_those_of_the_code():
    assert SCHEMAS["Stage"]["enum"] == list(STAGES)
    assert SCHEMAS["Request"]["properties"]["gate"]["enum"] == list(KINDS)
    assert SCHEMAS["Beginning"]["properties"]["goal"]["maxLength"] == AgentSettings.rest_goal.default_value


def test_it_is_served_as_it_is(client):
    answer = client.get("/openapi.yaml")
    assert answer.content == FILE.read_bytes()
    assert answer.headers["Content-Type"] == "application/yaml"


@pytest.fixture(scope="module")
def runs(server):
    """Ids of runs in several states: finished with a file, waiting with a question, and one that is not there."""
    done = server.seed()
    saved = save_artifact(Path(done["workspace"]) / "artifacts", "report.html", b"<p>No edge</p>")
    server.store.record_artifact(done["id"], done["id"], name=saved.name, path=saved.path, sha256=saved.sha256,
                                 size=saved.size, made_by="reporting")  # fmt: skip
    waits = server.seed(status="parked")["id"]
    for n, gate in enumerate(KINDS * 3):
        asked = Request(gate=gate, stage="planning", question="What now?", code="x = 1" if gate == "code" else "")
        server.store.open_request(waits, waits, f"{waits}-{n}", gate=gate, stage=asked.stage, sha256=asked.sha256(),
                                  payload=asked.model_dump())  # fmt: skip
    numbers = itertools.count()
    return lambda: (done["id"], waits, "nothere")[next(numbers) % 3], waits


@described.parametrize()
@seed(7)
@settings(BOUNDED)
def test_requests_that_are_made_up_get_what_is_described(case, server, runs):
    some_run, waits = runs
    if "id" in case.path_parameters and case.method != "DELETE":
        case.path_parameters["id"] = some_run()
    if case.path.endswith("/respond") and isinstance(case.body, dict) and case.path_parameters["id"] == waits:
        case.body["request"] = f"{waits}-{len(str(case.body)) % 21}"
    answer = case.call(base_url=f"{server.url}{PREFIX}", headers={"Authorization": f"token {TOKEN}"})
    case.validate_response(answer, checks=CHECKS)
