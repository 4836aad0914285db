"""Read the world directly: the server's catalogs, moto's secrets, the services' file, the control plane's tables.

Nothing here uses the code under test, so that it also finds what that code would miss.
"""

import json
import re
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from moto.secretsmanager.models import secretsmanager_backends
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extras import RealDictCursor

from local.aws import ACCOUNT
from local.aws_client import REGION
from local.stack import Stack
from provisioning.stage import Stage
from tests.executions.world_queries import (
    DANGLING,
    DATABASES,
    JOBS,
    LOCKS,
    MISCOUNTED,
    NAMED_IN_CATALOGS,
    OWNED,
    OWNERS,
    PROJECT,
    RECORDS,
    REGISTERED,
    ROLES,
    STATES,
    STEPS_OF_JOBS,
    TABLES,
    TENANTS,
    VERSIONS,
)

Row = dict[str, Any]

REGISTER = "provisioner_register"
SECRETS = "provisioner/tenants/"


@dataclass(frozen=True)
class World:
    """Everything that exists of one project, in any place."""

    project_id: str
    project: Row | None
    jobs: list[Row]
    """In the order in which they were opened, or closed without having been opened."""
    steps: dict[str, list[Row]]
    """The ledger of every job."""
    tenants: list[Row]
    """Every tenant that the project has or had, according to the control plane, the register, a service or the ledger.
    """
    registered: list[Row]
    """Those that are in the cluster's register."""
    databases: list[Row]
    roles: list[Row]
    tables: list[Row]
    schema_versions: list[int]
    secrets: list[Row]
    """Name, ARN, tags, whether a deletion is scheduled, every version's document, and the current one."""
    registrations: dict[str, Row]
    """The services' own registrations."""
    service_registrations: list[Row]
    api_key_secrets: list[Row]
    api_keys: list[Row]
    audit: list[Row]
    locks: list[str]
    dangling: list[str]
    """What belongs to nobody on the whole server, including tenants without a row in the control plane."""

    @property
    def job(self) -> Row | None:
        """The latest job."""
        return self.jobs[-1] if self.jobs else None

    @property
    def tenant(self) -> Row:
        """The project's only tenant."""
        (found,) = [row for row in self.tenants if row["state"] in ("claimed", "making", "active", "suspended")]
        return found

    @property
    def given(self) -> dict[str, list[Row] | dict[str, Row]]:
        """What the project has been given, without the ledgers of jobs."""
        kept = ("databases", "roles", "tables", "secrets", "registrations", "registered", "api_keys", "tenants")
        return {name: getattr(self, name) for name in kept}

    @property
    def credentials(self) -> list[Row]:
        """The tenants' own secrets."""
        return [secret for secret in self.secrets if "/api-keys/" not in secret["name"]]

    @property
    def raw_keys(self) -> list[Row]:
        """The secrets with raw API keys."""
        return [secret for secret in self.secrets if "/api-keys/" in secret["name"]]

    def audited(self, action: str, job_id: str) -> list[Row]:
        """Return the entries of the audit log for an action of a job."""
        return [row for row in self.audit if row["action"] == action and row["job_id"] == job_id]


def look(stack: Stack, project_id: str) -> World:
    """Return the present world, read as superuser, from the files, and from moto's memory."""
    store = _registrations(stack, project_id)
    with (
        closing(stack.postgres.connect("control_plane")) as control,
        closing(stack.postgres.connect(REGISTER)) as cluster,
    ):
        known: dict[str, Any] = {"project_id": project_id}
        projects, jobs = _rows(control, PROJECT, known), _rows(control, JOBS, known)
        ids = [job["job_id"] for job in jobs]
        steps = _rows(control, STEPS_OF_JOBS, {"jobs": ids})
        tenants = _tenants_of(project_id, control, cluster, steps, [row["tenant_id"] for row in store])
        known |= {"tenants": tenants, "like": [rf"tenant\_{tenant}%" for tenant in tenants]}
        databases = _rows(cluster, DATABASES, known)
        keys = [*(f"{job_id}/{step}" for job_id in ids for step in Stage), *tenants]
        return World(
            project_id=project_id,
            project=projects[0] if projects else None,
            jobs=jobs,
            steps={job_id: [step for step in steps if step["job_id"] == job_id] for job_id in ids},
            tenants=_rows(control, TENANTS, known),
            registered=_rows(cluster, REGISTERED, known),
            databases=databases,
            roles=_rows(cluster, ROLES, known),
            tables=_inside(stack, databases, TABLES),
            schema_versions=[row["version"] for row in _inside(stack, databases, VERSIONS, "_migrations")],
            secrets=[secret for secret in _secrets() if _names_one_of(secret, tenants)],
            registrations=_by_service(store),
            locks=[row["what"] for row in _rows(control, LOCKS, {"keys": keys or [""]})],
            dangling=_dangling(control, cluster),
            **{name: _rows(control, query, known) for name, query in RECORDS.items()},
        )


def _rows(connection: Connection, query: str, parameters: Mapping[str, Any]) -> list[Row]:
    with connection.cursor(cursor_factory=RealDictCursor) as cursor:
        cursor.execute(query, parameters)
        return [dict(row) for row in cursor.fetchall()]


def _tenants_of(
    project_id: str, control: Connection, cluster: Connection, steps: Sequence[Row], registered: Iterable[str]
) -> list[str]:
    """Return every tenant that any source assigns to the project. One that its job gave back may have a new owner."""
    rows = {row["tenant_id"]: row["project_id"] for row in _rows(control, OWNERS, {})}
    owned = [tenant for tenant, owner in rows.items() if owner == project_id]
    known = [row["tenant_id"] for row in _rows(cluster, OWNED, {"project_id": project_id})]
    told = [step["output"]["tenant_id"] for step in steps if "tenant_id" in (step["output"] or {})]
    return sorted({*owned, *known, *registered, *(one for one in told if rows.get(one, project_id) == project_id)})


def _inside(stack: Stack, databases: list[Row], query: str, needs: str = "") -> list[Row]:
    rows: list[Row] = []
    for database in (one for one in databases if one["allows_connections"]):
        with closing(stack.postgres.connect(database["name"])) as tenant:
            if not needs or any(table["name"] == needs for table in _rows(tenant, TABLES, {})):
                rows += _rows(tenant, query, {})
    return rows


def _dangling(control: Connection, cluster: Connection) -> list[str]:
    """Return what belongs to nobody. A tenant's row is written before anything of it is made, and removed last."""
    before = _rows(control, STATES, {})
    named = [row["name"] for row in _rows(cluster, NAMED_IN_CATALOGS, {})]
    named += [f"secret {secret['name'].replace(SECRETS, 'tenant_')}" for secret in _secrets()]
    living = {row["tenant_id"] for row in [*before, *_rows(control, STATES, {})] if row["state"] != "gone"}
    strays = [name for name in named if (found := re.search("tenant_([a-z]{20})", name)) and found[1] not in living]
    catalogs = [row["what"] for row in [*_rows(cluster, DANGLING, {}), *_rows(cluster, MISCOUNTED, {})]]
    return [*catalogs, *(f"{name} of nobody" for name in strays)]


def _secrets() -> list[Row]:
    found = []
    kept: Iterable[Any] = list(secretsmanager_backends[ACCOUNT][REGION].secrets.values())
    for secret in kept:
        if not secret.name.startswith(SECRETS):
            continue
        versions = {id_: json.loads(version["secret_string"]) for id_, version in secret.versions.items()}
        found.append(
            {
                "name": secret.name,
                "arn": secret.arn,
                "tags": {tag["Key"]: tag["Value"] for tag in secret.tags or []},
                "deleted": secret.deleted_date is not None,
                "versions": versions,
                "current": versions[str(secret.default_version_id)],
            }
        )
    return found


def _names_one_of(secret: Row, tenants: Sequence[str]) -> bool:
    return any(tenant in secret["name"] or secret["tags"].get("tenant_id") == tenant for tenant in tenants)


def _registrations(stack: Stack, project_id: str) -> list[Row]:
    file = stack.state_directory / "registrations.sqlite3"
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as store:
        store.row_factory = sqlite3.Row
        rows = store.execute("SELECT * FROM tenants WHERE project_id = ? ORDER BY registered_at", (project_id,))
        return [dict(row) for row in rows]


def _by_service(rows: Iterable[Row]) -> dict[str, Row]:
    found: dict[str, Row] = {}
    for row in rows:
        found[row["service"] if row["service"] not in found else f"{row['service']} of {row['tenant_id']}"] = row
    return found
