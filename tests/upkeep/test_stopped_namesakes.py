"""The end of an execution stops no job that only has its name."""

import os
from datetime import UTC, datetime, timedelta

import pytest

from local.stack import Stack
from provisioning.jobs.declaration import JobType
from provisioning.jobs.provision_project import PROVISION_PROJECT
from provisioning.jobs.registry import DECLARATIONS, state_machine_of
from stages.database import create_database
from tests.executions.looking import look
from tests.stages.jobs import StagedJob
from tests.upkeep.stopping import stop

OTHER_TYPES = [job_type for job_type in DECLARATIONS if job_type != PROVISION_PROJECT.job_type]


@pytest.mark.parametrize("job_type", OTHER_TYPES)
def test_the_end_of_another_types_execution_stops_no_job_of_its_name(
    stack: Stack, job: StagedJob, job_type: JobType
) -> None:
    job.run_until(create_database)
    before = look(stack, job.project_id)
    machine = state_machine_of(os.environ["STATE_MACHINE_ARN"], job_type)
    assert stop(job, "FAILED", stateMachineArn=machine) == []
    assert look(stack, job.project_id) == before


def test_the_end_of_an_execution_90_days_later_stops_no_job_of_its_name(stack: Stack, job: StagedJob) -> None:
    job.run_until(create_database)
    before = look(stack, job.project_id)
    later = datetime.now(UTC) + timedelta(days=90)
    assert stop(job, "FAILED", startDate=later.timestamp() * 1000) == []
    assert look(stack, job.project_id) == before
