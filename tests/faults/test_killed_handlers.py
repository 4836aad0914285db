"""The process that runs a job's handlers dies by SIGKILL, as the operating system kills one."""

import random
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from local.stack import Stack
from local.template import read_template
from tests.faults.handler_process import HandlerProcess, serving
from tests.faults.jobs import new_project, problems_of, start_job

RUNS = 50
AT_ONCE = 5
LONGEST_LIFE_SECONDS = 0.8


@pytest.mark.slow
def test_jobs_survive_the_death_of_their_handlers_at_random_moments(stack: Stack) -> None:
    chance = random.Random(20261123)  # noqa: S311 a repeatable choice of moments
    projects = {
        new_project(): [chance.uniform(0.0, LONGEST_LIFE_SECONDS) for _ in range(chance.randint(1, 4))]
        for _ in range(RUNS)
    }
    deaths: list[bool] = []
    processes = {f"job-{project_id}": HandlerProcess() for project_id in projects}

    def problems_of_a_killed_job(project_id: str) -> list[str]:
        execution, handlers = start_job(stack, project_id), processes[f"job-{project_id}"]
        for life in projects[project_id]:
            time.sleep(life)
            deaths.append(handlers.kill())
        ended = stack.wait(execution)
        handlers.kill()
        return problems_of(stack, project_id, ended)

    with serving(stack.runtime, read_template().functions, processes.__getitem__), ThreadPoolExecutor(AT_ONCE) as pool:
        problems = dict(zip(projects, pool.map(problems_of_a_killed_job, projects), strict=True))
    assert {project_id: found for project_id, found in problems.items() if found} == {}
    assert sum(deaths) > RUNS
