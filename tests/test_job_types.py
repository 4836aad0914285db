"""What a job type declares is what its state machine does and what the control plane holds."""

import re

import pytest

from provisioning.jobs.declaration import Declaration, JobType, ProjectStatus
from provisioning.jobs.registry import DECLARATIONS
from provisioning.stage import Service
from tests import shipped

every_job_type = pytest.mark.parametrize("declared", DECLARATIONS.values(), ids=DECLARATIONS)


def test_every_job_type_has_a_declaration() -> None:
    assert list(DECLARATIONS) == list(JobType)


@every_job_type
def test_every_stage_is_run_by_the_state_that_is_declared_in_this_order(declared: Declaration) -> None:
    assert list(declared.states.values()) == [name for name in shipped.tasks() if name in declared.states.values()]


@every_job_type
def test_what_a_stage_is_caught_with_is_what_it_is_called_in_the_ledger(declared: Declaration) -> None:
    for stage, state in declared.states.items():
        (caught,) = shipped.tasks()[state]["Catch"]
        assert caught["ResultPath"] == f"$.failure.{stage}"


@every_job_type
def test_every_compensation_of_the_state_machine_is_declared(declared: Declaration) -> None:
    comments = {name: task["Comment"] for name, task in shipped.tasks().items()}
    found = {name for name, comment in comments.items() if comment.startswith("Compensation.")}
    assert found == set(declared.compensations)


@every_job_type
def test_every_service_has_a_stage(declared: Declaration) -> None:
    assert {service.stage for service in Service} <= set(declared.states)


@every_job_type
def test_its_statuses_lead_from_one_to_the_next(declared: Declaration) -> None:
    """While it runs a project has a status of its own, in which nothing opens; what failed can be tried again."""
    assert declared.while_running not in declared.opens_in
    assert declared.on_success not in declared.opens_in
    assert declared.on_failure in declared.opens_in


@every_job_type
def test_jobs_of_two_projects_may_run_at_once(declared: Declaration) -> None:
    assert declared.excludes("one") != declared.excludes("other")


def test_the_control_plane_takes_the_declared_statuses_and_no_other() -> None:
    (migration,) = (shipped.FUNCTIONS / "provisioning" / "control_plane" / "migrations").glob("0001*.sql")
    (listed,) = re.findall(r"DEFAULT 'created' CHECK \(status IN \(([^)]*)\)\)", migration.read_text())
    assert [one.strip(" '\n") for one in listed.split(",")] == list(ProjectStatus)
