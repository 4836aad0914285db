"""The data plane's work of a provision alone: roles, database, schema; no ledger, no services, no AWS."""

import functools
import secrets
import uuid
from contextlib import closing
from typing import Any

from psycopg2.extensions import connection as Connection  # noqa: N812

from bench.environment import pool_template, take_entry, timed

CLAIM, WHOLE = "claim", "whole"


@functools.cache
def _cluster() -> tuple[Any, dict[str, Any], Connection]:
    from provisioning import cluster, control_plane, tenant_secret
    from provisioning.control_plane import Cluster

    (row,) = control_plane.connect().fetch_all("find_clusters")
    found = Cluster(**row)
    document = tenant_secret.read(found.admin_secret_id) | {"host": found.host, "port": found.port}
    return found, document, cluster.connect(found)


def from_pool() -> dict[str, float]:
    """Gives an entry of the pool to a new tenant. Returns the ms of the whole and of the database's step in it."""
    return _make(entry=take_entry())


def from_template() -> dict[str, float]:
    """Clones the pool's template for a new tenant. Returns the ms of the whole and of the database's step in it."""
    return _make(template=pool_template())


def _make(entry: str | None = None, template: str | None = None) -> dict[str, float]:
    from provisioning import cluster, postgres, tenant_database, tenant_schema
    from provisioning.naming import tenant_names
    from provisioning.scram import scram_verifier

    project_id = f"b-{uuid.uuid4().hex[:16]}"
    names, mark = tenant_names(project_id), f"provisioner project={project_id} job=bench"
    source = tenant_database.Source(entry, template)
    _, document, session = _cluster()
    spent: dict[str, float] = {}

    def make() -> None:
        cluster.hold(session, names.database)
        tenant_database.create_roles(session, names, mark, scram_verifier(secrets.token_urlsafe(32)))
        spent[CLAIM] = timed(lambda: tenant_database.create_database(session, names, mark, source))
        connecting = postgres.connect(
            document, statement_timeout_seconds=cluster.STATEMENT_TIMEOUT_SECONDS, dbname=names.database
        )
        with closing(connecting) as connection:
            tenant_schema.upgrade(connection, names)
        with session.cursor() as cursor:
            cursor.execute(postgres.statement("release_stage"))

    spent[WHOLE] = timed(make)
    return spent
