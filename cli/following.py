"""Follow a job over the API to its end, and print how it ended."""

import shlex
import sys
import time
from typing import Any

import typer
from rich.console import Console

from cli.api_client import Api
from cli.job_progress import print_stages, view
from cli.output import print_json
from cli.terminal import typed
from local.exit_codes import ExitCode

POLL_SECONDS = 0.15
"""Between looks at a job of a stack on this machine."""
WAIT_SECONDS = 2
"""How long a deployment's API waits for the end before it answers: a look every two seconds."""
CLEAN = ("rolled_back", "failed")
"""The outcomes that leave nothing of a job that is rolled back. A job that "failed" had made nothing."""


def follow(api: Api, name: str, console: Console, *, as_json: bool = False) -> dict[str, Any]:
    """Show a job's stages until it ends, and return it. `name` may be that of a rollback's execution.

    Ctrl-C ends the command and not the job, which is said with the command that follows it again.
    """
    try:
        with view(console, api.time_scale, as_json=as_json) as shown:
            while True:
                job = api.job(name, 0 if api.is_loopback else WAIT_SECONDS)
                shown.show(job)
                if job["outcome"] is not None:
                    return job
                if api.is_loopback:
                    time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        print(typed(f"still running: provision watch {shlex.quote(name)}"), file=sys.stderr)
        raise typer.Exit(ExitCode.INTERRUPTED) from None


def wait_for_rollback(api: Api, execution: str, console: Console, *, as_json: bool = False) -> bool:
    """Follow the execution that rolls a job back, print how it ended, and return whether nothing is left of the job."""
    if not as_json:
        console.print(f"Execution {execution}", soft_wrap=True)
    job = follow(api, execution, console, as_json=as_json)
    if not as_json:
        print_ending(job, console)
    return job["outcome"] in CLEAN


def print_ending(job: dict[str, Any], console: Console) -> None:
    """Print the line that says how a job ended; nothing while it runs."""
    if job["ending"] is not None:
        console.print(typed(job["ending"]["text"]), soft_wrap=True)


def print_job(job: dict[str, Any], console: Console, time_scale: float = 1.0, *, as_json: bool = False) -> None:
    """Print a job's progress and, once it has ended, its ending."""
    if as_json:
        print_json(job)
        return
    of = f"project {job['project_id'] or 'unknown'}"
    if job["started_by"] is not None:
        of += f", started by {job['started_by']}"
    console.print(f"{job['status']}, {job['percent']} %, {job['stage']}, {of}", soft_wrap=True)
    print_stages(job, console, time_scale)
    print_ending(job, console)
