"""Backups of the control plane and of a cluster's register, restored to an earlier time."""

import json
from collections.abc import Sequence
from contextlib import closing
from typing import Any

from psycopg2 import sql

from local.stack import Stack
from provisioning.cluster.session import REGISTER
from provisioning.ledger.runner import Output
from tests.executions.looking import look
from tests.stages.jobs import COMPENSATIONS, StagedJob, execute

CONTROL_PLANE_TABLES = (
    *("projects", "jobs", "provisioning_steps", "tenants"),
    *("service_registrations", "api_key_secrets", "api_keys"),
)


OUTSIDE = ("databases", "roles", "tables", "secrets", "registrations", "registered")
STATE = "SELECT state FROM {} WHERE tenant_id = %s"
ELSEWHERE = "00000000-0000-0000-0000-000000000000"
"""The id of another control plane."""


class Backup:
    """The complete rows of some tables of one database. A restore loses everything later."""

    def __init__(self, stack: Stack, database: str, schema: str, tables: Sequence[str]) -> None:
        self._stack = stack
        self._database = database
        self._tables = [sql.Identifier(schema, table) for table in tables]
        rows = "SELECT coalesce(jsonb_agg(to_jsonb(kept)), '[]')::text FROM {} AS kept"
        self._rows = [self._run([sql.SQL(rows).format(table)])[0][0] for table in self._tables]

    def restore(self) -> None:
        # As in a restore: no trigger fires and no foreign key is checked.
        statements: list[sql.Composable] = [sql.SQL("SET session_replication_role = replica")]
        for table, rows in zip(self._tables, self._rows, strict=True):
            names = {"table": table, "rows": sql.Literal(json.dumps(json.loads(rows)))}
            statements.append(sql.SQL("DELETE FROM {table}").format(**names))
            restored = "INSERT INTO {table} SELECT * FROM jsonb_populate_recordset(NULL::{table}, {rows})"
            statements.append(sql.SQL(restored).format(**names))
        self._run(statements)

    def _run(self, statements: Sequence[sql.Composable]) -> list[tuple[Any, ...]]:
        with closing(self._stack.postgres.connect(self._database)) as superuser, superuser.cursor() as cursor:
            cursor.execute(sql.SQL(";").join(statements))
            return cursor.fetchall() if cursor.description else []


def control_plane_backup(stack: Stack) -> Backup:
    """A backup of what the control plane knows now, except for its append-only audit log."""
    return Backup(stack, "control_plane", "control_plane", CONTROL_PLANE_TABLES)


def register_backup(stack: Stack) -> Backup:
    """A backup of the present register. The creators' counts are not restored."""
    return Backup(stack, REGISTER, "register", ("tenants",))


FOUND = """
    SELECT DISTINCT substring(name FROM '^tenant_([a-z]{20})') FROM (
        SELECT datname::text AS name FROM pg_database UNION ALL SELECT rolname::text FROM pg_roles
        UNION ALL SELECT 'tenant_' || tenant_id FROM register.tenants) AS named
    WHERE name ~ '^tenant_[a-z]{20}'
"""
KNOWN = """
    INSERT INTO control_plane.tenants (tenant_id, cluster_id, state) VALUES (%s, 'local', 'disputed')
    ON CONFLICT DO NOTHING
"""


def make_known(stack: Stack) -> None:
    """Record what a restored control plane has forgotten, so that other tests do not find it without an owner."""
    for (tenant_id,) in execute(stack, REGISTER, FOUND):
        execute(stack, "control_plane", KNOWN, tenant_id)


def outside(stack: Stack, job: StagedJob) -> dict[str, Any]:
    """What exists of the job's tenant outside the control plane, including the register's row."""
    world = look(stack, job.project_id)
    return {kind: getattr(world, kind) for kind in OUTSIDE}


def state(stack: Stack, job: StagedJob) -> str:
    """The state of the job's tenant in the control plane."""
    table = sql.Identifier("control_plane", "tenants")
    ((found,),) = execute(stack, "control_plane", sql.SQL(STATE).format(table), job.tenant_id)
    return str(found)


def registered_state(stack: Stack, job: StagedJob) -> str:
    """The state of the job's tenant in the register."""
    table = sql.Identifier("register", "tenants")
    ((found,),) = execute(stack, REGISTER, sql.SQL(STATE).format(table), job.tenant_id)
    return str(found)


def compensated(job: StagedJob, *, forgotten: bool = False) -> list[Output]:
    """Run the compensations, and return the answer of each."""
    return [job.run(handler, forgotten=forgotten) for handler in COMPENSATIONS]
