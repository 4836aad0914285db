"""The data plane's work of a provision alone: roles, database, schema; no ledger, no services, no AWS."""

import functools
import secrets
import uuid
from contextlib import closing
from typing import Any

from psycopg2 import sql

from bench.environment import pool_template, take_entry, timed

CLAIM, WHOLE = "claim", "whole"


@functools.cache
def _cluster() -> tuple[Any, dict[str, Any]]:
    from provisioning import control_plane, tenant_secret
    from provisioning.control_plane import Cluster

    (row,) = control_plane.connect().fetch_all("find_clusters")
    found = Cluster(**row)
    document = tenant_secret.read(found.admin_secret_id) | {"host": found.host, "port": found.port}
    return found, document


def from_pool() -> dict[str, float]:
    """Gives an entry of the pool to a new tenant. Returns the ms of the whole and of the database's step in it."""
    return _make(entry=take_entry())


def from_template() -> dict[str, float]:
    """Clones the pool's template for a new tenant. Returns the ms of the whole and of the database's step in it."""
    return _make(template=pool_template())


def database_step() -> float:
    """Takes over a pool's entry as a claim does, in one round trip, without the login's password.

    PostgreSQL derives a key of 4,096 rounds whenever it is given a SCRAM verifier, to find out whether it is that of an
    empty password: that is the dearest part of a claim and none of the database's.
    """
    from provisioning import cluster, creator_roles, tenant_database, tenant_lookup
    from provisioning.naming import tenant_names

    entry, names = take_entry(), tenant_names(f"b-{uuid.uuid4().hex[:16]}")
    pooled = tenant_lookup.pool_names(entry)
    where, _ = _cluster()
    composed = tenant_database._composed(  # noqa: SLF001 (a part of what it composes)
        ("take_over_database", "open_database"),
        names,
        entry=sql.Identifier(entry),
        entry_owner=sql.Identifier(pooled.owner_role),
        entry_login=sql.Identifier(pooled.login_role),
        mark=sql.Literal("provisioner bench"),
    )
    claim = sql.Composed([creator_roles.acting(creator_roles.creator_of(pooled.owner_role)), composed])
    with cluster.tenant_session(where, names.database) as session, session.cursor() as cursor:
        return timed(lambda: cursor.execute(claim))


def _make(entry: str | None = None, template: str | None = None) -> dict[str, float]:
    from provisioning import cluster, postgres, tenant_database, tenant_lookup, tenant_schema
    from provisioning.naming import tenant_names
    from provisioning.scram import scram_verifier

    project_id = f"b-{uuid.uuid4().hex[:16]}"
    names, mark = tenant_names(project_id), f"provisioner project={project_id} job=bench"
    source = tenant_lookup.Source(entry, template)
    where, document = _cluster()
    spent: dict[str, float] = {}

    def make() -> None:
        verifier = scram_verifier(secrets.token_urlsafe(32))
        look = tenant_lookup.look(names, source)
        with cluster.looking_session(where, names.database, "find_tenant", **look) as (session, (_, there)):
            found = tenant_lookup.read_found(there)
            spent[CLAIM] = timed(lambda: tenant_database.create(session, found, names, mark, source, verifier))
        if entry is None:
            timeout = cluster.STATEMENT_TIMEOUT_SECONDS
            connecting = postgres.connect(document, statement_timeout_seconds=timeout, dbname=names.database)
            with closing(connecting) as connection:
                cluster.hold(connection, names.database)
                tenant_schema.complete(connection, names)

    spent[WHOLE] = timed(make)
    return spent
