"""Whether the job that has an execution's name is the execution's own, without a control plane."""

from typing import Any

import pytest

from provisioning.jobs.provision_project import PROVISION_PROJECT
from provisioning.jobs.reused_names import is_own
from provisioning.jobs.suspend_project import SUSPEND_PROJECT

PAYLOAD = {"project_id": "one", "region": "us-east-1"}
PROJECT = {"organization_id": "org", "owner_id": "owner", "status": "active", "tenant_id": "t" * 20}
NONSENSE = {"project_id": "b a d"}


def job(status: str = "running", **differing: object) -> dict[str, Any]:
    """A job that was opened for the project with a payload that names neither organization nor owner."""
    whose = {"project_id": "one", "organization_id": None, "owner_id": None}
    left = {"tenant_id": "t" * 20, "status_on_success": "active"}
    return {"job_type": "provision_project", "status": status, "was_opened": True, **whose, **left, **differing}


def own(payload: object, of: dict[str, Any]) -> bool:
    return is_own(PROVISION_PROJECT.job_type, payload, of, PROJECT)


@pytest.mark.parametrize("named", [{}, {"organization_id": "org"}, {"owner_id": "owner"}])
@pytest.mark.parametrize("recorded", [{}, {"organization_id": "org"}, {"owner_id": "owner"}])
def test_what_a_payload_leaves_out_is_the_projects(named: dict[str, str], recorded: dict[str, str]) -> None:
    assert own(PAYLOAD | named, job(**recorded))


@pytest.mark.parametrize(
    "differing", [{"project_id": "two"}, {"organization_id": "another"}, {"owner_id": "another"}, NONSENSE]
)
def test_a_payload_for_another_is_not_the_jobs(differing: dict[str, str]) -> None:
    assert not own(PAYLOAD | differing, job())


def test_a_project_that_has_moved_does_not_make_a_job_anothers() -> None:
    assert own(PAYLOAD | {"organization_id": "former"}, job(organization_id="former"))
    assert not own(PAYLOAD, job(organization_id="former"))


def test_a_job_of_another_type_is_not_its_own() -> None:
    assert not is_own(SUSPEND_PROJECT.job_type, {"project_id": "one"}, job(), PROJECT)


@pytest.mark.parametrize("changed", [{"status_on_success": "suspended"}, {"tenant_id": "u" * 20}])
def test_a_result_is_given_only_while_project_and_tenant_are_as_the_job_left_them(changed: dict[str, str]) -> None:
    assert own(PAYLOAD, job("succeeded"))
    assert not own(PAYLOAD, job("succeeded", **changed))


@pytest.mark.parametrize(
    ("payload", "project_id"), [(NONSENSE, None), (None, None), (PAYLOAD | {"organization_id": "another"}, "one")]
)
def test_a_job_that_was_never_opened_may_have_had_the_payload_it_was_refused_for(
    payload: object, project_id: str | None
) -> None:
    assert own(payload, job("failed", was_opened=False, project_id=project_id))
    assert not own(payload, job("failed", was_opened=False, project_id="two"))
