"""A warm Lambda environment: a process of its own in which the shipped handlers run one event after the other.

Its connections stay open from job to job, as Lambda keeps them. The stack's AWS and services run in another process.
"""

import functools
import os
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812

from bench import boundaries

ORGANIZATION = OWNER = "bench"
REGION = "us-east-1"
POOL, NOTHING = MODES = "from the pool", "from nothing"
"""Where a job's tenant comes from."""


class Context:
    """An invocation with ten minutes left: a refill makes as many databases as are asked for."""

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the invocation ends."""
        return 600_000


class Settings(NamedTuple):
    """What the process is started with."""

    variables: dict[str, str]
    code: str
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
    if settings.code not in sys.path:
        sys.path.insert(0, settings.code)
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


def new_event() -> dict[str, Any]:
    """Make a project, and return the event of a new job for it."""
    job_id = f"bench-{uuid.uuid4().hex}"
    event = {"job_type": "provision_project", "job_id": job_id, "execution_arn": f"arn:{job_id}"}
    return {**event, "payload": new_payload()}


@functools.cache
def stages() -> dict[str, Callable[[Any, Any], Any]]:
    """Return the handlers of the happy path in their order, by the stage's name in the state machine."""
    from bench import handlers
    from provisioning.jobs.provision_project import PROVISION_PROJECT

    return handlers.stages(PROVISION_PROJECT)


def run(event: dict[str, Any]) -> Iterator[str]:
    """Run a job's stages one after the other and yield the name of each when it has ended."""
    for name, handler in stages().items():
        answer = handler(event, Context())
        event = event | {key: answer[key] for key in ("tenant_id",) if key in answer}
        yield name


def provision() -> float:
    """Run one job through the handlers and return the milliseconds that it took. The project is there before."""
    event = new_event()
    return timed(lambda: list(run(event)))


def provision_by_stage() -> dict[str, dict[str, float]]:
    """Run one job and return per stage the milliseconds by boundary, and its round trips to PostgreSQL."""
    event = new_event()
    spent: dict[str, dict[str, float]] = {}
    meter = boundaries.start()
    for name in run(event):
        spent[name] = meter.split() | {"round trips": meter.calls[boundaries.POSTGRESQL]}
        meter = boundaries.start()
    return spent


def total(job: dict[str, dict[str, float]]) -> float:
    """Return the milliseconds of a job that was measured by stage."""
    return sum(stage["total"] for stage in job.values())


def prepare(mode: str, tenants: int = 1) -> None:
    """Let that many jobs find a tenant in the pool, or let all find none."""
    if mode == POOL:
        fill_pool(tenants)
    else:
        hide_pool()


def fill_pool(tenants: int) -> None:
    """Make the pool as large as wanted, out of the hidden tenants first."""
    from upkeep.refill_pools import refill_pools

    _change("UPDATE control_plane.tenants SET state = 'ready' WHERE state = 'disputed' AND job_id IS NULL")
    os.environ["POOL_SIZE"] = str(tenants)
    refill_pools({}, Context())


def hide_pool() -> None:
    """Let jobs find nothing in the pool. A tenant that is disputed is neither chosen nor removed."""
    _change("UPDATE control_plane.tenants SET state = 'disputed' WHERE state = 'ready'")


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
