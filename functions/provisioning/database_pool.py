"""The pool of a cluster: a template at the newest schema version, and databases cloned from it before a job asks.

One refill at a time works on a cluster, under a lock of the control plane and one of the cluster, like an attempt at
a stage. It writes a database's name down before it makes it, and what it finds unfinished it removes.
"""

import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import NamedTuple

from psycopg2 import errors, sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from provisioning import (
    cluster,
    configuration,
    control_plane,
    ledger,
    postgres,
    tenant_database,
    tenant_lookup,
    tenant_schema,
)
from provisioning.cluster import tenant_session
from provisioning.control_plane import Cluster, ControlPlane
from provisioning.errors import DatabaseCreationFailed, JobClosed
from provisioning.observability import logger, measure_pool
from provisioning.stage_runner import Event, LambdaContext, Output, typed_error

RESERVE_SECONDS = 10.0
"""No database is begun with less time than this left; making one takes about a tenth of a second."""


class Refilled(NamedTuple):
    """What a refill found ready for the next jobs when it came, and the databases that it made and removed."""

    ready: int
    made: list[str]
    removed: list[str]


class Pool(NamedTuple):
    """A cluster's pool while it is being refilled, holding both its locks."""

    control: ControlPlane
    session: Connection
    cluster: Cluster
    schema_version: str

    def refill(self, size: int, ends_at: float) -> "Refilled":
        """Removes what is unfinished or out of date, then makes what is missing."""
        removed = self._remove_outdated()
        made: list[str] = []
        found = self.control.fetch_one(
            "find_pool", cluster_id=self.cluster.cluster_id, schema_version=self.schema_version, size=size
        )
        if found is None or found["wanted"] <= 0:
            return Refilled(found["ready"] if found else 0, made, removed)
        template = found["template"]
        if template is None:
            template = self._make_template()
            made.append(template)
        for _ in range(found["wanted"]):
            if time.monotonic() > ends_at - RESERVE_SECONDS:
                break
            made.append(self._make_entry(template))
        return Refilled(found["ready"], made, removed)

    def _remove_outdated(self) -> list[str]:
        removed = []
        retired = self.control.fetch_all(
            "retire_pool_databases", cluster_id=self.cluster.cluster_id, schema_version=self.schema_version
        )
        for row in retired:
            try:
                tenant_database.drop_pooled(self.session, row["database_name"])
            except errors.ObjectInUse:
                # A job is cloning this template at the moment: the next refill removes it.
                continue
            self.control.execute("forget_pool_database", database_name=row["database_name"])
            removed.append(row["database_name"])
        return removed

    def _make_template(self) -> str:
        name = self._intend("template")
        self._create(tenant_database.creation_statement(self.session), name)
        with self._inside(name) as connection:
            tenant_schema.prepare(connection)
        self._open(name)
        return name

    def _make_entry(self, template: str) -> str:
        """Makes a database with an owner and a login of its own, who become the tenant's with it."""
        name = self._intend("entry")
        names = tenant_lookup.pool_names(name)
        tenant_database.create_roles(self.session, names, tenant_lookup.pool_mark(name), None)
        self._create("clone_database", name, owner=sql.Identifier(names.owner_role), template=sql.Identifier(template))
        with self._inside(name) as connection:
            prepared = tenant_schema.complete(connection, names)
        tenant_database.grant_database(self.session, names)
        self._open(name, prepared)
        return name

    @contextmanager
    def _inside(self, name: str) -> Iterator[Connection]:
        """Yields the admin's connection to a database that nobody else can connect to."""
        with self.session.cursor() as cursor:
            cursor.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name)))
            cursor.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(sql.Identifier(name)))
        with closing(cluster.connect(self.cluster, dbname=name)) as connection:
            yield connection
        with self.session.cursor() as cursor:
            cursor.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(sql.Identifier(name)))

    def _intend(self, kind: str) -> str:
        name = f"provisioner_{'template' if kind == 'template' else 'pool'}_{uuid.uuid4().hex}"
        self.control.execute(
            "intend_pool_database",
            database_name=name,
            cluster_id=self.cluster.cluster_id,
            kind=kind,
            schema_version=self.schema_version,
        )
        return name

    def _create(self, statement: str, name: str, **values: sql.Composable) -> None:
        composed = sql.SQL(postgres.statement(statement)).format(
            database=sql.Identifier(name),
            **{"owner": sql.SQL("DEFAULT"), "connection_limit": sql.Literal(tenant_database.CONNECTION_LIMIT)} | values,
        )
        with self.session.cursor() as cursor:
            cursor.execute(composed)
            mark = sql.Literal(tenant_lookup.pool_mark(name))
            cursor.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(sql.Identifier(name), mark))

    def _open(self, name: str, prepared: Output | None = None) -> None:
        if self.control.fetch_one("open_pool_database", database_name=name, prepared=prepared) is None:
            raise JobClosed(f"{name} was removed by another refill")


def refill_pools(event: Event, context: LambdaContext) -> Output:
    """Lambda handler: refills the pool of every cluster and returns {made, removed, busy}.

    A cluster that another refill works on is left to it. One cluster that does not answer keeps no other from being
    refilled; its error is raised once all were. The metric PoolEntries is what the emptiest pool still had.
    """
    del event
    size = int(configuration.optional("POOL_SIZE", "0"))
    ends_at = time.monotonic() + context.get_remaining_time_in_millis() / 1000
    output: Output = {"made": [], "removed": [], "busy": []}
    failed: list[Exception] = []
    ready: list[int] = []
    clusters = [Cluster(**row) for row in control_plane.connect().fetch_all("find_clusters")]
    for one in clusters:
        try:
            refilled = refill(one, size, ends_at)
        except PoolBusy:
            output["busy"].append(one.cluster_id)
        except Exception as error:  # noqa: BLE001 whatever it is, the other clusters do not suffer from it
            failed.append(typed_error(error, DatabaseCreationFailed))
            ready.append(0)
        else:
            output["made"] += refilled.made
            output["removed"] += refilled.removed
            ready.append(refilled.ready)
    if ready:
        measure_pool(min(ready))
    logger().info("pools refilled", **output)
    if failed:
        raise failed[0] from None
    return output


class PoolBusy(Exception):
    """Another refill works on this cluster's pool."""


def refill(target: Cluster, size: int, ends_at: float) -> Refilled:
    """Refills one cluster's pool to the size, and returns what it found and did.

    Raises PoolBusy, psycopg2.Error, and ControlPlaneUnavailable when another refill has taken this one's place.
    """
    key = f"pool of {target.cluster_id}"
    control = ledger.lock([key], ends_at - time.monotonic())
    if control is None:
        raise PoolBusy(target.cluster_id)
    try:
        with tenant_session(target, key) as session:
            # Its first statement finds out whether the control plane's lock is still held: it goes with the session.
            return Pool(control, session, target, tenant_schema.fingerprint()).refill(size, ends_at)
    finally:
        ledger.release(control)
