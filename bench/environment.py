"""A warm Lambda environment: a process of its own in which the shipped handlers run one event after the other.

Its connections stay open from job to job, as Lambda keeps them. The stack's AWS and services run in another process.
"""

import os
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, NamedTuple

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812

from bench import boundaries

ORGANIZATION = OWNER = "bench"
REGION = "us-east-1"
POOL, NOTHING = MODES = "from the pool", "from nothing"
"""Where a job's tenant comes from."""


CONTEXT = SimpleNamespace(get_remaining_time_in_millis=lambda: 600_000)
"""An invocation with ten minutes left: a refill makes as many databases as are asked for."""


class Settings(NamedTuple):
    """What the process is started with."""

    variables: dict[str, str]
    superuser: dict[str, Any]
    log: str


@dataclass(frozen=True)
class Environment:
    """What the process keeps besides what the handlers keep: a superuser's connections to both databases."""

    superuser: Connection
    control_plane: Connection
    settings: Settings


_kept: dict[str, Environment] = {}


def here() -> Environment:
    """Return this process's environment."""
    return _kept["environment"]


def start(settings: Settings) -> None:
    """Make this process an environment and warm it with one job. What it prints goes into the log."""
    log = os.open(settings.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(log, sys.stdout.fileno())
    os.environ.clear()
    os.environ.update(settings.variables)
    superuser, control_plane = (_connect(settings, name) for name in ("postgres", "control_plane"))
    _kept["environment"] = Environment(superuser, control_plane, settings)
    boundaries.install()
    provision()


def new_payload() -> dict[str, Any]:
    """Make a project that nobody has provisioned, and return the payload that asks for it with every service."""
    from provisioning import control_plane
    from provisioning.control_plane import Project
    from provisioning.stage import Service

    project_id = f"b-{uuid.uuid4().hex[:16]}"
    control_plane.connect().record_project(Project(project_id, ORGANIZATION, OWNER, REGION))
    return {"project_id": project_id, "region": REGION, "services": {str(service): True for service in Service}}


def new_event(job_type: str, payload: dict[str, Any]) -> dict[str, Any]:
    """Return the event of a new job."""
    job_id = f"bench-{uuid.uuid4().hex}"
    return {"job_type": job_type, "job_id": job_id, "execution_arn": f"arn:{job_id}", "payload": payload}


def new_provision() -> dict[str, Any]:
    """Make a project, and return the event of a job that provisions it."""
    from provisioning.jobs.provision_project import PROVISION_PROJECT

    return new_event(PROVISION_PROJECT.job_type, new_payload())


def stage_by_stage(event: dict[str, Any]) -> Iterator[str]:
    """Run a job's stages one after the other, and yield the name of each when it has ended.

    The event receives the tenant's id, as the execution's state does.
    """
    from bench import handlers

    for name, handler in handlers.stages(event["job_type"]).items():
        answer = handler(event, CONTEXT)
        event |= {key: answer[key] for key in ("tenant_id",) if key in answer}
        yield name


def run(event: dict[str, Any]) -> float:
    """Run a job through the handlers and return the milliseconds that it took."""
    return timed(lambda: list(stage_by_stage(event)))


def provision() -> float:
    """Provision a project that exists already, and return the milliseconds that it took."""
    return run(new_provision())


def provision_by_stage() -> dict[str, dict[str, float]]:
    """Run one job and return per stage the milliseconds by boundary, and how often it called what."""
    event = new_provision()
    spent: dict[str, dict[str, float]] = {}
    meter = boundaries.start()
    for name in stage_by_stage(event):
        spent[name] = meter.split() | meter.counts()
        meter = boundaries.start()
    return spent


def total(job: dict[str, dict[str, float]], what: str = "total") -> float:
    """Return the milliseconds of a job that was measured by stage, or another sum over its stages."""
    return sum(stage[what] for stage in job.values())


def prepare(mode: str, tenants: int = 1) -> None:
    """Let that many jobs find a tenant in the pool, or hide the pool from all: a disputed tenant is not chosen."""
    from upkeep.refill_pools import refill_pools

    if mode == NOTHING:
        _change("UPDATE control_plane.tenants SET state = 'disputed' WHERE state = 'ready'")
        return
    _change("UPDATE control_plane.tenants SET state = 'ready' WHERE state = 'disputed' AND job_id IS NULL")
    os.environ["POOL_SIZE"] = str(tenants)
    refill_pools({}, CONTEXT)


def timed(action: Callable[[], object]) -> float:
    """Return how many milliseconds the action took."""
    started = time.perf_counter()
    action()
    return (time.perf_counter() - started) * 1000


def _connect(settings: Settings, dbname: str) -> Connection:
    connection: Connection = psycopg2.connect(**settings.superuser, dbname=dbname)
    connection.autocommit = True
    return connection


def _change(statement: str) -> None:
    with here().control_plane.cursor() as cursor:
        cursor.execute(statement)
