"""Whether a project accepts a job, without a control plane; tests/stages/test_pairs_of_job_types.py uses one."""

from typing import Any

import pytest

from provisioning.errors import ProjectNotEligible, ProjectNotFound
from provisioning.jobs.declaration import Declaration, JobType, ProjectStatus, TenantOf
from provisioning.jobs.eligibility import check_eligible
from provisioning.jobs.payload import ProjectPayload
from provisioning.jobs.registry import DECLARATIONS
from tests.job_pairs import PAIRS, STATUSES_WITHOUT_TENANT, refusal, status_after
from tests.state_machines import every_declaration

every_pair = pytest.mark.parametrize(("first", "opened_in", "second"), PAIRS)


def project(status: str, job: dict[str, Any] | None = None, **differing: object) -> dict[str, Any]:
    """A project as "Verify project" finds it, with a live tenant except in the statuses before provisioning."""
    has_tenant = status not in STATUSES_WITHOUT_TENANT
    found = {"organization_id": "org", "owner_id": "owner", "region": "us-east-1", "status": status, "job": job}
    return found | {"tenant_id": "t" * 20 if has_tenant else None} | differing


def asked(retries: str | None = None, **fields: str) -> ProjectPayload:
    return ProjectPayload("one", fields.get("organization_id"), fields.get("owner_id"), {}, retries)


def latest_job(first: str, opened_in: str, stand: str) -> dict[str, Any]:
    """The job of that type, as "Verify project" finds it."""
    status_on_failure = status_after(first, opened_in, "rolled_back")
    return {
        "job_id": "job-1",
        "job_type": first,
        "status": stand,
        "status_on_failure": status_on_failure,
    }


@pytest.mark.parametrize("stand", ["running", "succeeded", "rolled_back", "rollback_incomplete"])
@every_pair
def test_a_job_after_another_is_admitted_or_refused_as_the_table_says(
    first: str, opened_in: str, second: str, stand: str
) -> None:
    status = status_after(first, opened_in, stand)
    found = project(status, latest_job(first, opened_in, stand))
    running = "job-1" if stand == "running" else None
    declared = DECLARATIONS[JobType(second)]
    if (refused := refusal(first, opened_in, stand, second)) is None:
        assert check_eligible(declared, asked(), found, running) == status
    else:
        with pytest.raises(refused):
            check_eligible(declared, asked(), found, running)


@every_pair
def test_what_a_rollback_left_admits_a_retry_of_its_own_type_only(first: str, opened_in: str, second: str) -> None:
    status = status_after(first, opened_in, "rollback_incomplete")
    found = project(status, latest_job(first, opened_in, "rollback_incomplete"))
    declared = DECLARATIONS[JobType(second)]
    if first == second:
        kept = check_eligible(declared, asked(retries="job-1"), found, None)
        assert kept == status_after(first, opened_in, "rolled_back")
    else:
        said = "^the rollback of the job job-1 of the project one is incomplete$"
        with pytest.raises(ProjectNotEligible, match=said):
            check_eligible(declared, asked(retries="job-1"), found, None)


@every_declaration
def test_a_retry_of_a_job_that_left_nothing_is_refused(declared: Declaration) -> None:
    with pytest.raises(ProjectNotEligible, match="the project one has no job job-1 to retry"):
        check_eligible(declared, asked(retries="job-1"), project(declared.opens_in[0]), None)


@every_declaration
def test_a_project_whose_tenant_contradicts_its_status_takes_no_job(declared: Declaration) -> None:
    for status in declared.opens_in:
        tenant_id = "t" * 20 if declared.tenant is TenantOf.NEW else None
        with pytest.raises(ProjectNotEligible, match="run provision doctor"):
            check_eligible(declared, asked(), project(status, tenant_id=tenant_id), None)


@every_declaration
@pytest.mark.parametrize("whose", [{"organization_id": "another"}, {"owner_id": "another"}])
def test_a_project_of_another_is_as_unknown_as_none(declared: Declaration, whose: dict[str, str]) -> None:
    """In any status, and even while one of its jobs runs."""
    said = "there is no project one of this organization and owner"
    for found, running in (
        (project(declared.while_running or "active"), "job-1"),
        (project("active"), None),
        (None, None),
    ):
        with pytest.raises(ProjectNotFound, match=f"^{said}$"):
            check_eligible(declared, asked(**whose), found, running)


@pytest.mark.parametrize("status", ProjectStatus)
def test_a_refusal_names_the_status_and_the_commands_that_lead_out_of_it(status: ProjectStatus) -> None:
    changing = [one for one in DECLARATIONS.values() if one.on_success is not None]
    opening = [one.command.replace("PROJECT", "one") for one in changing if status in one.opens_in]
    for declared in (one for one in DECLARATIONS.values() if status not in one.opens_in):
        with pytest.raises(ProjectNotEligible) as refused:
            check_eligible(declared, asked(), project(status), None)
        said = " or ".join(opening) or "no job opens in it"
        assert str(refused.value) == f"the project one is {status}: {said}"
