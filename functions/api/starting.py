"""The routes that start jobs: create a project, and start a job for one that exists. Each starts its job once."""

from collections.abc import Mapping
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Request as HttpRequest
from aws_lambda_powertools.event_handler.openapi.params import Body, Header, Path
from pydantic import AfterValidator, BaseModel, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from api.problems import Broken, Fault
from api.projects import ProjectId
from provisioning.jobs import rules
from provisioning.jobs.declaration import JobType
from provisioning.jobs.provision_project import PROVISION_PROJECT
from provisioning.jobs.registry import DECLARATIONS
from provisioning.requests import starting
from provisioning.requests.caller import Caller, caller_of
from provisioning.requests.remembering import LONGEST_KEY, Request, Requested

OWNERS = ("organization_id", "owner_id")
"""What the payload of a new project has to name, which that of a job may leave to its project."""


def known(job_type: str) -> str:
    """Return a job type. Raise PydanticCustomError, naming those that there are, for any other text."""
    if job_type not in DECLARATIONS:
        raise PydanticCustomError("job_type", "must be one of {known}", {"known": ", ".join(DECLARATIONS)})
    return job_type


Key = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        pattern=rf"^[ -~]{{1,{LONGEST_KEY}}}$",
        description="Names the request: whoever repeats it with its key gets the same job, for 90 days.",
    ),
]
Payload = Annotated[dict[str, Any], Body(description="The payload of the job: docs/payload.md.")]
PayloadOfJob = Annotated[
    dict[str, Any] | None, Body(description="The payload of the job, whose project_id may be left out.")
]
KnownJobType = Annotated[
    str,
    Path(description="What the job does."),
    AfterValidator(known),
    WithJsonSchema({"type": "string", "enum": list(DECLARATIONS)}),
]


class StartedJob(BaseModel):
    """The job that a request has started. GET /v1/jobs/{job_id} says how it goes on."""

    job_id: str
    job_type: str
    project_id: str
    is_repeated: bool = Field(description="Whether an earlier request with this key had started it.")


def create_project(request: HttpRequest, payload: Payload, idempotency_key: Key) -> StartedJob:
    """Add a project and start the job that provisions it, once for each Idempotency-Key.

    The payload is that of the job; it has to name the project's organization and owner.
    """
    if faults := faults_of_new(payload):
        raise Broken(faults)
    requested = starting.create_project(request_of(request, idempotency_key), payload)
    return _started(requested, PROVISION_PROJECT.job_type, str(payload["project_id"]))


def start_job(
    request: HttpRequest,
    project_id: ProjectId,
    job_type: KnownJobType,
    idempotency_key: Key,
    payload: PayloadOfJob = None,
) -> StartedJob:
    """Start a job of a type for a project that exists, once for each Idempotency-Key."""
    if faults := faults_of_job(project_id, job_type, payload):
        raise Broken(faults)
    document = {"project_id": project_id, **(payload or {})}
    requested = starting.start_job(request_of(request, idempotency_key), JobType(job_type), document)
    return _started(requested, job_type, project_id)


def faults_of_new(payload: Mapping[str, Any]) -> list[Fault]:
    """Return every rule that the payload of a new project breaks."""
    missing = [Fault(detail="is required", pointer=f"#/{name}") for name in OWNERS if name not in payload]
    return faults_of(PROVISION_PROJECT.job_type, payload) + missing


def faults_of_job(project_id: str, job_type: str, payload: Mapping[str, Any] | None) -> list[Fault]:
    """Return every rule that the payload of a job for this project breaks; of a type that nobody knows, few."""
    document = {"project_id": project_id, **(payload or {})}
    faults = faults_of(JobType(job_type), document) if job_type in DECLARATIONS else []
    if "project_id" not in (payload or {}):
        # That of the path is a parameter.
        faults = [one for one in faults if one.pointer != "#/project_id"]
    if document["project_id"] != project_id:
        faults.append(Fault(detail="is not the project of the path", pointer="#/project_id"))
    return faults


def faults_of(job_type: JobType, document: Mapping[str, Any], within: str = "") -> list[Fault]:
    """Return every rule that a payload breaks, which has this place in the body."""
    found = rules.problems(DECLARATIONS[job_type].schema, document)
    return [Fault(detail=one.rule, pointer=_pointer(one.field, within)) for one in found]


def _pointer(field: str, within: str) -> str:
    return f"#{within}" if field == "payload" else f"#{within}/" + field.replace(".", "/")


def request_of(request: HttpRequest, key: str) -> Request:
    """Return a request as it is remembered. Raise CallerUnknown."""
    return Request(caller_in(request), f"{request.method} {request.route}", key)


def caller_in(request: HttpRequest) -> Caller:
    """Return who sends a request. Raise CallerUnknown."""
    context = request.resolved_event.raw_event["requestContext"]
    return caller_of(context.get("authorizer", {}).get("iam") or {})


def _started(requested: Requested, job_type: str, project_id: str) -> StartedJob:
    return StartedJob(
        job_id=requested.job_id, job_type=job_type, project_id=project_id, is_repeated=requested.is_repeated
    )
