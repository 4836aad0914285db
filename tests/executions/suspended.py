"""The worlds of a suspended and of a resumed project, compared with the project's world while it was active."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import fields
from typing import Any

import psycopg2

from local.bootstrap import ADMIN
from local.stack import Stack
from provisioning.jobs.declaration import Declaration
from tests.executions.looking import Row, World
from tests.executions.provisioned import differ, log_in
from tests.executions.rolled_back import quiet_problems
from tests.executions.running import execute

CHANGING = {"project", "jobs", "steps", "tenants", "registered", "databases", "roles", "audit", "locks", "dangling"}
NO_LIMIT = -1
KEPT = [field.name for field in fields(World) if field.name not in CHANGING]
INSIDE = """
    SELECT pid::text FROM pg_stat_activity JOIN pg_roles ON pg_roles.oid = usesysid
    WHERE datname = '{database}' AND NOT rolsuper
    UNION ALL SELECT gid FROM pg_prepared_xacts WHERE database = '{database}'
    UNION ALL SELECT slot_name FROM pg_replication_slots WHERE database = '{database}'
"""


def problems_of_closed(stack: Stack, world: World, before: World, *, had_prepared: bool) -> list[str]:
    """Return what is wrong in the world of a suspended project, given its world while it was active.

    Where a transaction was prepared, the admin had to connect, and the database has no limit until the resumption.
    """
    (database,), (login, owner) = before.databases, before.roles
    acl = [entry for one in database["acl"] if (entry := _without_connect(one))]
    differs_by = {"acl": acl, "connection_limit": NO_LIMIT if had_prepared else database["connection_limit"]}
    inside = execute(stack, INSIDE.format(database=database["name"]))
    return [
        *_rows_of(world, before, "suspended"),
        *differ("database", world.databases, [{**database, **differs_by}]),
        *differ("roles", world.roles, [{**login, "logs_in": False}, owner]),
        *differ("who is in", inside, []),
        *differ("whether the issued credentials log in", _logs_in(world), False),
        *quiet_problems(world),
    ]


def problems_of_open(world: World, before: World) -> list[str]:
    """Return what has changed in the world of a project that is active again, or still."""
    return [
        *_rows_of(world, before, "active"),
        *differ("database", world.databases, before.databases),
        *differ("roles", world.roles, before.roles),
        *differ("whether the issued credentials log in", _logs_in(world), True),
        *quiet_problems(world),
    ]


def problems_of_job(world: World, declared: Declaration, job_id: str, status: str) -> list[str]:
    """Return what is wrong in the records of a job with this end: succeeded, rolled back or failed."""
    succeeded = status == "SUCCEEDED"
    found = [job for job in world.jobs if job["job_id"] == job_id]
    if len(found) != 1 or found[0]["status"] not in (("succeeded",) if succeeded else ("rolled_back", "failed")):
        return [f"the job is {[job['status'] for job in found]}"]
    (job,) = found
    steps = {step["stage"]: step["status"] for step in world.steps[job_id]}
    problems: list[str] = []
    if succeeded:
        problems += differ("steps", steps, {str(stage): "succeeded" for stage in declared.states})
        problems += differ("progress", (job["progress_percent"], job["current_stage"]), (100, "completed"))
        problems += differ("error and leftovers", (job["last_error_type"], job["leftovers"]), (None, []))
    else:
        undone = {str(stage) for stages in declared.compensations.values() for stage in stages}
        left = {stage for stage, state in steps.items() if stage in undone and state not in ("pending", "compensated")}
        problems += differ("stages that are not undone", left, set())
        problems += differ("leftovers", job["leftovers"], [])
        problems += differ("cause", bool(job["last_error_message"]), True)
    return problems


def _rows_of(world: World, before: World, status: str) -> Iterator[str]:
    """Compare the statuses of project, tenant and register, and everything that no suspension may change."""
    yield from differ("project", world.project and world.project["status"], status)
    (tenant,), (registered,) = before.tenants, before.registered
    yield from differ("tenant", world.tenants, [{**tenant, "state": status}])
    done = {"access_job_id": None}
    known = [{**row, **done} for row in world.registered]
    yield from differ("register", known, [{**registered, **done, "state": status, "is_changing": False}])
    for name in KEPT:
        yield from differ(name, getattr(world, name), getattr(before, name))


def _without_connect(entry: str) -> str | None:
    """Return an entry of an ACL without CONNECT, or None if nothing else is in it; the admin's entry is unchanged."""
    role, _, granted = entry.partition("=")
    privileges, _, grantor = granted.partition("/")
    if role == ADMIN:
        return entry
    left = privileges.replace("c", "")
    return f"{role}={left}/{grantor}" if left else None


def _logs_in(world: World) -> bool:
    (secret,) = world.credentials
    document: Row = secret["current"]
    try:
        found: tuple[Any, ...] | None = log_in(document)
    except psycopg2.OperationalError:
        return False
    return found is not None


def come_in(world: World) -> psycopg2.extensions.connection:
    """Open a session with the issued credentials, and also leave a prepared transaction."""
    (secret,) = world.credentials
    document = secret["current"]
    with closing(_connect(document)) as other, other.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT txid_current()")
        cursor.execute("PREPARE TRANSACTION %s", (f"left in {document['dbname']}",))
    return _connect(document)


def forget_prepared(stack: Stack, world: World) -> None:
    """Roll back, as superuser, what come_in has prepared, if it exists."""
    (database,) = world.databases
    with closing(stack.postgres.connect(database["name"])) as superuser, superuser.cursor() as cursor:
        cursor.execute("SELECT gid FROM pg_prepared_xacts WHERE database = current_database()")
        for (gid,) in cursor.fetchall():
            cursor.execute("ROLLBACK PREPARED %s", (gid,))


def is_out(session: psycopg2.extensions.connection) -> bool:
    """Return whether a session was ended."""
    try:
        with session.cursor() as cursor:
            cursor.execute("SELECT 1")
    except (psycopg2.OperationalError, psycopg2.InterfaceError):
        return True
    return False


def _connect(document: Row) -> psycopg2.extensions.connection:
    names = {name: document[name] for name in ("host", "port", "dbname", "password")}
    opened: psycopg2.extensions.connection = psycopg2.connect(**names, user=document["username"], connect_timeout=5)
    opened.autocommit = True
    return opened
