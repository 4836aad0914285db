"""Processes die for real: the handlers' by SIGKILL, and PostgreSQL's at once."""

import random
import threading
import time

import pytest

from local.stack import Stack
from local.template import read_template
from provisioning import control_plane
from provisioning.control_plane import Project
from tests.executions.worlds import look, problems_of_provisioned, problems_of_rolled_back
from tests.faults.cells import ORGANIZATION, payload
from tests.faults.handler_process import HandlerProcess

RUNS = 50
LONGEST_LIFE_SECONDS = 0.5


def test_the_handlers_process_is_killed_at_random_points(stack: Stack) -> None:
    chance = random.Random(20261123)  # noqa: S311 a repeatable choice of moments
    handlers = HandlerProcess()
    problems: dict[str, list[str]] = {}
    with handlers.serving(stack.runtime, read_template().functions):
        for number in range(RUNS):
            project_id = f"killed-{number}"
            lives = [chance.uniform(0.0, LONGEST_LIFE_SECONDS) for _ in range(chance.randint(1, 4))]
            status = provision_while_killing(stack, handlers, project_id, lives)
            if found := problems_of(stack, project_id, status):
                problems[project_id] = found
    assert problems == {}
    assert handlers.deaths > RUNS


def provision_while_killing(stack: Stack, handlers: HandlerProcess, project_id: str, lives: list[float]) -> str:
    control_plane.connect().create_project(Project(project_id, ORGANIZATION, "owner", "us-east-1"))
    execution = stack.start_execution(payload(project_id), f"job-{project_id}")

    def kill() -> None:
        for life in lives:
            time.sleep(life)
            handlers.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    status: str = stack.wait(execution)["status"]
    killer.join()
    return status


def problems_of(stack: Stack, project_id: str, status: str) -> list[str]:
    world = look(stack, project_id)
    if status == "SUCCEEDED":
        return problems_of_provisioned(world, payload(project_id))
    return problems_of_rolled_back(world)


@pytest.mark.parametrize("seconds", [0.0, 0.05, 0.1, 0.15, 0.2, 0.3])
def test_postgresql_is_stopped_at_once_in_the_middle_of_a_job_and_comes_back(stack: Stack, seconds: float) -> None:
    project_id = f"outage-{int(seconds * 1000)}"
    control_plane.connect().create_project(Project(project_id, ORGANIZATION, "owner", "us-east-1"))
    execution = stack.start_execution(payload(project_id), f"job-{project_id}")
    time.sleep(seconds)
    stack.postgres.stop("immediate")
    stack.postgres.start()
    status = stack.wait(execution)["status"]
    assert problems_of(stack, project_id, status) == []
