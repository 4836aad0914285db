"""The JSON schemas of payloads: each belongs to a job type, and they agree on the fields that they share."""

import json
from typing import Any

import pytest

from provisioning.jobs.declaration import Declaration
from provisioning.jobs.payload import PROJECT_SCHEMA, PROVISION_SCHEMA
from provisioning.jobs.registry import DECLARATIONS
from tests import shipped
from tests.state_machines import every_declaration


def schema(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((shipped.FUNCTIONS / "provisioning" / "jobs" / name).read_text())
    return document


PROVISIONING, OF_PROJECT = schema(PROVISION_SCHEMA), schema(PROJECT_SCHEMA)
ONLY_TO_PROVISION = PROVISIONING["properties"].keys() - OF_PROJECT["properties"].keys()


@pytest.mark.parametrize("part", ["definitions", "properties"])
def test_the_schemas_agree_on_what_they_share(part: str) -> None:
    shared = PROVISIONING[part].keys() & OF_PROJECT[part].keys()
    assert (
        shared
        >= {"definitions": {"id", "job", "plan"}, "properties": {"project_id", "retries", "plan_id", "metadata"}}[part]
    )
    assert {name: PROVISIONING[part][name] for name in shared} == {name: OF_PROJECT[part][name] for name in shared}


def test_every_schema_belongs_to_a_job_type() -> None:
    files = {file.name for file in (shipped.FUNCTIONS / "provisioning" / "jobs").glob("*.schema.json")}
    assert files == {declared.schema for declared in DECLARATIONS.values()}


@every_declaration
def test_what_a_schema_requires_is_all_that_its_job_type_needs(declared: Declaration) -> None:
    given = {"project_id": "demo", "region": "us-east-1"}
    required = {name: given[name] for name in schema(declared.schema)["required"]}
    assert declared.parse(required).project_id == "demo"
