"""The job that a client of the HTTP API asks for: it sends its request again under its key until it is answered."""

import json
from typing import Any

from botocore.exceptions import ClientError

from local.http_api import FUNCTION
from local.stack import Stack
from provisioning.requests.caller import caller_of
from provisioning.requests.remembering import Request, ids
from tests.api.asking import event
from tests.executions.worlds import look
from tests.faults.kinds import Job
from tests.requests.sending import ROUTE, arn_of, jobs_of, requests_of

ATTEMPTS = 3
"""How often a client sends its request before it gives up; the stages have as many attempts."""
ACCEPTED = 202
NOT_STARTED = "not started"


def job_id_of(job: Job, name: str) -> str:
    """Return the id of a job that is named so: if it is asked for, the name is its Idempotency-Key."""
    if not job.is_asked_for:
        return name
    iam = event("POST", "/v1/projects")["requestContext"]["authorizer"]["iam"]
    return next(ids(Request(caller_of(iam), ROUTE, name)))


def run(stack: Stack, job: Job, name: str, document: dict[str, Any]) -> dict[str, Any]:
    """Ask for the job and return DescribeExecution's answer for its ended execution, or that it was not started."""
    _ask(stack, job, name, document)
    return _ended(stack, job, name)


def run_again(stack: Stack, job: Job, name: str, document: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Ask once more when the fault is over, and return how the execution ended, and the problems.

    If no attempt has started it, there is nothing but the request until then. Afterwards there is one job.
    """
    job_id, project_id, problems = job_id_of(job, name), str(document["project_id"]), []
    if _ended(stack, job, name)["status"] == NOT_STARTED:
        world = look(stack, project_id)
        problems += [f"without an execution there is {found}" for found in (*world.jobs, *world.tenants)]
    answered, found = _ask(stack, job, name, document)
    if (answered, found.get("job_id")) != (ACCEPTED, job_id):
        problems.append(f"the repeated request is answered {answered}: {found}")
    execution = _ended(stack, job, name)
    if len(requests := requests_of(stack, project_id)) != 1 or requests[0][2] != job_id:
        problems.append(f"the requests are {requests}")
    jobs = jobs_of(stack, project_id)
    if [(one[0], one[3]) for one in jobs] != [(job_id, requests[0][0])]:
        problems.append(f"the jobs are {jobs}")
    return execution, problems


def _ask(stack: Stack, job: Job, name: str, document: dict[str, Any]) -> tuple[int | None, dict[str, Any]]:
    asked = event("POST", f"/v1/projects/{document['project_id']}/jobs/{job.job_type}")
    asked |= {"body": json.dumps(document), "job_id": job_id_of(job, name)}
    asked["headers"] |= {"content-type": "application/json", "idempotency-key": name}
    status, body = None, {}
    for _ in range(ATTEMPTS):
        answer = stack.runtime.invoke(FUNCTION, json.dumps(asked))
        told = {} if answer.failed else json.loads(answer.payload)
        status, body = told.get("statusCode"), json.loads(told.get("body") or "{}")
        if status is not None and status < 500:
            break
    return status, body


def _ended(stack: Stack, job: Job, name: str) -> dict[str, Any]:
    arn = arn_of(stack, job_id_of(job, name), job.job_type)
    try:
        stack.client("stepfunctions").describe_execution(executionArn=arn)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ExecutionDoesNotExist":
            raise
        return {"status": NOT_STARTED}
    return stack.wait(arn, timeout=120)
