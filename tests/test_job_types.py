"""A job type's declaration matches its state machine, the control plane, and the specification."""

import re

from provisioning.errors import TransientError
from provisioning.jobs.declaration import Declaration, ProjectStatus, TenantOf
from provisioning.jobs.provision_project import PROVISION_PROJECT
from provisioning.jobs.registry import DECLARATIONS
from provisioning.jobs.resume_project import RESUME_PROJECT
from provisioning.jobs.suspend_project import SUSPEND_PROJECT
from provisioning.stage import Service, Stage
from tests import shipped
from tests.job_pairs import SPECIFIED, STATUSES_WITHOUT_TENANT, WAITS, Row, status_after
from tests.state_machines import CLOSING, TASKS, every_declaration, rollback


def test_every_job_type_is_declared_under_its_own_name() -> None:
    assert {name: declared.job_type for name, declared in DECLARATIONS.items()} == {name: name for name in DECLARATIONS}


def test_every_declared_job_type_has_a_state_machine_and_none_is_left_over() -> None:
    files = {file.name for file in (shipped.ROOT / "statemachine").iterdir()}
    assert files == {f"{job_type}.asl.yaml" for job_type in DECLARATIONS}
    assert set(shipped.state_machines()) == set(DECLARATIONS)


@every_declaration
def test_every_stage_is_run_by_the_state_that_is_declared_in_this_order(declared: Declaration) -> None:
    forward = [name for name in TASKS[declared.job_type] if name not in rollback(declared.job_type)]
    assert list(declared.states.values()) == forward


@every_declaration
def test_what_a_stage_is_caught_with_is_what_it_is_called_in_the_ledger(declared: Declaration) -> None:
    for stage, state in declared.states.items():
        (caught,) = TASKS[declared.job_type][state]["Catch"]
        assert caught["ResultPath"] == f"$.failure.{stage}"


@every_declaration
def test_every_compensation_of_the_state_machine_is_declared(declared: Declaration) -> None:
    comments = {name: task["Comment"] for name, task in TASKS[declared.job_type].items()}
    found = {name for name, comment in comments.items() if comment.startswith("Compensation.")}
    assert found == set(declared.compensations)


@every_declaration
def test_compensations_run_in_the_reverse_order_of_what_they_undo(declared: Declaration) -> None:
    states = TASKS[declared.job_type]
    run = [rollback(declared.job_type)[0]]
    while run[-1] != CLOSING:
        run.append(states[run[-1]]["Next"])
    latest = [list(declared.states).index(declared.compensations[name][-1]) for name in run[:-1]]
    assert latest == sorted(latest, reverse=True)
    assert set(run[:-1]) == set(declared.compensations)


@every_declaration
def test_every_state_runs_a_function_of_the_template(declared: Declaration) -> None:
    assert set(shipped.functions_of(declared.job_type)) <= set(shipped.functions())


@every_declaration
def test_a_job_is_opened_by_its_first_stage_and_succeeds_in_its_last(declared: Declaration) -> None:
    first, *_, last = declared.steps
    assert (first.stage, first.undone_by) == (Stage.INITIALIZING, None)
    assert (last.stage, last.undone_by) == (Stage.FINALIZING, None)


@every_declaration
def test_what_a_stage_changes_on_a_tenant_of_the_project_is_left_until_it_is_undone(declared: Declaration) -> None:
    """What a stage makes has a row of its own; what it changes is recorded only in its step."""
    changes = declared.tenant is TenantOf.PROJECT
    assert {step.stage for step in declared.steps if step.leaves} == {
        step.stage for step in declared.steps if changes and step.undone_by
    }


def test_every_service_has_a_stage() -> None:
    assert {service.stage for service in Service} <= set(PROVISION_PROJECT.states)


def test_every_stage_belongs_to_a_job_type() -> None:
    assert {stage for declared in DECLARATIONS.values() for stage in declared.states} == set(Stage)


@every_declaration
def test_its_statuses_are_the_specified_ones(declared: Declaration) -> None:
    statuses = (declared.opens_in, declared.while_running, declared.on_success, declared.on_failure)
    assert Row(*statuses) == SPECIFIED[declared.job_type]
    assert {(status, declared.job_type): error for status, error in declared.waits_in.items()} == {
        key: error for key, error in WAITS.items() if key[1] == declared.job_type
    }


def test_every_specified_job_type_is_declared_and_no_other() -> None:
    assert set(SPECIFIED) == set(DECLARATIONS)


@every_declaration
def test_its_statuses_lead_from_one_to_the_next(declared: Declaration) -> None:
    """While it runs a project has another status than before; what failed can be tried again.

    A job that has succeeded does not open again, unless it leaves its project as it was: then it changes no status.
    """
    assert declared.while_running not in declared.opens_in
    assert declared.on_success not in declared.opens_in or declared.opens_in == (declared.on_success,)
    assert (declared.while_running is None) is (declared.on_success is None)
    assert declared.on_failure is None or declared.on_failure in declared.opens_in


def test_no_job_opens_while_another_runs() -> None:
    running = {declared.while_running for declared in DECLARATIONS.values()}
    assert not running & {status for declared in DECLARATIONS.values() for status in declared.opens_in}


def test_the_types_that_change_a_project_have_running_statuses_of_their_own() -> None:
    running = [declared.while_running for declared in (PROVISION_PROJECT, SUSPEND_PROJECT, RESUME_PROJECT)]
    assert len(running) == len(set(running))


@every_declaration
def test_what_a_job_waits_for_is_a_running_job_and_the_wait_is_transient(declared: Declaration) -> None:
    running = {other.while_running for other in DECLARATIONS.values()} - {declared.while_running, None}
    assert set(declared.waits_in) <= running
    assert all(issubclass(error, TransientError) for error in declared.waits_in.values())


@every_declaration
def test_only_a_job_that_gets_a_new_tenant_leaves_created_or_failed(declared: Declaration) -> None:
    """In all other statuses the project has a live tenant."""
    for status in declared.opens_in:
        assert (status in STATUSES_WITHOUT_TENANT) == (declared.tenant is TenantOf.NEW)


@every_declaration
def test_jobs_of_two_projects_may_run_at_once(declared: Declaration) -> None:
    assert declared.excludes("one") != declared.excludes("other")


def test_jobs_of_one_project_exclude_each_other_whatever_their_types() -> None:
    assert len({declared.excludes("one") for declared in DECLARATIONS.values()}) == 1


@every_declaration
def test_a_job_row_says_the_status_that_the_project_gets_back(declared: Declaration) -> None:
    for status in declared.opens_in:
        kept = declared.record("one", str(status))["status_on_failure"]
        assert kept == status_after(declared.job_type, status, "rolled_back")


def test_the_control_plane_takes_the_declared_statuses_and_no_other() -> None:
    (migration,) = (shipped.FUNCTIONS / "provisioning" / "control_plane" / "migrations").glob("0001*.sql")
    (listed,) = re.findall(r"DEFAULT 'created' CHECK \(status IN\s*\(([^)]*)\)\)", migration.read_text())
    assert [one.strip(" '\n") for one in listed.split(",")] == list(ProjectStatus)
