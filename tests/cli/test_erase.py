"""provision erase lists a project's exports and, with --yes, erases every version of them and records that it did."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from cli import erasing
from local.errors import Denied
from local.exit_codes import ExitCode
from local.exports import EXPORTS
from local.stack import Stack
from tests.cli.commanding import provision
from tests.conftest import NewProject
from tests.stages.exporting import begun, exported
from tests.stages.jobs import execute, lambda_environment
from tests.stages.suspending import Tenant, live_tenant

pytestmark = pytest.mark.slow

RECORDED = """
    SELECT erased_at IS NOT NULL, erased_by, erased_versions, dump_key IS NOT NULL
    FROM control_plane.exports WHERE job_id = %s
"""


@pytest.fixture
def tenant(stack: Stack, project_id: str) -> Iterator[Tenant]:
    with lambda_environment():
        yield live_tenant(stack, project_id)


@pytest.fixture
def other(stack: Stack, tenant: Tenant, new_project: NewProject) -> Tenant:
    return live_tenant(stack, new_project())


def versions(stack: Stack, tenant: Tenant) -> list[str]:
    """The keys of all versions and delete markers of a tenant's objects."""
    found = stack.client("s3").list_object_versions(Bucket=EXPORTS, Prefix=f"{tenant.names.tenant_id}/")
    return [one["Key"] for kind in ("Versions", "DeleteMarkers") for one in found.get(kind, [])]


def printed_json(capsys: pytest.CaptureFixture[str]) -> Any:
    # The handlers' own lines stand before it.
    return json.loads("{" + capsys.readouterr().out.rpartition("\n{\n")[2])


def test_without_yes_exports_are_listed_and_nothing_is_erased(
    stack: Stack, tenant: Tenant, capsys: pytest.CaptureFixture[str]
) -> None:
    made = exported(tenant)
    assert provision(stack, "erase", tenant.project_id) == 0
    said = capsys.readouterr().out
    assert made["metadata"]["job_id"] in said
    assert "Nothing was erased." in said
    assert sorted(versions(stack, tenant)) == sorted([made["dump"], made["manifest"]])


def test_every_version_is_erased_and_it_is_on_record_by_whom(stack: Stack, tenant: Tenant) -> None:
    made = exported(tenant)
    # Hidden, as a rollback hides it.
    stack.client("s3").delete_object(Bucket=EXPORTS, Key=made["dump"])
    assert len(versions(stack, tenant)) == 3
    for _ in range(2):
        assert provision(stack, "erase", tenant.project_id, "--yes") == 0
        assert versions(stack, tenant) == []
    caller = stack.client("sts").get_caller_identity()["Arn"]
    assert execute(stack, "control_plane", RECORDED, made["metadata"]["job_id"]) == [(True, caller, 3, True)]


def test_only_the_named_export_of_the_named_project_is_erased(stack: Stack, tenant: Tenant, other: Tenant) -> None:
    first, second, third = exported(tenant), exported(tenant), exported(other)
    assert provision(stack, "erase", tenant.project_id, "--job", first["metadata"]["job_id"], "--yes") == 0
    assert sorted(versions(stack, tenant)) == sorted([second["dump"], second["manifest"]])
    assert sorted(versions(stack, other)) == sorted([third["dump"], third["manifest"]])


def test_a_document_has_what_was_erased(stack: Stack, tenant: Tenant, capsys: pytest.CaptureFixture[str]) -> None:
    job_id = exported(tenant)["metadata"]["job_id"]
    assert provision(stack, "erase", tenant.project_id, "--yes", "--json") == 0
    assert printed_json(capsys) == {"erased": [{"job_id": job_id, "versions": 2}]}


def test_nothing_is_erased_while_an_export_of_the_project_runs(
    stack: Stack, tenant: Tenant, capsys: pytest.CaptureFixture[str]
) -> None:
    made, job = exported(tenant), begun(tenant)
    execute(
        stack,
        "control_plane",
        "INSERT INTO control_plane.exports (job_id, tenant_id, project_id) VALUES (%s, %s, %s)",
        job.job_id,
        tenant.names.tenant_id,
        tenant.project_id,
    )
    assert provision(stack, "erase", tenant.project_id, "--yes") == ExitCode.CONFLICT
    assert f"the export {job.job_id} has not ended" in capsys.readouterr().err
    assert sorted(versions(stack, tenant)) == sorted([made["dump"], made["manifest"]])


@pytest.mark.parametrize("arguments", [["nobody"], ["nobody", "--yes"]])
def test_a_project_without_an_export_is_not_found(
    stack: Stack, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert provision(stack, "erase", *arguments) == ExitCode.NOT_FOUND
    assert "there is no export of the project nobody" in capsys.readouterr().err


def test_versions_that_s3_keeps_are_an_error_and_not_on_record(stack: Stack, tenant: Tenant) -> None:
    """S3 answers 200 with the errors in it; moto enforces no policy of a bucket."""
    job_id, real = exported(tenant)["metadata"]["job_id"], stack.client("s3")

    class Refusing:
        get_paginator = real.get_paginator

        def delete_objects(self, **_: Any) -> dict[str, Any]:
            return {"Errors": [{"Code": "AccessDenied"}]}

    with pytest.raises(Denied, match="S3 keeps 1 versions \\(AccessDenied\\)"):
        list(erasing.erase(Refusing(), EXPORTS, erasing.find(tenant.project_id), "a caller"))
    assert execute(stack, "control_plane", RECORDED, job_id) == [(False, None, None, True)]
