"""The pool of a cluster: tenants that are made before a job asks for one.

One refill at a time works on a cluster, under a lock of the control plane, like an attempt at a stage. It records a
tenant before it makes anything of it, and removes what an interrupted refill left.
"""

import time
from dataclasses import dataclass, field
from typing import NamedTuple

import psycopg2
from psycopg2 import sql

from provisioning.cluster import register
from provisioning.cluster import session as sessions
from provisioning.control_plane import Cluster, ControlPlane, locks
from provisioning.errors import JobClosed, ProvisioningError
from provisioning.identity import Tenant, new_tenant_id, tenant_from
from provisioning.observability import logger
from provisioning.tenant import extensions, making, removing, schema
from provisioning.tenant.holding import QUERIES, record_disputed

RESERVE_SECONDS = 10.0
"""No tenant is begun with less time than this left; making one takes about a tenth of a second."""


class PoolBusy(Exception):
    """Another refill works on this cluster's pool."""


class _Row(NamedTuple):
    tenant: dict[str, object]


class _Count(NamedTuple):
    ready: int
    wanted: int


class _Ready(NamedTuple):
    tenant_id: str


class _Server(NamedTuple):
    fingerprint: str


@dataclass
class Refilled:
    """What a refill found ready for the next jobs, and the tenants that it made and removed."""

    ready: int = 0
    made: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    failed: list[Exception] = field(default_factory=list)


class Pool(NamedTuple):
    """A cluster's pool while it is being refilled, holding its lock."""

    control: ControlPlane
    cluster: Cluster
    server_fingerprint: str

    def refill(self, size: int, ends_at: float) -> Refilled:
        """Remove what is unfinished or outdated, then make what is missing, by that monotonic time.

        A tenant that cannot be removed does not stop the refill. Raise psycopg2.Error and ProvisioningError from making
        one.
        """
        done = Refilled()
        self._remove_outdated(done)
        found = self.control.fetch_one(_Count, QUERIES["find_pool"], cluster_id=self.cluster.cluster_id, size=size)
        if found is None:
            return done
        done.ready = found.ready
        for _ in range(found.wanted):
            if time.monotonic() > ends_at - RESERVE_SECONDS:
                break
            done.made.append(self._make_one())
        return done

    def _remove_outdated(self, done: Refilled) -> None:
        facts = {"fingerprint": schema.fingerprint(), "server_fingerprint": self.server_fingerprint}
        rows = self.control.fetch_all(_Row, QUERIES["find_outdated"], cluster_id=self.cluster.cluster_id, **facts)
        for tenant in (tenant_from(row.tenant) for row in rows):
            try:
                removal = removing.remove(self.control, tenant)
            except (psycopg2.Error, ProvisioningError) as error:
                done.failed.append(error)
                continue
            if not removal.refused:
                done.removed.append(tenant.tenant_id)

    def _make_one(self) -> str:
        tenant = self._write_down()
        holder = register.holder_of(self.control, None, None)
        try:
            # The control plane's lock ends with its session: the next statement over it fails if the lock is lost.
            secret = making.make_database(tenant, holder, lambda: None)
        except making.HeldByAnother:
            record_disputed(self.control, tenant)
            raise JobClosed(f"the register gives tenant {tenant.tenant_id} to somebody else") from None
        prepared = making.make_schema(tenant, secret.document)
        ready = self.control.fetch_one(
            _Ready,
            QUERIES["record_ready"],
            tenant_id=tenant.tenant_id,
            schema_version=prepared["version"],
            server_fingerprint=self.server_fingerprint,
            prepared=prepared,
            secret_arn=secret.arn,
        )
        if ready is None:
            raise JobClosed(f"tenant {tenant.tenant_id} was removed by another refill")
        return tenant.tenant_id

    def _write_down(self) -> Tenant:
        row = self.control.fetch_one(
            _Row,
            QUERIES["record_making"],
            QUERIES["find_tenant"],
            tenant_id=new_tenant_id(),
            cluster_id=self.cluster.cluster_id,
            fingerprint=schema.fingerprint(),
        )
        if row is None:
            raise JobClosed("the cluster is not known any more")
        return tenant_from(row.tenant)


def refill(cluster: Cluster, size: int, ends_at: float) -> Refilled:
    """Refill one cluster's pool to the size, and return what it found and did.

    Raise PoolBusy, psycopg2.Error, and ProvisioningError, for example ControlPlaneUnavailable if another refill has
    superseded this one.
    """
    control = locks.lock([f"pool of {cluster.cluster_id}"], ends_at - time.monotonic())
    if control is None:
        raise PoolBusy(cluster.cluster_id)
    try:
        names = sql.SQL("{}::text[]").format(sql.Literal(extensions.allowed()))
        _, (server,) = sessions.on(
            cluster,
            lambda session: sessions.fetch(session, _Server, sessions.QUERIES["find_server"], extensions=names),
        )
        done = Pool(control, cluster, server.fingerprint).refill(size, ends_at)
        logger().info("pool refilled", cluster=cluster.cluster_id, ready=done.ready, made=done.made)
        return done
    finally:
        locks.release(control)
