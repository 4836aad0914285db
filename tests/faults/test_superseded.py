"""An attempt that sleeps until its job has ended resumes: after a success, after a rollback, and after a reveal."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import pytest

from local.stack import Stack
from local.template import read_template
from provisioning.tenant.key_delivery import reveal_api_keys
from tests.executions.last_look import look_last
from tests.executions.looking import look
from tests.executions.worlds import problems_of_gone, problems_of_provisioned
from tests.faults.boundary import Boundary, Invocation, Operation, Point
from tests.faults.cells import payload
from tests.faults.jobs import new_project

pytestmark = pytest.mark.slow

TIMEOUT_SCALE = 1 / 25
"""A Lambda's 50 seconds become 2."""
RETRY_SCALE = 1 / 600
"""The 300 seconds before a retry become half a second: on a busy machine an attempt sets the end of its lock later."""

LAST = "FinalizeFunction"
EFFECTS = {
    "the tenant's secret": ("CreateDatabaseFunction", "CreateSecret"),
    "the roles": ("CreateDatabaseFunction", "UPDATE register.creators"),
    "the database": ("CreateDatabaseFunction", "CREATE DATABASE"),
    "the schema": ("CreateSchemaFunction", "SELECT pg_advisory_xact_lock"),
    "a registration": ("RegisterAuthFunction", "PUT auth"),
    "the API keys": ("GenerateApiKeysFunction", "CreateSecret"),
    "the activation": (LAST, "UPDATE register.tenants"),
}
EVERY_EFFECT = pytest.mark.parametrize("effect", EFFECTS)


@dataclass
class Sleeper:
    """Send the first attempt that reaches an effect to sleep before it, until it is woken.

    With fails, every attempt at the last stage fails but the one that sleeps, so that the job is rolled back.
    """

    function: str
    what: str
    fails: bool
    asleep: threading.Event = field(default_factory=threading.Event)
    awake: threading.Event = field(default_factory=threading.Event)

    def intercept(self, invocation: Invocation, point: Point, operation: Operation) -> Any:
        if (point.function, invocation.attempt) == (self.function, 1) and point.what.startswith(self.what):
            self.asleep.set()
            assert self.awake.wait(60)
        elif self.fails and point.function == LAST and (self.function, invocation.attempt) != (LAST, 1):
            raise operation.lose()
        return operation.perform()


@dataclass
class Slept:
    """A job that has ended while its first attempt at an effect sleeps."""

    project_id: str
    execution: dict[str, Any]
    wake: Callable[[], None]


@contextmanager
def sleeping(stack: Stack, effect: str, *, fails: bool = False) -> Iterator[Slept]:
    """Run a job to its end while the first attempt at an effect sleeps; wake() returns when that attempt has ended."""
    sleeper, boundary, project_id = Sleeper(*EFFECTS[effect], fails), Boundary(), new_project()
    job_id = f"job-{project_id}"
    with (
        patch.object(stack.clock, "scale", RETRY_SCALE),
        patch.object(stack.clock, "timeout_scale", TIMEOUT_SCALE),
        patch.object(stack.runtime, "_timeout_scale", TIMEOUT_SCALE),
        boundary.installed(stack.runtime, read_template().functions),
        boundary.watching(job_id, sleeper.intercept),
    ):

        def wake() -> None:
            sleeper.awake.set()
            assert boundary.wait_until_quiet(job_id, 20)

        try:
            execution = stack.run(payload(project_id), job_id, timeout=100)
            assert sleeper.asleep.is_set()
            yield Slept(project_id, execution, wake)
        finally:
            wake()


@EVERY_EFFECT
def test_after_a_success_it_changes_nothing(stack: Stack, effect: str) -> None:
    with sleeping(stack, effect) as slept:
        assert slept.execution["status"] == "SUCCEEDED"
        before = look(stack, slept.project_id)
        slept.wake()
    after = look(stack, slept.project_id)
    assert problems_of_provisioned(after, payload(slept.project_id)) == []
    assert after.given == before.given


@EVERY_EFFECT
def test_after_a_rollback_the_last_look_leaves_nothing_of_what_it_made(stack: Stack, effect: str) -> None:
    with sleeping(stack, effect, fails=True) as slept:
        assert slept.execution["status"] == "FAILED"
        slept.wake()
    look_last(stack, slept.project_id)
    look_last(stack, slept.project_id)
    assert problems_of_gone(look(stack, slept.project_id)) == []


def test_after_a_reveal_the_last_look_removes_the_keys_that_it_made(stack: Stack) -> None:
    with sleeping(stack, "the API keys") as slept:
        revealed = {key.key_id for key in reveal_api_keys(slept.project_id)}
        assert look(stack, slept.project_id).raw_keys == []
        slept.wake()
        (made_again,) = look(stack, slept.project_id).raw_keys
    assert not revealed & {key["key_id"] for key in made_again["current"]["api_keys"]}
    assert reveal_api_keys(slept.project_id) == []
    look_last(stack, slept.project_id)
    world = look(stack, slept.project_id)
    assert problems_of_provisioned(world, payload(slept.project_id), revealed=True) == []
    assert {str(row["key_id"]) for row in world.api_keys} == revealed
