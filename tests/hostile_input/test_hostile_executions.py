"""Every hostile payload, sent to StartExecution as text: it ends in a readable refusal, and nothing else happens."""

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError
from psycopg2 import sql

from local.aws import ACCOUNT
from local.aws_client import REGION
from local.stack import Stack
from tests.conftest import NewProject
from tests.executions.running import SERVICES, Ran, ended, execute, run
from tests.field_values import HARMLESS_PROJECT_IDS
from tests.hostile_payloads import HOSTILE, Hostile, sent

AT_ONCE = 6
LARGEST_INPUT = 262_144
"""The maximum input of StartExecution, in bytes:
https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
"""

SENT = [hostile for hostile in HOSTILE if len(hostile.text.encode(errors="surrogatepass")) <= LARGEST_INPUT]
MADE_BY_A_JOB = (
    *("projects", "clusters", "provisioning_steps", "tenants", "service_registrations"),
    *("api_key_secrets", "api_keys"),
)


@dataclass(frozen=True)
class Resources:
    """Everything that a job could have made or changed."""

    rows: dict[str, Any]
    databases: Any
    roles: Any
    secrets: Any
    registrations: Any


def resources(stack: Stack) -> Resources:
    """Read all of it."""
    from moto.secretsmanager.models import secretsmanager_backends

    with closing(stack.postgres.connect("control_plane")) as superuser, superuser.cursor() as cursor:
        rows = {}
        for table in MADE_BY_A_JOB:
            cursor.execute(
                sql.SQL("SELECT t::text FROM control_plane.{} AS t ORDER BY 1").format(sql.Identifier(table))
            )
            rows[table] = cursor.fetchall()
    return Resources(
        rows=rows,
        databases=execute(stack, "SELECT oid, datname FROM pg_database ORDER BY 1"),
        roles=execute(stack, "SELECT oid, rolname FROM pg_roles ORDER BY 1"),
        secrets=sorted(secretsmanager_backends[ACCOUNT][REGION].secrets),
        registrations={service: stack.services.store.tenants(service) for service in SERVICES},
    )


@dataclass(frozen=True)
class Sent:
    """The outcomes of all payloads, and the resources before and after."""

    outcomes: dict[str, Ran]
    before: Resources
    after: Resources


@pytest.fixture(scope="module")
def every(stack: Stack) -> Sent:
    """All hostile payloads, sent."""
    before = resources(stack)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        ran = pool.map(lambda hostile: run(stack, hostile.text), SENT)
        outcomes = dict(zip((hostile.name for hostile in SENT), ran, strict=True))
    return Sent(outcomes, before, resources(stack))


def test_there_are_enough_of_them() -> None:
    assert len({hostile.text for hostile in SENT}) >= 80
    assert len({hostile.name for hostile in SENT}) == len(SENT)


@pytest.mark.parametrize("hostile", SENT, ids=lambda hostile: hostile.name)
def test_a_hostile_payload_is_refused_by_the_name_of_its_field(every: Sent, hostile: Hostile) -> None:
    refused = every.outcomes[hostile.name]
    assert (refused.status, refused.error, refused.waits) == ("FAILED", "InvalidPayload", [])
    assert hostile.field in refused.cause
    assert refused.cause.isprintable()
    assert len(refused.cause) < 1000


def test_a_hostile_payload_makes_and_changes_nothing(every: Sent) -> None:
    assert every.after == every.before


def test_of_a_hostile_payload_only_the_failed_job_is_recorded(stack: Stack, every: Sent) -> None:
    jobs = {outcome.job_id for outcome in every.outcomes.values()}
    recorded = execute(
        stack, "SELECT job_id, status, project_id, last_error_type FROM control_plane.jobs", "control_plane"
    )
    ours = [row for row in recorded if row[0] in jobs]
    assert {row[0] for row in ours} == jobs
    assert {row[1:] for row in ours} == {("failed", None, "INVALID_PAYLOAD")}
    audited = execute(stack, "SELECT job_id, action FROM control_plane.audit_log", "control_plane")
    assert {action for job_id, action in audited if job_id in jobs} == {"job closed"}


NOT_JSON = ["", "{", "demo", "{'project_id': 'demo'}", '{"project_id": "demo",}', "\x00", "[1"]


@pytest.mark.parametrize("text", [*NOT_JSON, pytest.param("[" * 100_000 + "]" * 100_000, id="100,000 levels")])
def test_what_step_functions_cannot_read_does_not_start(stack: Stack, text: str) -> None:
    with pytest.raises(ClientError, match="InvalidExecutionInput"):
        stack.start_execution(text)


@pytest.mark.parametrize("project_id", HARMLESS_PROJECT_IDS)
def test_an_id_that_only_looks_dangerous_is_a_project_that_does_not_exist(stack: Stack, project_id: str) -> None:
    refused = run(stack, sent(project_id=project_id))
    assert (refused.status, refused.error, refused.waits) == ("FAILED", "ProjectNotFound", [])


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        pytest.param({"organization_id": "org-other"}, "ProjectNotFound", id="an organization that does not own it"),
        pytest.param({"region": "eu-central-1"}, "RegionNotAvailable", id="a region without a cluster"),
        pytest.param({"region": "us-gov-west-1"}, "RegionNotAvailable", id="a region of another partition"),
        pytest.param({"database": {"version": "15"}}, "RegionNotAvailable", id="a version without a cluster"),
        pytest.param({"database": {"size": "db.m7g.large"}}, "RegionNotAvailable", id="a size without a cluster"),
    ],
)
def test_what_is_well_formed_and_not_to_be_had_is_refused_by_its_own_name(
    stack: Stack, new_project: NewProject, changes: dict[str, Any], error: str
) -> None:
    project_id = new_project(changes.get("region", "us-east-1"))
    before = resources(stack)
    refused = run(stack, json.loads(sent(project_id=project_id)) | changes)
    assert (refused.status, refused.error, refused.waits) == ("FAILED", error, [])
    after = resources(stack)
    assert after == before


def test_an_owner_that_the_project_does_not_have_is_refused(stack: Stack, project_id: str) -> None:
    refused = ended(stack, stack.start_execution(sent(project_id=project_id, owner_id="someone-else")))
    assert (refused.status, refused.error) == ("FAILED", "ProjectNotFound")
