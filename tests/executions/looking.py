"""Looks at the world directly: the server's catalogs, moto's secrets, the services' file, the control plane's tables.

Nothing here goes through the code under test, so that what that code forgets to look at is found all the same.
"""

import base64
import hashlib
import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from moto.secretsmanager.models import FakeSecret, secretsmanager_backends
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extras import RealDictCursor

from local.aws import ACCOUNT
from local.aws_client import REGION
from local.stack import Stack

Row = dict[str, Any]

SERVICES = ("auth", "realtime", "storage", "pooler")
STEPS = (
    "initializing",
    "creating_database",
    "creating_schema",
    *(f"registering_{service}" for service in SERVICES),
    "generating_api_keys",
    "finalizing",
)

DATABASES = """
    SELECT datname AS name, shobj_description(oid, 'pg_database') AS mark, pg_get_userbyid(datdba) AS owner,
           datacl::text[] AS acl, datconnlimit AS connection_limit, datallowconn AS allows_connections,
           pg_encoding_to_char(encoding) AS encoding, datlocprovider AS provider, datlocale AS locale
    FROM pg_database WHERE datname LIKE %(like)s OR strpos(shobj_description(oid, 'pg_database'), %(mark)s) > 0
"""
ROLES = """
    SELECT rolname AS name, shobj_description(oid, 'pg_authid') AS mark, rolcanlogin AS logs_in,
           rolinherit AS inherits, rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls AS powers,
           rolconnlimit AS connection_limit, rolpassword AS verifier,
           ARRAY(SELECT roleid::regrole::text FROM pg_auth_members
                 WHERE member = pg_authid.oid ORDER BY roleid::regrole::text COLLATE "C") AS member_of
    FROM pg_authid WHERE rolname LIKE %(like)s OR strpos(shobj_description(oid, 'pg_authid'), %(mark)s) > 0
    ORDER BY rolname COLLATE "C"
"""
DANGLING = """
    SELECT 'setting of a role or database that is gone' AS what FROM pg_db_role_setting
    WHERE setrole <> 0 AND setrole NOT IN (SELECT oid FROM pg_authid)
        OR setdatabase <> 0 AND setdatabase NOT IN (SELECT oid FROM pg_database)
    UNION ALL SELECT 'dependency of a role or database that is gone' FROM pg_shdepend
    WHERE refclassid = 'pg_authid'::regclass AND refobjid NOT IN (SELECT oid FROM pg_authid)
        OR dbid <> 0 AND dbid NOT IN (SELECT oid FROM pg_database)
    UNION ALL SELECT 'membership of a role that is gone' FROM pg_auth_members
    WHERE roleid NOT IN (SELECT oid FROM pg_authid) OR member NOT IN (SELECT oid FROM pg_authid)
    UNION ALL SELECT 'comment on a role or database that is gone' FROM pg_shdescription
    WHERE classoid = 'pg_authid'::regclass AND objoid NOT IN (SELECT oid FROM pg_authid)
        OR classoid = 'pg_database'::regclass AND objoid NOT IN (SELECT oid FROM pg_database)
    UNION ALL SELECT 'database of no pool ' || datname FROM pg_database
    WHERE starts_with(datname::text, 'provisioner_')
        AND datname::text NOT IN (SELECT database_name FROM control_plane.pool_databases)
    UNION ALL SELECT 'entry of an ended job ' || database_name FROM control_plane.pool_databases
    JOIN control_plane.jobs USING (job_id)
    WHERE jobs.status IN ('succeeded', 'rolled_back', 'failed')
"""
LOCKS = """
    SELECT key AS what FROM unnest(%(keys)s) AS key CROSS JOIN LATERAL (SELECT hashtextextended(key, 0) AS value) AS _
    JOIN pg_locks ON locktype = 'advisory' AND granted
        AND classid::bigint = (value >> 32) & 4294967295 AND objid::bigint = value & 4294967295
"""
TABLES = """
    SELECT relname AS name, pg_get_userbyid(relowner) AS owner, relrowsecurity AND relforcerowsecurity AS forced
    FROM pg_class WHERE relnamespace = to_regnamespace('tenant') AND relkind = 'r' ORDER BY relname COLLATE "C"
"""
REGISTRY = {
    "tenant_databases": "SELECT * FROM control_plane.tenant_databases WHERE project_id = %(project_id)s",
    "service_registrations": (
        "SELECT * FROM control_plane.service_registrations WHERE project_id = %(project_id)s ORDER BY service"
    ),
    "api_keys": "SELECT * FROM control_plane.api_keys WHERE project_id = %(project_id)s ORDER BY job_id, position",
    "audit": "SELECT * FROM control_plane.audit_log WHERE project_id = %(project_id)s ORDER BY id",
}


@dataclass(frozen=True)
class World:
    """Everything that there is of one project, wherever it may be."""

    project_id: str
    project: Row | None
    jobs: list[Row]
    """In the order in which they were opened, or closed without having been opened."""
    steps: dict[str, list[Row]]
    """The ledger of every job."""
    databases: list[Row]
    roles: list[Row]
    tables: list[Row]
    schema_versions: list[int]
    secrets: list[Row]
    """Name, ARN, tags, whether it is about to be deleted, every version's document, and the current one."""
    registrations: dict[str, Row]
    """What the services themselves have."""
    tenant_databases: list[Row]
    service_registrations: list[Row]
    api_keys: list[Row]
    audit: list[Row]
    locks: list[str]
    dangling: list[str] = field(default_factory=list)

    @property
    def job(self) -> Row | None:
        """The latest job."""
        return self.jobs[-1] if self.jobs else None

    def audited(self, action: str, job_id: str) -> list[Row]:
        """Returns the entries of the audit log for an action of a job."""
        return [row for row in self.audit if row["action"] == action and row["job_id"] == job_id]


def fingerprint(project_id: str) -> str:
    """Returns the part of a tenant's names that no other project shares."""
    return base64.b32encode(hashlib.sha256(project_id.encode()).digest()).decode().lower()[:26]


def look(stack: Stack, project_id: str) -> World:
    """Returns the world as it is now: as superuser, from the files, and from the memory of moto."""
    unique = fingerprint(project_id)
    with closing(stack.postgres.connect("control_plane")) as control:
        parameters = {"project_id": project_id}
        projects = _rows(control, "SELECT * FROM control_plane.projects WHERE project_id = %(project_id)s", parameters)
        jobs = _rows(
            control,
            "SELECT * FROM control_plane.jobs WHERE project_id = %(project_id)s ORDER BY created_at, job_id",
            parameters,
        )
        ids = [job["job_id"] for job in jobs]
        steps = _rows(
            control,
            "SELECT * FROM control_plane.provisioning_steps WHERE job_id = ANY (%(ids)s) ORDER BY job_id, position",
            {"ids": ids},
        )
        registry = {name: _rows(control, query, parameters) for name, query in REGISTRY.items()}
        named = {"like": f"%{unique}%", "mark": f"project={project_id} "}
        databases, roles = _rows(control, DATABASES, named), _rows(control, ROLES, named)
        keys = [f"{job_id}/{step}" for job_id in ids for step in STEPS] + [database["name"] for database in databases]
        locks = [row["what"] for row in _rows(control, LOCKS, {"keys": keys or [""]})]
        dangling = [row["what"] for row in _rows(control, DANGLING, {})]
    tables, versions = _look_into(stack, databases)
    return World(
        project_id=project_id,
        project=projects[0] if projects else None,
        jobs=jobs,
        steps={job_id: [step for step in steps if step["job_id"] == job_id] for job_id in ids},
        databases=databases,
        roles=roles,
        tables=tables,
        schema_versions=versions,
        secrets=_secrets(project_id, unique),
        registrations=_registrations(stack, project_id),
        locks=locks,
        dangling=dangling,
        **registry,
    )


def _rows(connection: Connection, query: str, parameters: Mapping[str, Any]) -> list[Row]:
    with connection.cursor(cursor_factory=RealDictCursor) as cursor:
        cursor.execute(query, parameters)
        return [dict(row) for row in cursor.fetchall()]


def _look_into(stack: Stack, databases: list[Row]) -> tuple[list[Row], list[int]]:
    tables: list[Row] = []
    versions: list[int] = []
    for database in databases:
        if not database["allows_connections"]:
            continue
        with closing(stack.postgres.connect(database["name"])) as tenant:
            found = _rows(tenant, TABLES, {})
            if any(table["name"] == "_migrations" for table in found):
                rows = _rows(tenant, "SELECT version FROM tenant._migrations ORDER BY version", {})
                versions += [row["version"] for row in rows]
            tables += found
    return tables, versions


def _secrets(project_id: str, unique: str) -> list[Row]:
    found = []
    for secret in list(secretsmanager_backends[ACCOUNT][REGION].secrets.values()):
        tags = {tag["Key"]: tag["Value"] for tag in secret.tags or []}
        if unique in secret.name or tags.get("project_id") == project_id:
            assert isinstance(secret, FakeSecret)
            versions = {id_: json.loads(version["secret_string"]) for id_, version in secret.versions.items()}
            found.append(
                {
                    "name": secret.name,
                    "arn": secret.arn,
                    "tags": tags,
                    "deleted": secret.deleted_date is not None,
                    "versions": versions,
                    "current": versions[str(secret.default_version_id)],
                }
            )
    return found


def _registrations(stack: Stack, project_id: str) -> dict[str, Row]:
    file = stack.state_directory / "registrations.sqlite3"
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as store:
        rows = store.execute(
            "SELECT service, idempotency_key, external_id, endpoint, registered_at FROM tenants WHERE project_id = ?",
            (project_id,),
        ).fetchall()
    names = ("idempotency_key", "external_id", "endpoint", "registered_at")
    return {row[0]: dict(zip(names, row[1:], strict=True)) for row in rows}
