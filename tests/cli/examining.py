"""Changes that the tests of doctor make to the shared stack, and undo."""

import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from psycopg2 import sql

from cli import doctor
from cli.findings import Finding
from local.postgres import MAX_CONNECTIONS, RESERVED_CONNECTIONS
from local.stack import Stack
from provisioning.cluster.session import REGISTER
from provisioning.examination.server import Server
from tests.executions.running import execute, invoke

ADMIN = "provisioner/clusters/local"
OF_ONE_TENANT = re.compile(r"^tenant[ _][a-z]{20}\b")
"""Other tests leave tenants in this server in every state."""


OF_ONE_JOB = re.compile(r"^the job \S+ was stopped$")
"""Other tests leave stopped jobs."""

WITHOUT_FSYNC = "runs with fsync off"
"""The server of the tests does, to be fast."""

TOO_MANY = "not every tenant can have one"
"""The tests share one server, of any capacity."""

ORDINARY = MAX_CONNECTIONS - RESERVED_CONNECTIONS - 3
"""What the laptop's server has for tenants."""

NOTIFICATIONS = 1_048_576, 8192
"""The queue's most pages (max_notify_queue_pages, since PostgreSQL 17), and a page's bytes."""

FINE = Server(True, True, True, 0, True, 60, 600, "tenant_a", 200_000_000, 200_000_000)


def examined() -> list[Finding]:
    """Every finding except for tenants, stopped jobs, fsync and capacity."""
    found = [one for one in doctor.examine() if not (OF_ONE_TENANT.match(one.fact) or OF_ONE_JOB.match(one.fact))]
    return [one for one in found if WITHOUT_FSYNC not in one.fact and TOO_MANY not in one.fact]


def wrong() -> dict[str, Finding]:
    """The facts to correct, by subject, except for tenants."""
    return {one.subject: one for one in examined() if one.remedy}


def facts_of(tenant_id: str) -> list[str]:
    """The facts to correct about one tenant."""
    return [one.fact for one in doctor.examine() if one.remedy and tenant_id in one.fact]


@contextmanager
def changed_secret(stack: Stack, name: str, **members: Any) -> Iterator[None]:
    """Change the content of a secret inside the block. A member that is None is missing."""
    secrets = stack.client("secretsmanager")
    before = secrets.get_secret_value(SecretId=name)["SecretString"]
    changed = {key: value for key, value in (json.loads(before) | members).items() if value is not None}
    secrets.put_secret_value(SecretId=name, SecretString=json.dumps(changed))
    try:
        yield
    finally:
        secrets.put_secret_value(SecretId=name, SecretString=before)


@contextmanager
def changed_row(stack: Stack, table: str, dbname: str, row: tuple[str, str], **columns: object) -> Iterator[None]:
    """Change values in one row, found by the value of a column, inside the block."""
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    key, place = sql.Identifier(row[0]), sql.SQL(table)

    def update(values: Iterable[object], of: object) -> None:
        statement = sql.SQL("UPDATE {} SET ({}) = ROW ({}) WHERE {} = {}")
        new = sql.SQL(", ").join(map(sql.Literal, values))
        execute(stack, statement.format(place, names, new, key, sql.Literal(of)), dbname)

    query = sql.SQL("SELECT {} FROM {} WHERE {} = {}")
    (before,) = execute(stack, query.format(names, place, key, sql.Literal(row[1])), dbname)
    update(columns.values(), row[1])
    try:
        yield
    finally:
        update(before, columns.get(row[0], row[1]))


def changed_cluster(stack: Stack, **columns: object) -> Any:
    """Change what the control plane knows of the stack's cluster."""
    return changed_row(stack, "control_plane.clusters", "control_plane", ("cluster_id", "local"), **columns)


def changed_tenant(stack: Stack, known: str, /, **columns: object) -> Any:
    """Change what the control plane knows of a tenant."""
    return changed_row(stack, "control_plane.tenants", "control_plane", ("tenant_id", known), **columns)


def changed_registered(stack: Stack, tenant_id: str, /, **columns: object) -> Any:
    """Change what the cluster's register knows of a tenant."""
    return changed_row(stack, "register.tenants", REGISTER, ("tenant_id", tenant_id), **columns)


@contextmanager
def pooled(stack: Stack) -> Iterator[str]:
    """The id of a tenant that is ready in the pool, which is empty afterwards."""
    _refill(stack, 1)
    ((tenant_id,),) = execute(
        stack, "SELECT tenant_id FROM control_plane.tenants WHERE state = 'ready'", "control_plane"
    )
    try:
        yield tenant_id
    finally:
        execute(stack, "UPDATE control_plane.tenants SET fingerprint = 'old' WHERE state = 'ready'", "control_plane")
        _refill(stack, 0)


def _refill(stack: Stack, size: int) -> None:
    with patch.dict(os.environ, {"POOL_SIZE": str(size)}):
        invoke(stack, "RefillPoolsFunction", {})


def rename(stack: Stack, database: str, name: str) -> None:
    """Rename a database inside the block, ending its sessions."""
    names = sql.Identifier(database), sql.Identifier(name)
    execute(
        stack,
        sql.SQL("SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity WHERE datname = {}").format(
            sql.Literal(database)
        ),
    )
    execute(stack, sql.SQL("ALTER DATABASE {} RENAME TO {}").format(*names))
