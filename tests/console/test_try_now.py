"""A stage that waits for its next attempt can be tried now, on a laptop only."""

import pytest
from starlette.requests import Request

from cli.connection import of_stack
from console.errors import ConsoleError
from console.execution_actions import ACTIONS, offered
from console.job_view import Sources
from console.setting import Setting
from console.state_machines import machine_of
from local.stack import Stack
from tests.console.browsing import new_job
from tests.console.conftest import held_clock
from tests.executions.running import eventually, payload_for
from tests.executions.stage_faults import STAGES, Fault, failing


def press(setting: Setting, name: str, job: str) -> str:
    """Press a button of a job's page, and return where it leads."""
    machine = machine_of(setting.sources.executions.state_machine_arn)
    done = ACTIONS[name](setting, Request({"type": "http", "path_params": {"machine": machine, "name": job}}), {})
    assert done == f"/executions/{machine}/{job}"
    return done


def test_a_wait_ends_when_the_next_attempt_is_asked_for(stack: Stack, project_id: str) -> None:
    job, other = new_job(), new_job()
    sources = of_stack(stack.endpoint_url, stack.state_machine_arn, 1.0)
    on_aws = Sources.of(stack.client("stepfunctions"), stack.client("logs"), stack.state_machine_arn)
    with held_clock(stack), failing(stack, STAGES["creating_database"], Fault.ERROR, 1):
        arn = stack.start_execution(payload_for(project_id), job)
        assert eventually(lambda: stack.clock.seconds(execution=job) != [])
        shown = sources.read(job)
        assert shown is not None
        assert [one.name for one in offered(shown, sources)] == ["now", "stop"]
        assert [one.name for one in offered(shown, on_aws)] == ["stop"]
        with pytest.raises(ConsoleError, match=f"{other} does not wait for an attempt"):
            sources.try_now(other)  # type: ignore[misc]
        with pytest.raises(ConsoleError, match="only a laptop's stack"):
            press(Setting(on_aws, "AWS"), "now", job)
        press(Setting(sources, "laptop"), "now", job)
        assert stack.wait(arn)["status"] == "SUCCEEDED"
    assert not stack.clock.skip(job)
