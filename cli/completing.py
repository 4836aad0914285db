"""What a shell completes beside commands and options: names, which the HTTP API is asked for.

Whoever presses the key waits for at most SECONDS. If the API cannot be asked, nothing is completed and nothing is said.
Nothing is kept.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from provisioning.stage import Service

if TYPE_CHECKING:
    from cli.api_client import Api

SECONDS = 2.0
MOST = 200
"""The largest page of the API: the newest so many can be completed."""
CANNOT_ASK = "state_machine"
"""A command that was told to stand in the VPC has no API."""


def projects(context: typer.Context, incomplete: str) -> list[str]:
    """Return the projects whose id begins so."""
    return _asked(context, incomplete, _projects)


def jobs(context: typer.Context, incomplete: str) -> list[str]:
    """Return the jobs whose id begins so, and the projects."""
    return _asked(context, incomplete, _jobs, _projects)


def organizations(context: typer.Context, incomplete: str) -> list[str]:
    """Return the organizations of projects whose id begins so."""
    return _asked(context, incomplete, lambda api: (one["organization_id"] for one in _listed(api, "projects")))


def tenants(context: typer.Context, incomplete: str) -> list[str]:
    """Return the tenants in use whose id begins so."""
    return _asked(context, incomplete, lambda api: (one["tenant_id"] for one in _listed(api, "projects")))


def clusters(context: typer.Context, incomplete: str) -> list[str]:
    """Return the clusters whose id begins so."""
    return _asked(context, incomplete, lambda api: (one["cluster_id"] for one in api.get("/v1/clusters")["clusters"]))


def job_types(incomplete: str) -> list[str]:
    """Return the job types whose name begins so."""
    from provisioning.jobs.registry import DECLARATIONS

    return [one for one in DECLARATIONS if one.startswith(incomplete)]


def services(incomplete: str) -> list[str]:
    """Return the services whose name begins so."""
    return [str(one) for one in Service if one.startswith(incomplete)]


def _projects(api: "Api") -> Iterator[str]:
    return (one["project_id"] for one in _listed(api, "projects"))


def _jobs(api: "Api") -> Iterator[str]:
    return (one["job_id"] for one in _listed(api, "jobs"))


def _listed(api: "Api", kind: str) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = api.get(f"/v1/{kind}", limit=MOST)[kind]
    return found


def _asked(context: typer.Context, incomplete: str, *asks: Callable[["Api"], Iterator[str | None]]) -> list[str]:
    """Return what the API names and begins so, each once, in the API's order: the newest first."""
    if context.params.get(CANNOT_ASK) is not None:
        return []
    found: list[str | None] = []

    def ask() -> None:
        # Whatever fails, a person at a prompt cannot use a message.
        with suppress(Exception):
            api = _api(context.params)
            for one in asks:
                found.extend(one(api))

    # A thread, because reading credentials may wait for an instance's metadata too. It ends with the process.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(SECONDS)
    return [one for one in dict.fromkeys([*found]) if one and one.startswith(incomplete)]


def _api(given: Mapping[str, Any]) -> "Api":
    import os

    from cli import api_target

    directory = given.get("state_dir") or os.environ.get("PROVISIONER_STATE_DIR") or ".provisioner"
    endpoint = given.get("endpoint") or os.environ.get("PROVISIONER_ENDPOINT")
    api = api_target.find(Path(directory), endpoint, given.get("profile"), given.get("aws_region"))
    api.pauses = ()
    return api
