"""The job handler of provision_project: starts the state machine, and can wait for its result."""

import functools
import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from provisioning import configuration
from provisioning.jobs.declaration import JobType
from provisioning.jobs.registry import register_job_handler
from provisioning.jobs.result import ProvisionResult

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

POLL_SECONDS = 0.2


class JobFailed(Exception):
    """The job ended without a provisioned project. Has the error's name and its one-line cause."""

    def __init__(self, error: str, cause: str) -> None:
        super().__init__(f"{error}: {cause}")
        self.error = error
        self.cause = cause


@dataclass(frozen=True)
class ProvisionProjectJob:
    """A started job."""

    job_id: str
    execution_arn: str

    def wait(self, timeout_seconds: float = 3600.0) -> ProvisionResult:
        """Returns the result once the job has succeeded.

        Raises JobFailed when it failed, and TimeoutError when it is still running after the given time.
        """
        deadline = time.monotonic() + timeout_seconds
        while time.monotonic() < deadline:
            execution = _client().describe_execution(executionArn=self.execution_arn)
            if execution["status"] == "SUCCEEDED":
                return cast("ProvisionResult", json.loads(execution["output"]))
            if execution["status"] != "RUNNING":
                raise JobFailed(execution.get("error", execution["status"]), execution.get("cause", ""))
            time.sleep(POLL_SECONDS)
        raise TimeoutError(f"the job {self.job_id} is still running")


@register_job_handler(JobType.PROVISION_PROJECT)
def provision_project_handler(payload: Mapping[str, Any], job_id: str | None = None) -> ProvisionProjectJob:
    """Starts a provision_project job; starting it again under the same job id, while it runs, starts nothing new.

    The state machine is the one in the setting STATE_MACHINE_ARN. Raises Misconfigured without it, and botocore's
    ExecutionAlreadyExists when a job of that id had another payload or has ended.
    """
    started = _client().start_execution(
        stateMachineArn=configuration.required("STATE_MACHINE_ARN"),
        name=job_id or str(uuid.uuid4()),
        input=json.dumps(payload),
    )
    return ProvisionProjectJob(started["executionArn"].rpartition(":")[2], started["executionArn"])


def _client() -> "SFNClient":
    return _client_at(configuration.optional("AWS_ENDPOINT_URL"))


@functools.cache
def _client_at(endpoint_url: str) -> "SFNClient":
    import boto3

    return boto3.client("stepfunctions", endpoint_url=endpoint_url or None)
