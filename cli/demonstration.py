"""`provision demo`: the sample project from its provisioning to its resumption, on a stack that is gone afterwards."""

import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from cli import api_target, following, jobs, outcome_view, payloads, project_view, projects
from cli.api_client import Api, new_key
from cli.output import print_json
from cli.terminal import typed
from local.stack import Stack
from provisioning.jobs.registry import DECLARATIONS

SHOWN_AFTERWARDS = ("provision suspend PROJECT", "provision resume PROJECT")
"""The commands of the jobs that run once the project is provisioned."""


def run(event: Path, time_scale: float, console: Console, *, as_json: bool = False) -> bool:
    """Print each step as it ends, or all of them as one JSON document, and return whether all have succeeded."""
    # What people see is dropped then: the document has all of it.
    out = Console(quiet=True) if as_json else console
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="provisioner-") as directory:
        out.print("Starting PostgreSQL, the registration services and Step Functions ...")
        with Stack(Path(directory), time_scale=time_scale, fsync=False) as stack:
            ready = time.monotonic()
            api = api_target.find(Path(directory), None)
            job_id = projects.start(api, payloads.read(str(event)), None)
            out.print(f"Job {job_id}", soft_wrap=True)
            job = following.follow(api, job_id, out)
            shown: dict[str, Any] = {"jobs": [job], "seconds": time.monotonic() - ready}
            following.print_ending(job, out)
            if job["outcome"] == "succeeded":
                _show_project(api, job["project_id"], stack.endpoint_url, shown, out)
                _run_others(api, job["project_id"], shown, out)
            shown["seconds_with_all"] = time.monotonic() - started
            succeeded = all(one["outcome"] == "succeeded" for one in shown["jobs"])
            out.print(
                f"\n{'Provisioned' if succeeded else 'Failed'} in {shown['seconds']:.1f} s,"
                f" {shown['seconds_with_all']:.1f} s with the start of the stack, a suspension and a resumption."
            )
            out.print(typed("For the execution view: provision up, then provision console."), soft_wrap=True)
    if as_json:
        print_json(shown)
    return succeeded


def _show_project(api: Api, project_id: str, endpoint_url: str, shown: dict[str, Any], out: Console) -> None:
    shown["project"] = api.project(project_id)
    project_view.print_project(api, shown["project"], out)
    login, shown["tables"] = outcome_view.find_tenant_tables(shown["project"]["tenant"]["tenant_id"], endpoint_url)
    outcome_view.print_tenant_tables(login, shown["tables"], out)


def _run_others(api: Api, project_id: str, shown: dict[str, Any], out: Console) -> None:
    """Run the other jobs, print how each ended, and stop at the first that does not succeed."""
    of_commands = {one.command: one for one in DECLARATIONS.values()}
    out.print()
    for declared in (of_commands[command] for command in SHOWN_AFTERWARDS):
        job_id = jobs.start_job(api, declared, {"project_id": project_id}, new_key())
        job: dict[str, Any] = {"outcome": None}
        while job["outcome"] is None:
            job = api.job(job_id, following.WAIT_SECONDS)
        shown["jobs"].append(job)
        status = api.project(project_id)["status"]
        command = declared.command.replace("PROJECT", project_id)
        out.print(f"{command}: {job['outcome']}, the project is {status}.", soft_wrap=True)
        if job["outcome"] != "succeeded":
            following.print_ending(job, out)
            return
