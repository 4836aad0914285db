"""One job, stage by stage: the handlers are called as by Lambda, and their errors are exceptions here."""

import os
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar
from unittest.mock import patch

from psycopg2 import sql

from local.stack import Stack
from provisioning.cluster import session as cluster_session
from provisioning.control_plane import connection
from provisioning.identity import TenantNames
from provisioning.jobs.declaration import JobType
from provisioning.jobs.provision_project import PROVISION_PROJECT
from provisioning.ledger.runner import Event, LambdaContext, Output
from provisioning.services import client as service_client
from stages.activation import finalize
from stages.api_keys import generate_api_keys, revoke_api_keys
from stages.database import create_database, drop_database
from stages.failure import record_failure
from stages.project import verify_project
from stages.schema import create_schema
from stages.services import (
    deregister_services,
    register_auth,
    register_pooler,
    register_realtime,
    register_storage,
)
from tests.executions.running import SERVICES, payload_for
from upkeep.reconcile import reconcile
from upkeep.refill_pools import refill_pools

Handler = Callable[[Event, LambdaContext], Output]
Answer = TypeVar("Answer")

REGISTER: dict[str, Handler] = {
    "auth": register_auth,
    "realtime": register_realtime,
    "storage": register_storage,
    "pooler": register_pooler,
}
COMPENSATIONS: tuple[Handler, ...] = (revoke_api_keys, deregister_services, drop_database)
STOPPED: dict[str, Any] = {}


class Context:
    """An invocation with a minute left."""

    def get_remaining_time_in_millis(self) -> int:
        return 60_000


class Died(BaseException):
    """The process is gone: nothing in it handles this, and nothing is recorded."""


@dataclass
class StagedJob:
    """A job that a test takes from stage to stage: the state of an execution, without the execution."""

    job_id: str
    payload: dict[str, Any]
    tenant_id: str | None = None
    job_type: JobType = PROVISION_PROJECT.job_type
    failure: dict[str, Any] = field(default_factory=dict)
    """Empty, as that of an execution that was stopped."""

    @property
    def project_id(self) -> str:
        return str(self.payload["project_id"])

    @property
    def names(self) -> TenantNames:
        """The names of the tenant in the state."""
        assert self.tenant_id is not None, "the job has no tenant before it is opened"
        return TenantNames(self.tenant_id)

    def run(self, handler: Handler, **event: Any) -> Output:
        """Invoke a handler for this job. A tenant_id in its answer replaces the one in the state."""
        state: dict[str, Any] = {"job_type": self.job_type, "job_id": self.job_id, "tenant_id": self.tenant_id}
        state |= {"forgotten": False, "failure": self.failure}
        answer = handler({**state, **event}, Context())
        self.tenant_id = answer.get("tenant_id", self.tenant_id)
        return answer

    def verify(self) -> Output:
        return self.run(verify_project, execution_arn=f"arn:{self.job_id}", payload=self.payload)

    def run_until(self, last: Handler) -> Output:
        """Run the stages up to and including this one, and return its answer."""
        for handler in (create_database, create_schema, *REGISTER.values(), generate_api_keys, finalize):
            answer = self.run(handler)
            if handler is last:
                return answer
        raise AssertionError(f"{last} is no stage of this job")

    def compensate(self, **event: Any) -> list[str]:
        """Run the compensations and return all that they removed."""
        return [removed for handler in COMPENSATIONS for removed in self.run(handler, **event)["removed"]]

    def record_failure(self, failure: dict[str, Any]) -> Output:
        return self.run(
            record_failure,
            execution_arn=f"arn:{self.job_id}",
            payload=self.payload,
            failure=failure,
        )

    def roll_back(self, **event: Any) -> Output:
        self.compensate(**event)
        return self.record_failure(STOPPED)


def a_job(project_id: str, *services: str, **fields: object) -> StagedJob:
    """Return a job for a project that has not been opened."""
    return StagedJob(f"job-{uuid.uuid4().hex[:12]}", payload_for(project_id, *services, **fields))


def open_job(project_id: str, *services: str, **fields: object) -> StagedJob:
    """Open a job for a project, by default with every service."""
    job = a_job(project_id, *(services or SERVICES), **fields)
    job.verify()
    return job


@contextmanager
def dying(owner: Any, attribute: str, *, after: bool) -> Iterator[None]:
    """Let the process die at a call: before it, or after its work."""
    real = getattr(owner, attribute)

    def instead(*arguments: Any, **named: Any) -> Any:
        if after:
            real(*arguments, **named)
        raise Died

    with patch.object(owner, attribute, instead):
        yield


def at_once(*calls: Callable[[], Answer]) -> list[Answer | Exception]:
    """Make the calls concurrently, each in its own environment, and return what each returned or raised."""

    def outcome(call: Callable[[], Answer]) -> Answer | Exception:
        try:
            return call()
        except Exception as error:  # noqa: BLE001 (the test looks at it)
            return error

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(outcome, calls))


def refill(size: int) -> None:
    """Bring every pool to this size."""
    with patch.dict(os.environ, {"POOL_SIZE": str(size)}):
        refill_pools({}, Context())


@contextmanager
def refilled(stack: Stack, size: int = 1) -> Iterator[None]:
    """A pool of this size, and an empty one afterwards."""
    refill(size)
    try:
        yield
    finally:
        outdate_pool(stack)
        refill(0)


def outdate_pool(stack: Stack) -> None:
    """Make ready tenants count as made from an older schema."""
    execute(stack, "control_plane", "UPDATE control_plane.tenants SET fingerprint = 'old' WHERE state = 'ready'")


def look_again(stack: Stack, *tenant_ids: str | None) -> Output:
    """Make the last look at these tenants due, and reconcile."""
    due = "UPDATE control_plane.{} SET look_again_at = now() WHERE look_again_at IS NOT NULL AND tenant_id = ANY (%s)"
    for table in ("tenants", "api_key_secrets"):
        execute(stack, "control_plane", sql.SQL(due).format(sql.Identifier(table)), list(tenant_ids))
    return reconcile({}, Context())


def execute(stack: Stack, dbname: str, statement: str | sql.Composable, *values: object) -> list[tuple[Any, ...]]:
    """Run a statement as superuser and return its rows."""
    with closing(stack.postgres.connect(dbname)) as superuser, superuser.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall() if cursor.description else []


def wait_until_free(stack: Stack, dbname: str, key: str) -> None:
    """Return when nobody holds this advisory lock: a closed session's server process ends only some time after."""
    free = "SELECT pg_advisory_lock(key), pg_advisory_unlock(key) FROM hashtextextended(%s, 0) AS key"
    execute(stack, dbname, f"SET lock_timeout = '10s'; {free}", key)


@contextmanager
def lambda_environment() -> Iterator[None]:
    """A Lambda environment of its own: its connections end with it."""
    with (
        patch.object(connection, "_environment", threading.local()),
        patch.object(cluster_session, "_environment", threading.local()),
        patch.object(service_client, "_environment", threading.local()),
    ):
        yield
