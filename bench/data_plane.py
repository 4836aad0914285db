"""The data plane's work of a provision alone: roles, database, schema; no ledger, no services, no AWS."""

import functools
import secrets
import uuid
from contextlib import closing
from typing import Any

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
