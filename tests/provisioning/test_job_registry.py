import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from provisioning.errors import Misconfigured
from provisioning.jobs import registry
from provisioning.jobs.declaration import JobType
from provisioning.jobs.executions import Job, provision_project_handler
from provisioning.jobs.provision_project import PROVISION_PROJECT
from provisioning.jobs.registry import (
    DECLARATIONS,
    JobHandler,
    StartedJob,
    StepFunctions,
    get_job_handler,
    get_registered_job_types,
    has_job_handler,
    register_job_handler,
    validate_required_handlers,
)
from tests import shipped

PROVISION = PROVISION_PROJECT.job_type
PAYLOAD = {"project_id": "demo", "region": "us-east-1"}


@dataclass(frozen=True)
class Started:
    job_id: str
    execution_arn: str


def start(payload: Mapping[str, Any], job_id: str | None = None, at: StepFunctions | None = None) -> StartedJob:
    return Started(job_id or "new", "arn")


@pytest.fixture
def empty(monkeypatch: pytest.MonkeyPatch) -> dict[JobType, JobHandler]:
    """A registry of its own, as it is before any handler's module was imported."""
    handlers: dict[JobType, JobHandler] = {}
    monkeypatch.setattr(registry, "_handlers", handlers)
    return handlers


@pytest.fixture
def state_machine(state_machines: dict[JobType, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """The ARN of the state machine in the settings, whose executions are started and then run for ever."""
    monkeypatch.setenv("STATE_MACHINE_ARN", state_machines[PROVISION])
    return state_machines[PROVISION]


@pytest.mark.usefixtures("empty")
def test_a_registered_handler_is_found_by_its_type() -> None:
    register_job_handler(PROVISION)(start)
    assert get_job_handler(PROVISION) is start
    assert has_job_handler(PROVISION)
    assert get_registered_job_types() == [PROVISION]


@pytest.mark.usefixtures("empty")
def test_registering_leaves_the_handler_callable_as_it_was() -> None:
    assert register_job_handler(PROVISION)(start) is start


@pytest.mark.usefixtures("empty")
def test_nothing_is_registered_before_a_handler_is_imported() -> None:
    assert not has_job_handler(PROVISION)
    assert get_registered_job_types() == []


@pytest.mark.usefixtures("empty")
def test_a_second_handler_for_a_type_is_refused_and_the_first_one_stays() -> None:
    def another(payload: Mapping[str, Any], job_id: str | None = None, at: StepFunctions | None = None) -> StartedJob:
        raise NotImplementedError

    register_job_handler(PROVISION)(start)
    with pytest.raises(ValueError, match="provision_project has a handler already"):
        register_job_handler(PROVISION)(another)
    assert get_job_handler(PROVISION) is start


@pytest.mark.usefixtures("empty")
def test_a_type_without_a_handler_is_a_clear_error() -> None:
    with pytest.raises(LookupError, match=r"^the job type provision_project has no handler \(registered: none\)$"):
        get_job_handler(PROVISION)


@pytest.mark.usefixtures("empty")
def test_a_required_handler_that_is_missing_is_named_at_start_up() -> None:
    with pytest.raises(LookupError, match=rf"^job types without a handler: {', '.join(DECLARATIONS)}$"):
        validate_required_handlers()


@pytest.mark.usefixtures("empty")
def test_what_is_not_required_may_be_missing() -> None:
    validate_required_handlers([])


def test_the_list_of_types_is_a_copy(empty: dict[JobType, JobHandler]) -> None:
    get_registered_job_types().append(PROVISION)
    assert empty == {}


def test_importing_their_module_registers_the_handler_of_every_declared_type() -> None:
    program = """
from provisioning.jobs.provision_project import PROVISION_PROJECT
from provisioning.jobs.registry import (
    DECLARATIONS, get_job_handler, get_registered_job_types, has_job_handler, validate_required_handlers
)
assert not has_job_handler(PROVISION_PROJECT.job_type)
from provisioning.jobs.executions import provision_project_handler
assert get_job_handler(PROVISION_PROJECT.job_type) is provision_project_handler
assert get_registered_job_types() == list(DECLARATIONS)
validate_required_handlers()
"""
    subprocess.run([sys.executable, "-c", program], cwd=shipped.FUNCTIONS, check=True)


@pytest.mark.usefixtures("empty")
def test_each_type_that_lacks_its_handler_is_named() -> None:
    first, *others = DECLARATIONS
    register_job_handler(first)(start)
    with pytest.raises(LookupError, match=rf"^job types without a handler: {', '.join(others)}$"):
        validate_required_handlers()


def test_a_job_is_an_execution_of_that_name_with_the_payload_as_its_input(state_machine: str) -> None:
    job = provision_project_handler(PAYLOAD, "job-1")
    execution = boto3.client("stepfunctions").describe_execution(executionArn=job.execution_arn)
    assert (job.job_id, execution["name"], execution["stateMachineArn"]) == ("job-1", "job-1", state_machine)
    assert json.loads(execution["input"]) == PAYLOAD


@pytest.mark.usefixtures("state_machine")
def test_a_job_without_an_id_gets_one_of_its_own() -> None:
    assert provision_project_handler(PAYLOAD).job_id != provision_project_handler(PAYLOAD).job_id


@pytest.mark.usefixtures("state_machine")
def test_starting_a_job_twice_starts_it_once() -> None:
    assert provision_project_handler(PAYLOAD, "job-1") == provision_project_handler(PAYLOAD, "job-1")


@pytest.mark.usefixtures("state_machine")
def test_a_job_id_that_had_another_payload_is_refused() -> None:
    provision_project_handler(PAYLOAD, "job-1")
    with pytest.raises(ClientError, match="ExecutionAlreadyExists"):
        provision_project_handler(PAYLOAD | {"region": "eu-central-1"}, "job-1")


@pytest.mark.usefixtures("state_machine")
def test_a_job_that_still_runs_at_the_end_of_the_wait_is_a_timeout() -> None:
    job = provision_project_handler(PAYLOAD, "job-1")
    assert isinstance(job, Job)
    with pytest.raises(TimeoutError, match="job-1"):
        job.wait(timeout_seconds=0)


@pytest.mark.usefixtures("state_machine")
def test_without_a_state_machine_in_the_settings_no_job_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STATE_MACHINE_ARN")
    with pytest.raises(Misconfigured, match="STATE_MACHINE_ARN"):
        provision_project_handler(PAYLOAD)
