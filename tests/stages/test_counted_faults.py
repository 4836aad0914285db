"""What the canary's alarms count: failures that a caller cannot be to blame for, by the revision of the code."""

import json
from typing import Any

import pytest

from provisioning import errors
from provisioning.errors import ControlPlaneUnavailable, ProvisioningError
from provisioning.ledger.runner import reporting
from tests.conftest import NewProject
from tests.stages.jobs import STOPPED, open_job

CALLERS = {
    *("InvalidPayload", "ProjectNotFound", "ProjectNotEligible", "JobInProgress", "SuspendInProgress"),
    # Nobody can do better than to say that there is no place.
    *("RegionNotAvailable", "ClusterFull", "OrganizationQuotaExceeded", "ProjectProtected", "PlanStale"),
    # The execution has a name that was used, or its job was stopped.
    "JobClosed",
    # The tenant's own tables are in the way, or are too large.
    "ExportRefused",
}
NAMED = {
    name: found
    for name, found in vars(errors).items()
    if isinstance(found, type) and issubclass(found, ProvisioningError) and "error_type" in vars(found)
} | {"UnexpectedFailure": errors.UnexpectedFailure}


def faults(output: str) -> list[dict[str, Any]]:
    return [record for record in map(json.loads, output.splitlines()) if "Faults" in record]


@pytest.mark.parametrize("name", sorted(NAMED.keys() - {"ProvisioningError"}))
def test_an_attempt_is_a_fault_unless_its_caller_is_to_blame(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REVISION", "abc123")
    with pytest.raises(NAMED[name]), reporting("initializing", "job", ControlPlaneUnavailable):
        raise NAMED[name]("it failed")
    counted = [(one["revision"], one["kind"], one["Faults"]) for one in faults(capsys.readouterr().out)]
    assert counted == ([] if name in CALLERS else [("abc123", "attempt", [1.0])])
    assert errors.is_fault(name) == (name not in CALLERS)


@pytest.mark.parametrize("name", ["StageTimedOut", "StageCrashed", "StateMachineFault", "UnknownError"])
def test_an_ending_without_an_error_of_ours_is_a_fault(name: str) -> None:
    assert errors.is_fault(name)


@pytest.mark.parametrize(
    ("failure", "kinds"),
    [
        ({"initializing": {"Error": "InvalidPayload", "Cause": "{}"}}, []),
        ({"initializing": {"Error": "States.Timeout", "Cause": ""}}, ["job"]),
        (STOPPED, []),
    ],
    ids=["a bad payload", "a Lambda that died", "a rollback of a stopped job"],
)
@pytest.mark.usefixtures("stack")
def test_a_closed_job_is_a_fault_unless_somebody_else_is_to_blame(
    new_project: NewProject, capsys: pytest.CaptureFixture[str], failure: dict[str, Any], kinds: list[str]
) -> None:
    job = open_job(new_project())
    capsys.readouterr()
    job.record_failure(failure)
    assert [one["kind"] for one in faults(capsys.readouterr().out)] == kinds
