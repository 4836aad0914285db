"""Follow a job over the API to its end, and print how it ended."""

import time
from typing import Any

from rich.console import Console

from cli.api_client import Api
from cli.job_progress import stage_table, view
from cli.terminal import typed

POLL_SECONDS = 0.15
"""Between looks at a job of a stack on this machine."""
WAIT_SECONDS = 2
"""How long a deployment's API waits for the end before it answers: a look every two seconds."""
CLEAN = ("rolled_back", "failed")
"""The outcomes that leave nothing of a job that is rolled back. A job that "failed" had made nothing."""


def follow(api: Api, name: str, console: Console, *, as_json: bool = False) -> dict[str, Any]:
    """Show a job's stages until it ends, and return it. `name` may be that of a rollback's execution."""
    with view(console, api.time_scale, as_json=as_json) as shown:
        while True:
            job = api.job(name, 0 if api.is_loopback else WAIT_SECONDS)
            shown.show(job)
            if job["outcome"] is not None:
                return job
            if api.is_loopback:
                time.sleep(POLL_SECONDS)


def wait_for_rollback(api: Api, execution: str, console: Console) -> bool:
    """Follow the execution that rolls a job back, print how it ended, and return whether nothing is left of the job."""
    console.print(f"Execution {execution}", soft_wrap=True)
    job = follow(api, execution, console)
    print_ending(job, console)
    return job["outcome"] in CLEAN


def print_ending(job: dict[str, Any], console: Console) -> None:
    """Print the line that says how a job ended; nothing while it runs."""
    if job["ending"] is not None:
        console.print(typed(job["ending"]["text"]), soft_wrap=True)


def print_job(job: dict[str, Any], console: Console, time_scale: float = 1.0) -> None:
    """Print a job's progress and, once it has ended, its ending."""
    of = f"project {job['project_id'] or 'unknown'}"
    if job["started_by"] is not None:
        of += f", started by {job['started_by']}"
    console.print(f"{job['status']}, {job['percent']} %, {job['stage']}, {of}", soft_wrap=True)
    console.print(stage_table(job, time_scale))
    print_ending(job, console)
