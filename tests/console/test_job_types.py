"""Executions of every job type's state machine, side by side."""

import json
import re

import pytest
from playwright.sync_api import Page, expect

from console.errors import ConsoleError
from console.execution_list import Query
from console.executions import Executions
from console.formatting import job_words
from console.job_view import Sources
from console.stages import Stages, stages_of
from console.state_machines import execution_arn, machine_of, state_machines
from local.stack import Stack
from provisioning.jobs.declaration import Declaration, JobType
from provisioning.jobs.provision_project import PROVISION_PROJECT
from provisioning.jobs.registry import DECLARATIONS
from provisioning.jobs.suspend_project import SUSPEND_PROJECT
from tests.console.browsing import assert_accessible, execution_address, new_job, node, open_job
from tests.console.conftest import PATIENCE_MILLISECONDS
from tests.executions.running import payload_for

expect.set_options(timeout=PATIENCE_MILLISECONDS)

KNOWN = "arn:aws:states:us-east-1:123456789012:stateMachine:stack-provision-project"
DONE = {"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}
every_type = pytest.mark.parametrize("declared", DECLARATIONS.values(), ids=DECLARATIONS)


@pytest.fixture(scope="module")
def sources(stack: Stack) -> Sources:
    return Sources.of(stack.client("stepfunctions"), stack.client("logs"), stack.state_machine_arn)


@pytest.fixture
def jobs(stack: Stack, project_id: str) -> list[str]:
    """Two jobs of a project, the newer first: it was provisioned, and then suspended."""
    provisioned, suspended = new_job(), new_job()
    stack.run(payload_for(project_id), provisioned)
    stack.run({"project_id": project_id}, suspended, job_type=SUSPEND_PROJECT.job_type)
    return [suspended, provisioned]


@pytest.mark.parametrize("known", [KNOWN, f"{KNOWN}:live", KNOWN.replace("provision", "suspend")])
def test_the_state_machines_of_all_types_are_found_from_any_of_them(known: str) -> None:
    machines = state_machines(known)
    assert [name.removeprefix("stack-").replace("-", "_") for name in machines] == list(DECLARATIONS)
    assert machines["stack-provision-project"] == KNOWN
    assert {machine_of(execution_arn(arn, "job")) for arn in machines.values()} == set(machines)


def test_a_state_machine_of_no_job_type_is_returned_without_others() -> None:
    other = KNOWN.replace("stack-provision-project", "crowd")
    assert state_machines(other) == {"crowd": other}
    assert (stages_of(other), job_words(other)) == (Stages(), "crowd")


@every_type
def test_the_stages_of_a_job_are_those_that_its_type_declares(declared: Declaration) -> None:
    stages = Stages(declared)
    assert [stages.stage_of(step.state) for step in declared.steps] == [str(step.stage) for step in declared.steps]
    assert stages.percent(set(stages.states.values())) == 100
    assert stages.percent(set(list(stages.states.values())[1:])) == 0
    assert stages.not_wanted('{"project_id": ') == set()


def test_a_payload_leaves_out_the_states_of_the_services_that_it_does_not_want() -> None:
    payload = json.dumps(payload_for("p", "auth", "pooler"))
    assert Stages(PROVISION_PROJECT).not_wanted(payload) == {"Register realtime", "Register storage"}


def test_the_list_has_the_executions_of_all_types_newest_first(sources: Sources, jobs: list[str]) -> None:
    rows = sources.execution_list.look(Query()).rows
    assert [row.name for row in rows][:2] == jobs
    assert [row.job for row in rows][:2] == ["Suspend project", "Provision project"]
    assert [(row.percent, row.stage) for row in rows][:2] == [(100, "completed")] * 2


def test_the_list_shows_one_type_when_it_is_asked_for(sources: Sources, jobs: list[str]) -> None:
    machine = machine_of(sources.executions.find(jobs[0]) or "")
    rows = sources.execution_list.look(Query(machine=machine)).rows
    assert rows[0].name == jobs[0]
    assert {row.job for row in rows} == {"Suspend project"}


def test_an_execution_is_found_in_whichever_state_machine_it_is(sources: Sources, jobs: list[str]) -> None:
    for job, declared in zip(jobs, (SUSPEND_PROJECT, PROVISION_PROJECT), strict=True):
        shown = sources.read(job)
        assert shown is not None
        assert shown.execution.timeline.stages.declared is declared
        assert (shown.execution.percent, shown.execution.timeline.attempts) == (100, 1)
    assert sources.read("nobody") is None
    assert sources.read(jobs[0], "laptop-provision-project") is None


def test_a_type_that_the_deployment_does_not_have_yet_has_no_executions(stack: Stack, jobs: list[str]) -> None:
    client = stack.client("stepfunctions")
    arn = client.create_state_machine(
        name="older-provision-project", definition=json.dumps(DONE), roleArn="arn:aws:iam::123456789012:role/older"
    )["stateMachineArn"]
    try:
        assert Executions(client, arn).list() == ([], False)
        assert Executions(client, arn).read("nobody") is None
    finally:
        client.delete_state_machine(stateMachineArn=arn)
    with pytest.raises(ConsoleError, match="StateMachineDoesNotExist"):
        Executions(client, arn).list()


@pytest.fixture
def form(page: Page, console: str) -> Page:
    """The page that starts a job."""
    page.goto(f"{console}/start")
    return page


@pytest.mark.slow
@every_type
def test_every_type_has_a_form_that_is_reached_from_every_other(form: Page, declared: Declaration) -> None:
    form.get_by_role("navigation", name="Job types").get_by_text(job_words(address_of(declared.job_type))).click()
    expect(form.locator("body")).to_contain_text(declared.summary)
    form.get_by_label("Project id", exact=True).fill("no spaces allowed")
    form.get_by_role("button", name="Start …").click()
    expect(form.get_by_role("alert").filter(has_text="project_id: ")).to_be_visible()
    assert_accessible(form)


def address_of(job_type: JobType) -> str:
    """Return the ARN of a job type's state machine."""
    return state_machines(KNOWN)[f"stack-{job_type.replace('_', '-')}"]


@pytest.mark.slow
def test_there_is_no_form_of_a_type_that_is_not_declared(page: Page, console: str) -> None:
    assert page.request.get(f"{console}/start/nothing").status == 404


@pytest.mark.slow
def test_a_project_is_suspended_from_its_form(page: Page, console: str, stack: Stack, project_id: str) -> None:
    stack.run(payload_for(project_id))
    page.goto(f"{console}/start/{SUSPEND_PROJECT.job_type}")
    page.get_by_label("Project id", exact=True).fill(project_id)
    page.get_by_role("button", name="Start …").click()
    page.get_by_role("dialog").get_by_role("button", name="Start", exact=True).click()
    page.wait_for_url("**/executions/laptop-suspend-project/**")
    expect(page.locator("h1")).to_contain_text("succeeded")
    expect(node(page, "Suspend tenant access")).to_have_class(re.compile("succeeded"))


@pytest.mark.slow
def test_an_execution_has_the_page_of_its_state_machine_and_of_its_name(
    page: Page, console: str, jobs: list[str]
) -> None:
    page.goto(f"{console}/executions")
    page.get_by_role("link", name=jobs[0]).click()
    page.wait_for_url(execution_address(console, jobs[0], SUSPEND_PROJECT.job_type))
    expect(page.locator(".heading")).to_contain_text("Suspend project")
    open_job(page, console, jobs[0])
    expect(page.locator(".heading")).to_contain_text("Suspend project")
    assert page.request.get(f"{execution_address(console, jobs[0])}/history.json").status == 404
