"""The process that runs the handlers dies by SIGKILL, as the operating system kills one."""

import random
import threading
import time

from local.stack import Stack
from local.template import read_template
from tests.faults.handler_process import HandlerProcess
from tests.faults.jobs import new_project, problems_of, start_job

RUNS = 50
LONGEST_LIFE_SECONDS = 0.5


def test_jobs_survive_the_death_of_the_handlers_process_at_random_moments(stack: Stack) -> None:
    chance = random.Random(20261123)  # noqa: S311 a repeatable choice of moments
    handlers = HandlerProcess()
    problems: dict[int, list[str]] = {}
    with handlers.serving(stack.runtime, read_template().functions):
        for number in range(RUNS):
            lives = [chance.uniform(0.0, LONGEST_LIFE_SECONDS) for _ in range(chance.randint(1, 4))]
            if found := problems_of_a_job_that_is_killed(stack, handlers, lives):
                problems[number] = found
    assert problems == {}
    assert handlers.deaths > RUNS


def problems_of_a_job_that_is_killed(stack: Stack, handlers: HandlerProcess, lives: list[float]) -> list[str]:
    project_id = new_project()
    execution = start_job(stack, project_id)

    def kill() -> None:
        for life in lives:
            time.sleep(life)
            handlers.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    ended = stack.wait(execution)
    killer.join()
    return problems_of(stack, project_id, ended)
