"""The state machines for their tests: the tasks of each job type, its rollback, and the Retry of a Task."""

from typing import Any

import pytest

from provisioning import errors
from provisioning.jobs.declaration import Declaration, JobType
from provisioning.jobs.registry import DECLARATIONS
from tests import shipped

MACHINES = {job_type: shipped.definition(job_type) for job_type in DECLARATIONS}
STATES = {job_type: dict(shipped.states(machine)) for job_type, machine in MACHINES.items()}
TASKS = {job_type: shipped.tasks(job_type) for job_type in DECLARATIONS}
CLOSING = "Record failure"

every_job_type = pytest.mark.parametrize("job_type", DECLARATIONS)
every_declaration = pytest.mark.parametrize("declared", DECLARATIONS.values(), ids=DECLARATIONS)


def rollback(job_type: JobType) -> list[str]:
    """The states of a rollback in the declared order: the last change is undone first."""
    declared = DECLARATIONS[job_type]
    undoing = dict.fromkeys(step.undone_by for step in reversed(declared.steps) if step.undone_by is not None)
    return [*undoing, CLOSING]


def stages_of(declared: Declaration) -> dict[str, str]:
    """The stage that each state of a job type runs."""
    return {step.state: str(step.stage) for step in declared.steps}


def in_branches(job_type: JobType) -> list[str]:
    """The tasks inside the branches of a Parallel."""
    return [name for name in TASKS[job_type] if name not in MACHINES[job_type]["States"]]


def shared_functions() -> set[str]:
    """The functions that more than one job type's state machine invokes."""
    every = [shipped.resource_name(shipped.stem(name)) for tasks in TASKS.values() for name in tasks]
    return {function for function in every if every.count(function) > 1}


def only_catch(task: dict[str, Any]) -> dict[str, Any]:
    (catch,) = task["Catch"]
    return dict(catch)


def permanent_errors(base: type[errors.ProvisioningError] = errors.PermanentError) -> set[str]:
    return {base.__name__ for base in base.__subclasses__()}.union(
        *(permanent_errors(below) for below in base.__subclasses__())
    )


def check_retry(retry: list[dict[str, Any]]) -> None:
    """Check the three retriers that every Task ends with."""
    permanent, lambda_faults, everything_else = retry

    assert set(permanent["ErrorEquals"]) == permanent_errors()
    assert permanent["MaxAttempts"] == 0

    assert set(lambda_faults["ErrorEquals"]) == {
        "Lambda.TooManyRequestsException",
        "Lambda.ServiceException",
        "Lambda.AWSLambdaException",
        "Lambda.SdkClientException",
        "Lambda.CodeArtifactUserPendingException",
    }
    assert lambda_faults["JitterStrategy"] == "FULL"
    assert len(delays(lambda_faults)) == lambda_faults["MaxAttempts"] <= 30
    assert max(delays(lambda_faults)) <= 60

    assert everything_else == {
        "ErrorEquals": ["States.ALL"],
        "IntervalSeconds": 300,
        "MaxAttempts": 2,
        "BackoffRate": 1.0,
    }


def delays(retrier: dict[str, Any]) -> list[float]:
    """The longest delay before each retry. FULL jitter draws each between 0 and that: half of it, on average."""
    exponential = [
        retrier["IntervalSeconds"] * retrier["BackoffRate"] ** number for number in range(retrier["MaxAttempts"])
    ]
    return [min(delay, retrier["MaxDelaySeconds"]) for delay in exponential]
