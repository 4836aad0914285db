"""Start jobs, wait for them and roll them back: the handler of every job type."""

import functools
import json
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from provisioning import configuration
from provisioning.execution import FORGOTTEN
from provisioning.jobs.declaration import JobType
from provisioning.jobs.provision_project import PROVISION_PROJECT
from provisioning.jobs.registry import (
    DECLARATIONS,
    JobHandler,
    StepFunctions,
    get_job_handler,
    register_job_handler,
    state_machine_of,
)
from provisioning.jobs.rules import as_input
from provisioning.observability import describe_exception, logger

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

Answer = TypeVar("Answer")

POLL_SECONDS = 0.2
LONGEST_NAME = 80
CALL_ATTEMPTS = 2
"""The second is for a connection that ended while its environment was frozen."""
CONNECT_SECONDS, READ_SECONDS = 1, 3
"""Of an attempt. To connect is tried with each address of the endpoint in turn: one for each subnet."""


class JobFailed(Exception):
    """The job ended without success, with this error name and one-line cause."""

    def __init__(self, error: str, cause: str) -> None:
        super().__init__(f"{error}: {cause}")
        self.error = error
        self.cause = cause


@dataclass(frozen=True)
class Job:
    """A started job."""

    job_id: str
    execution_arn: str

    def wait(self, timeout_seconds: float = 3600.0) -> dict[str, Any]:
        """Return the result once the job has succeeded.

        Raise JobFailed when it failed, and TimeoutError when it is still running after the given time.
        """
        deadline = time.monotonic() + timeout_seconds
        while time.monotonic() < deadline:
            execution = _client().describe_execution(executionArn=self.execution_arn)
            if execution["status"] == "SUCCEEDED":
                result: dict[str, Any] = json.loads(execution["output"])
                return result
            if execution["status"] != "RUNNING":
                raise JobFailed(execution.get("error", execution["status"]), execution.get("cause", ""))
            time.sleep(POLL_SECONDS)
        raise TimeoutError(f"the job {self.job_id} is still running")


def start(job_type: JobType, payload: object, job_id: str | None, at: StepFunctions | None) -> Job:
    """Start a job of a type; a second start under the same job id, while it runs, starts nothing new.

    `at` defaults to the setting STATE_MACHINE_ARN, the ARN of any state machine of the deployment. Raise Misconfigured
    without the setting, InvalidPayload if the payload is too large to be sent, and botocore's ExecutionAlreadyExists
    if a job of that id had another payload or has ended.
    """
    place = _place(at)
    started = place.client.start_execution(
        stateMachineArn=state_machine_of(place.state_machine_arn, job_type),
        name=job_id or str(uuid.uuid4()),
        input=as_input(payload),
    )
    return Job(started["executionArn"].rpartition(":")[2], started["executionArn"])


def roll_back(job_type: JobType, job_id: str, at: StepFunctions | None = None) -> Job:
    """Start an execution of the job's own state machine that rolls the job back, under a new name.

    Raise what start raises.
    """
    return start(job_type, {"rolls_back": job_id}, rollback_name(job_id), at)


def rollback_name(job_id: str) -> str:
    """Return a new name for a rollback's execution: Step Functions accepts each name once."""
    prefix, suffix = "rollback-", f"-{uuid.uuid4().hex[:8]}"
    return f"{prefix}{job_id[: LONGEST_NAME - len(prefix) - len(suffix)]}{suffix}"


def arn_of(job_type: JobType, job_id: str, at: StepFunctions | None = None) -> str:
    """Return the ARN of a job's execution. Raise Misconfigured, and LookupError for an ARN of no job type."""
    machine = state_machine_of(_place(at).state_machine_arn, job_type)
    return ":".join([*machine.replace(":stateMachine:", ":execution:").split(":")[:7], job_id])


def describe(execution_arn: str, at: StepFunctions | None = None) -> Mapping[str, Any]:
    """Return DescribeExecution's answer, or FORGOTTEN for an execution that does not exist. Raise botocore's errors."""
    client = at.client if at is not None else _client()
    described = _call("ExecutionDoesNotExist", client.describe_execution, executionArn=execution_arn)
    return FORGOTTEN if described is None else described


def describe_if_possible(execution_arn: str) -> Mapping[str, Any] | None:
    """Return what describe returns, or None if Step Functions cannot be asked, which is logged."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return describe(execution_arn)
    except (BotoCoreError, ClientError) as error:
        logger().warning("the execution could not be described", raised=describe_exception(error))
        return None


def stop(execution_arn: str, error: str, cause: str, at: StepFunctions | None = None) -> None:
    """Stop an execution, if it exists. Raise botocore's errors."""
    stopping = _place(at).client.stop_execution
    _call("ExecutionDoesNotExist", stopping, executionArn=execution_arn, error=error, cause=cause)


def start_once(job_type: JobType, payload: object, name: str, at: StepFunctions | None = None) -> None:
    """Start an execution under a name that only one caller knows; one that exists was started by it.

    Raise what start raises, except ExecutionAlreadyExists.
    """
    _call("ExecutionAlreadyExists", start, job_type, payload, name, at)


def _call(expected: str, operation: Callable[..., Answer], *arguments: object, **request: object) -> Answer | None:
    """Return the operation's answer, or None if Step Functions answers with the expected error."""
    from botocore.exceptions import ClientError

    try:
        return operation(*arguments, **request)
    except ClientError as error:
        if error.response["Error"]["Code"] != expected:
            raise
        return None


def _place(at: StepFunctions | None) -> StepFunctions:
    return at or StepFunctions(_client(), configuration.required("STATE_MACHINE_ARN"))


def _register_handler(job_type: JobType) -> JobHandler:
    def handler(payload: Mapping[str, Any], job_id: str | None = None, at: StepFunctions | None = None) -> Job:
        return start(job_type, payload, job_id, at)

    return register_job_handler(job_type)(handler)


for _job_type in DECLARATIONS:
    _register_handler(_job_type)

provision_project_handler = get_job_handler(PROVISION_PROJECT.job_type)


def _client() -> "SFNClient":
    return _client_at(configuration.optional("AWS_ENDPOINT_URL"), configuration.optional("AWS_ACCESS_KEY_ID"))


@functools.cache
def _client_at(endpoint_url: str, key_id: str) -> "SFNClient":
    # A session keeps the key that it has first read, and a later laptop stack has another.
    del key_id
    import boto3
    from botocore.config import Config

    retries: Any = {"mode": "standard", "total_max_attempts": CALL_ATTEMPTS}
    settings = Config(connect_timeout=CONNECT_SECONDS, read_timeout=READ_SECONDS, retries=retries)
    return boto3.Session().client("stepfunctions", endpoint_url=endpoint_url or None, config=settings)
