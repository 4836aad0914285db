"""A warm Lambda environment: a process of its own in which the shipped handlers run one event after the other.

Its connections stay open from job to job, as Lambda keeps them. The stack's AWS and services run in another process.
"""

import os
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812

from bench import boundaries

SERVICES = ("auth", "realtime", "storage", "pooler")
ORGANIZATION = OWNER = "bench"
REGION = "us-east-1"


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
    forgetful: bool = False


@dataclass(frozen=True)
class Environment:
    """What the process keeps besides what the handlers keep: a superuser's connections to both databases."""

    superuser: Connection
    control_plane: Connection
    settings: Settings


_kept: dict[str, Environment] = {}


def here() -> Environment:
    """Returns this process's environment."""
    return _kept["environment"]


def start(settings: Settings) -> None:
    """Makes this process an environment and warms it with one job. What it prints goes into the log."""
    log = os.open(settings.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(log, sys.stdout.fileno())
    os.environ.clear()
    os.environ.update(settings.variables)
    if settings.code not in sys.path:
        sys.path.insert(0, settings.code)
    superuser, control_plane = (_connect(settings, name) for name in ("postgres", "control_plane"))
    _kept["environment"] = Environment(superuser, control_plane, settings)
    boundaries.install(boundaries.ForgetfulSecrets() if settings.forgetful else None)
    provision()


def new_payload() -> dict[str, Any]:
    """Makes a project that nobody has provisioned, and returns the payload that asks for it with every service."""
    from provisioning import control_plane
    from provisioning.control_plane import Project

    project_id = f"b-{uuid.uuid4().hex[:16]}"
    control_plane.connect().create_project(Project(project_id, ORGANIZATION, OWNER, REGION))
    return {"project_id": project_id, "region": REGION, "services": dict.fromkeys(SERVICES, True)}


def new_event() -> dict[str, Any]:
    """Makes a project, and returns the event of a new job for it, which every stage understands."""
    job_id = f"bench-{uuid.uuid4().hex}"
    return {"job_id": job_id, "execution_arn": f"arn:{job_id}", "payload": new_payload()}


def stages() -> dict[str, Callable[[Any, Any], Any]]:
    """Returns the handlers of the happy path in their order, by the stage's name in the state machine."""
    from stages.create_database import create_database
    from stages.create_schema import create_schema
    from stages.finalize import finalize
    from stages.generate_api_keys import generate_api_keys
    from stages.register_services import register_auth, register_pooler, register_realtime, register_storage
    from stages.verify_project import verify_project

    return {
        "Verify project": verify_project,
        "Create tenant database": create_database,
        "Create tenant schema": create_schema,
        "Register auth": register_auth,
        "Register realtime": register_realtime,
        "Register storage": register_storage,
        "Register pooler": register_pooler,
        "Generate API keys": generate_api_keys,
        "Finalize": finalize,
    }


def provision() -> float:
    """Runs one job through the handlers and returns the milliseconds that it took. The project is there before."""
    event = new_event()
    return timed(lambda: [handler(event, Context()) for handler in stages().values()])


def provision_by_boundary() -> dict[str, float]:
    """Runs one job and returns the milliseconds that it took, in total and by boundary."""
    event = new_event()
    meter = boundaries.start()
    for handler in stages().values():
        handler(event, Context())
    return meter.split()


def provision_by_stage() -> dict[str, dict[str, float]]:
    """Runs one job and returns per stage the milliseconds by boundary, and its round trips to PostgreSQL."""
    event = new_event()
    spent: dict[str, dict[str, float]] = {}
    for name, handler in stages().items():
        meter = boundaries.start()
        handler(event, Context())
        spent[name] = meter.split() | {"round trips": meter.calls[boundaries.POSTGRESQL]}
    return spent


def connections_of_a_job() -> list[str]:
    """Runs one job and returns what it opened connections to: the tenant's database, or another by its name."""
    event = new_event()
    meter = boundaries.start()
    for handler in stages().values():
        handler(event, Context())
    return ["the tenant's" if name.startswith("tenant_") else name for name in meter.connections]


def fill_pool(entries: int) -> None:
    """Makes the template, and the pool as large as wanted."""
    from provisioning.database_pool import refill_pools

    _pool("UPDATE control_plane.pool_databases SET status = 'ready' WHERE job_id IS NULL")
    os.environ["POOL_SIZE"] = str(entries)
    refill_pools({}, Context())


def hide_pool(*, template: bool) -> None:
    """Lets jobs find no entry, or not even a template. fill_pool() brings back what was hidden."""
    kinds = ["entry", "template"] if template else ["entry"]
    _pool("UPDATE control_plane.pool_databases SET status = 'removing' WHERE job_id IS NULL AND kind = ANY(%s)", kinds)


def pool_template() -> str:
    """Returns the name of the pool's template."""
    with here().control_plane.cursor() as cursor:
        cursor.execute("SELECT database_name FROM control_plane.pool_databases WHERE kind = 'template'")
        row = cursor.fetchone()
    if row is None:
        raise LookupError("the pool has no template yet")
    return cast("str", row[0])


def take_entry() -> str:
    """Takes an entry out of the control plane's pool, for work on it that no job does, and returns its name."""
    with here().control_plane.cursor() as cursor:
        cursor.execute(
            "DELETE FROM control_plane.pool_databases WHERE database_name = (SELECT database_name"
            " FROM control_plane.pool_databases WHERE kind = 'entry' AND job_id IS NULL LIMIT 1)"
            " RETURNING database_name"
        )
        row = cursor.fetchone()
    if row is None:
        raise LookupError("the pool is empty")
    return cast("str", row[0])


def timed(action: Callable[[], object]) -> float:
    """Returns how many milliseconds the action took."""
    started = time.perf_counter()
    action()
    return (time.perf_counter() - started) * 1000


def _connect(settings: Settings, dbname: str) -> Connection:
    connection: Connection = psycopg2.connect(**settings.superuser, dbname=dbname)
    connection.autocommit = True
    return connection


def _pool(change: str, *values: object) -> None:
    with here().control_plane.cursor() as cursor:
        cursor.execute(change, values or None)
