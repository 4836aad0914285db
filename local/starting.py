"""Start an execution with any payload, also one that no handler accepts."""

import json
from collections.abc import Mapping

from provisioning.jobs.declaration import JobType
from provisioning.jobs.registry import StepFunctions, get_job_handler, state_machine_of


def start_execution(place: StepFunctions, payload: object, name: str | None, job_type: JobType) -> str:
    """Start an execution of a job type and return its ARN. Raise ClientError.

    A handler accepts only objects as payloads, so others are sent here: text as it is, anything else as JSON.
    """
    if isinstance(payload, Mapping):
        return get_job_handler(job_type)(payload, name, place).execution_arn
    request = {"input": payload if isinstance(payload, str) else json.dumps(payload)} | ({"name": name} if name else {})
    machine = state_machine_of(place.state_machine_arn, job_type)
    return str(place.client.start_execution(stateMachineArn=machine, **request)["executionArn"])
