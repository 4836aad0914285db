"""Send requests as routes do, and see what they have started."""

import uuid
from typing import Any

from psycopg2 import sql

from local.stack import Stack
from provisioning.jobs.declaration import JobType
from provisioning.jobs.provision_project import PROVISION_PROJECT
from provisioning.jobs.registry import state_machine_of
from provisioning.requests import starting
from provisioning.requests.caller import Caller, caller_of
from provisioning.requests.remembering import Request, Requested
from tests.conftest import ORGANIZATION, OWNER
from tests.executions.running import execute, payload_for

ACCOUNT = "123456789012"
ROUTE = "POST /v1/projects/{project_id}/jobs/{job_type}"
PROVISION = PROVISION_PROJECT.job_type
JOBS = "SELECT job_id, job_type, status, started_by FROM control_plane.jobs WHERE project_id = {} ORDER BY created_at"
REQUESTS = "SELECT principal, session_name, job_id FROM control_plane.requests WHERE project_id = {}"


def of_role(role: str = "AROAEXAMPLEBACKEND", session: str = "ann") -> Caller:
    """The caller that API Gateway describes so."""
    arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/backend/{session}"
    user = f"{role}:{session}"
    return caller_of({"accountId": ACCOUNT, "callerId": user, "userId": user, "userArn": arn, "accessKey": "ASIA"})


def request(key: str | None = None, caller: Caller | None = None, route: str = ROUTE) -> Request:
    """A request under a key, by default one that no other has."""
    return Request(caller or of_role(), route, key or uuid.uuid4().hex)


def send(asked: Request, project_id: str, **fields: object) -> Requested:
    """Ask for the provisioning of a project."""
    return starting.start_job(asked, PROVISION, payload_for(project_id, **fields))


def creation(project_id: str, **fields: object) -> dict[str, Any]:
    """The payload that creates a project."""
    return payload_for(project_id, organization_id=ORGANIZATION, owner_id=OWNER, **fields)


def jobs_of(stack: Stack, project_id: str) -> list[tuple[Any, ...]]:
    """The id, type, status and starter of every job of a project that the ledger has, in order."""
    return execute(stack, sql.SQL(JOBS).format(sql.Literal(project_id)), "control_plane")


def requests_of(stack: Stack, project_id: str) -> list[tuple[Any, ...]]:
    """The principal, session and job of every request that is remembered for a project."""
    return execute(stack, sql.SQL(REQUESTS).format(sql.Literal(project_id)), "control_plane")


def arn_of(stack: Stack, job_id: str, job_type: JobType = PROVISION) -> str:
    """The ARN of a job's execution."""
    machine = state_machine_of(stack.state_machine_arn, job_type)
    return f"{machine.replace(':stateMachine:', ':execution:')}:{job_id}"


def wait(stack: Stack, job_id: str, job_type: JobType = PROVISION) -> str:
    """Wait for the end of a job's execution and return its status."""
    return str(stack.wait(arn_of(stack, job_id, job_type))["status"])


def new_id() -> str:
    """The id of a project that does not exist."""
    return f"p-{uuid.uuid4().hex[:12]}"
