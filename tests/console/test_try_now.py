"""A job that waits for its next attempt can be stopped and rolled back at once or, on a laptop, be tried now."""

from dataclasses import replace

import pytest
from starlette.requests import Request

from cli.connection import of_stack
from console.errors import ConsoleError
from console.execution_actions import ACTIONS, offered
from console.job_view import Sources
from console.setting import Setting
from console.state_machines import execution_arn, machine_of
from local.stack import Stack
from provisioning import control_plane, endings
from provisioning.jobs.suspend_project import SUSPEND_PROJECT
from tests.console.browsing import new_job
from tests.console.conftest import held_clock
from tests.executions.running import ended, eventually, payload_for
from tests.executions.stage_faults import STAGES, Fault, failing
from tests.executions.waiting import waiting


def press(setting: Setting, name: str, job: str, machine: str = "") -> str:
    """Press a button of a job's page, and return the name of the execution whose page it leads to."""
    machine = machine or machine_of(setting.sources.executions.state_machine_arn)
    done = ACTIONS[name](setting, Request({"type": "http", "path_params": {"machine": machine, "name": job}}), {})
    place, _, found = str(done).rpartition("/")
    assert place == f"/executions/{machine}"
    return found


def test_a_wait_ends_when_the_next_attempt_is_asked_for(stack: Stack, project_id: str) -> None:
    job, other = new_job(), new_job()
    sources = of_stack(stack.endpoint_url, stack.state_machine_arn, 1.0)
    on_aws = Sources.of(stack.client("stepfunctions"), stack.client("logs"), stack.state_machine_arn)
    with held_clock(stack), failing(stack, STAGES["creating_database"], Fault.ERROR, 1):
        arn = stack.start_execution(payload_for(project_id), job)
        assert eventually(lambda: stack.clock.seconds(execution=job) != [])
        shown = sources.read(job)
        assert shown is not None
        assert [one.name for one in offered(shown, sources)] == ["now", "stop-and-roll-back"]
        assert [one.name for one in offered(shown, on_aws)] == ["stop-and-roll-back"]
        with pytest.raises(ConsoleError, match=f"{other} does not wait for an attempt"):
            sources.try_now(other)  # type: ignore[misc]
        with pytest.raises(ConsoleError, match="only a laptop's stack"):
            press(Setting(on_aws, "AWS"), "now", job)
        assert press(Setting(sources, "laptop"), "now", job) == job
        assert stack.wait(arn)["status"] == "SUCCEEDED"
    assert not stack.clock.skip(job)


def test_a_stop_with_rollback_is_one_action(stack: Stack, project_id: str) -> None:
    setting = Setting(of_stack(stack.endpoint_url, stack.state_machine_arn, 1.0), "laptop")
    with waiting(stack, project_id) as job:
        rollback = press(setting, "stop-and-roll-back", job)
    assert rollback.startswith(f"rollback-{job}")
    stack.wait(execution_arn(stack.state_machine_arn, rollback))
    ending = endings.find(control_plane.connect(), job)
    assert (ending.outcome, ending.leftovers) == ("rolled_back", [])
    assert ending.message == "its execution was stopped (StoppedInConsole: stopped in the console)"


def test_what_only_has_a_jobs_name_is_not_stopped_with_its_rollback(stack: Stack, project_id: str) -> None:
    setting = Setting(of_stack(stack.endpoint_url, stack.state_machine_arn, 1.0), "laptop")
    with waiting(stack, project_id) as job:
        namesake = stack.start_execution({"project_id": project_id}, job, SUSPEND_PROJECT.job_type)
        with pytest.raises(ConsoleError, match="the ledger has no job of this execution"):
            press(setting, "stop-and-roll-back", job, machine_of(namesake))
        assert endings.find(control_plane.connect(), job).outcome == "running"


def test_a_rollbacks_own_execution_is_stopped_without_another_rollback(stack: Stack, project_id: str) -> None:
    sources = Sources.of(stack.client("stepfunctions"), stack.client("logs"), stack.state_machine_arn)
    shown = sources.read(ended(stack, stack.start_execution({"rolls_back": new_job()}, new_job())).job_id)
    assert shown is not None
    running = replace(shown, execution=replace(shown.execution, status="RUNNING", stopped_at=None), ending=None)
    (offer,) = offered(running, sources)
    assert (offer.name, offer.other, offer.command) == ("stop", None, "")
