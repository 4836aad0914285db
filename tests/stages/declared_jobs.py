"""A job of any type, taken from state to state as its declaration says, and the states that it can be in."""

import importlib
import uuid
from typing import Any, Literal, get_args

from local.stack import Stack
from provisioning.control_plane import locks
from provisioning.errors import RollbackFailed
from provisioning.jobs.declaration import Declaration, ProjectStatus, TenantOf
from provisioning.jobs.provision_project import PROVISION_PROJECT
from provisioning.jobs.registry import DECLARATIONS
from provisioning.ledger import rollback as rollbacks
from tests import shipped
from tests.executions.running import payload_for
from tests.stages.jobs import Handler, StagedJob, execute
from tests.state_machines import rollback

SET_STATUS = "UPDATE control_plane.projects SET status = %s WHERE project_id = %s"
FUNCTIONS = shipped.functions()
Stand = Literal["running", "succeeded", "rolled_back", "rollback_incomplete"]
STANDS: tuple[Stand, ...] = get_args(Stand)


def handler_of(state: str) -> Handler:
    """The handler that a state invokes, as template.yaml names it."""
    module, _, name = FUNCTIONS[shipped.resource_name(shipped.stem(state))]["Handler"].rpartition(".")
    handler: Handler = getattr(importlib.import_module(module), name)
    return handler


def a_job_of(declared: Declaration, project_id: str, *services: str, **fields: Any) -> StagedJob:
    """A job that has not been opened; one that makes a tenant registers it with these services, or with one."""
    new = declared.tenant is TenantOf.NEW
    payload = (
        payload_for(project_id, *(services or ("auth",)), **fields) if new else {"project_id": project_id, **fields}
    )
    return StagedJob(f"job-{uuid.uuid4().hex[:12]}", payload, job_type=declared.job_type)


def run_stages(job: StagedJob) -> None:
    """Open a job and run all of its stages but the last, which would make it succeed."""
    job.verify()
    for state in [*DECLARATIONS[job.job_type].states.values()][1:-1]:
        job.run(handler_of(state))


def compensations(job: StagedJob) -> list[Handler]:
    """The handlers that roll a job back, in order."""
    return [handler_of(state) for state in rollback(job.job_type)[:-1]]


def bring(job: StagedJob, stand: Stand) -> None:
    """Run a job until it is in this state; its project has to be in a status that it opens in."""
    run_stages(job)
    if stand == "succeeded":
        job.run(handler_of([*DECLARATIONS[job.job_type].states.values()][-1]))
    elif stand == "rolled_back":
        roll_back(job)
    elif stand == "rollback_incomplete":
        refuse_compensations(job)
        assert close(job) == stand


def roll_back(job: StagedJob) -> None:
    """Roll a job back, as its state machine does."""
    for compensation in compensations(job):
        job.run(compensation)
    assert close(job) == "rolled_back"


def refuse_compensations(job: StagedJob) -> None:
    """Begin every compensation of a job, and let each fail before it has undone anything."""
    for stages in DECLARATIONS[job.job_type].compensations.values():
        begun = rollbacks.begin(
            job.job_id, job.job_type, stages, 60, failed_stage="finalizing", tenant_id=job.tenant_id
        )
        assert begun is not None
        begun.fail(RollbackFailed("refused"))
        locks.release(begun.control)


def close(job: StagedJob) -> str:
    """Close a job that failed in its last stage, and return how it ended."""
    return str(job.record_failure({"finalizing": {"Error": "FinalizationFailed", "Cause": "{}"}})["outcome"])


def reach(stack: Stack, project_id: str, status: ProjectStatus) -> None:
    """Bring a project that is "created" to a status by the jobs that lead there."""
    if status is ProjectStatus.FAILED:
        bring(a_job_of(PROVISION_PROJECT, project_id), "rolled_back")
    elif status is ProjectStatus.LEAVING:
        # No declared job type leads there yet.
        reach(stack, project_id, ProjectStatus.SUSPENDED)
        execute(stack, "control_plane", SET_STATUS, str(status), project_id)
    elif status is not ProjectStatus.CREATED:
        declared = next(one for one in DECLARATIONS.values() if one.on_success is status)
        reach(stack, project_id, declared.opens_in[0])
        bring(a_job_of(declared, project_id), "succeeded")


def status_of(stack: Stack, project_id: str) -> str:
    """The status of a project."""
    asked = "SELECT status FROM control_plane.projects WHERE project_id = %s"
    ((status,),) = execute(stack, "control_plane", asked, project_id)
    return str(status)
