"""The routes that change a job: stop it, roll it back, retry it. Each starts its execution once."""

from typing import Annotated

from aws_lambda_powertools.event_handler import Request as HttpRequest
from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import BaseModel, Field

from api.jobs import JobId
from api.starting import Key, request_of
from provisioning.requests import changing
from provisioning.requests.changing import Changed

RollsBack = Annotated[bool, Query(alias="rollback", description="Whether the job is then rolled back.")]


class ChangedJob(BaseModel):
    """A job that a request has stopped, or is rolling back. GET /v1/jobs/{job_id} says how that goes on."""

    job_id: str
    rollback: str | None = Field(description="The name of the execution that rolls the job back.")
    is_repeated: bool = Field(description="Whether an earlier request with this key had asked for it.")


class RetriedJob(BaseModel):
    """The new job that a retry has started."""

    job_id: str
    retries: str = Field(description="The job that is retried.")
    is_repeated: bool = Field(description="Whether an earlier request with this key had started it.")


def stop_job(request: HttpRequest, job_id: JobId, idempotency_key: Key, rolls_back: RollsBack = True) -> ChangedJob:
    """Stop a job and roll it back, unless `rollback=false` leaves what it has made as it is."""
    return _changed(changing.stop_job(job_id, request_of(request, idempotency_key), rolls_back=rolls_back))


def roll_back_job(request: HttpRequest, job_id: JobId, idempotency_key: Key) -> ChangedJob:
    """Roll a job back that was stopped, or whose rollback was incomplete."""
    return _changed(changing.roll_back_job(job_id, request_of(request, idempotency_key)))


def retry_job(request: HttpRequest, job_id: JobId, idempotency_key: Key) -> RetriedJob:
    """Start a new job with the payload of one that has failed. It replaces that one if something of it is left."""
    requested = changing.retry_job(job_id, request_of(request, idempotency_key))
    return RetriedJob(job_id=requested.job_id, retries=job_id, is_repeated=requested.is_repeated)


def _changed(changed: Changed) -> ChangedJob:
    return ChangedJob(job_id=changed.job_id, rollback=changed.rollback, is_repeated=changed.is_repeated)
