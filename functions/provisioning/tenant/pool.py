"""The pool of a cluster: tenants that are made before a job asks for one.

One refill at a time works on a cluster, under a lock of the control plane, like an attempt at a stage. It records a
tenant before it makes anything of it. What a job could not use, or an interrupted refill left, it takes out of the
pool at once, and removes when every pool is full again: a removal may wait long for a lock.
"""

import time
from collections.abc import Sequence
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
from provisioning.tenant import extensions, holding, inspection, making, removing, schema
from provisioning.tenant.holding import QUERIES

RESERVE_SECONDS = 10.0
"""How long making one tenant takes at most; it takes about a tenth of a second."""

FAILURES_AT_MOST = 2
"""A cluster on which this many tenants could not be made is left until the next refill."""

SECRET_LAG_SECONDS = 120
"""How long after the creation of a tenant its secret may not be found yet."""


class PoolBusy(Exception):
    """Another refill works on this cluster's pool."""


class _Row(NamedTuple):
    tenant: dict[str, object]


class _ReadyRow(NamedTuple):
    tenant: dict[str, object]
    is_settled: bool


class _Count(NamedTuple):
    ready: int
    wanted: int


class _Ready(NamedTuple):
    tenant_id: str


class _Server(NamedTuple):
    fingerprint: str


@dataclass
class Refilled:
    """What a refill found ready for the next jobs, what it made, and what it took out of the pool."""

    ready: int = 0
    is_empty: bool = False
    """None was ready, of a pool that should have some."""
    made: list[str] = field(default_factory=list)
    lost: dict[str, str] = field(default_factory=dict)
    """What was wrong with a tenant that counted as ready."""
    unwanted: list[Tenant] = field(default_factory=list)
    """What is to be removed."""
    failed: dict[str, Exception] = field(default_factory=dict)
    """By tenant."""


class Pool(NamedTuple):
    """A cluster's pool while it is being refilled, holding its lock."""

    control: ControlPlane
    cluster: Cluster
    server_fingerprint: str
    done: Refilled

    def refill(self, size: int, until: float) -> None:
        """Take out what is unfinished, outdated or lost, then make what is missing; begin none after that time.

        A tenant that cannot be judged or made does not stop the refill. Raise psycopg2.Error and ProvisioningError.
        """
        self._take_out_outdated()
        self._take_out_lost()
        found = self.control.fetch_one(_Count, QUERIES["find_pool"], cluster_id=self.cluster.cluster_id, size=size)
        if found is None:
            return
        self.done.ready = found.ready
        self.done.is_empty = found.ready == 0 < found.wanted
        failures = 0
        for _ in range(found.wanted):
            if time.monotonic() > until or failures == FAILURES_AT_MOST:
                break
            failures += not self._make_one()

    def _take_out_outdated(self) -> None:
        facts = {"fingerprint": schema.fingerprint(), "server_fingerprint": self.server_fingerprint}
        rows = self.control.fetch_all(_Row, QUERIES["find_outdated"], cluster_id=self.cluster.cluster_id, **facts)
        for row in rows:
            self._take_out(tenant_from(row.tenant))

    def _take_out(self, tenant: Tenant) -> bool:
        """Let no job have the tenant any more; return False if one already has it."""
        taken = holding.claim_removal(self.control, tenant.tenant_id, None)
        if taken:
            self.done.unwanted.append(tenant)
        return taken

    def _take_out_lost(self) -> None:
        asked = {"cluster_id": self.cluster.cluster_id, "lag": SECRET_LAG_SECONDS}
        rows = self.control.fetch_all(_ReadyRow, QUERIES["find_ready"], **asked)
        ready = {tenant.tenant_id: (tenant, row.is_settled) for row in rows for tenant in [tenant_from(row.tenant)]}
        found = inspection.inspect(self.cluster, self.control.identity(), list(ready.values()))
        self.done.failed |= found.unknown
        for tenant_id, why in found.lost.items():
            if self._take_out(ready[tenant_id][0]):
                self.done.lost[tenant_id] = why
        for tenant_id in found.held_by_another:
            holding.record_disputed(self.control, ready[tenant_id][0])
            now = holding.find(self.control, tenant_id)
            # In any other state a job of ours has claimed it since.
            if now is not None and now.state == "disputed":
                self.done.lost[tenant_id] = "the register gives it to somebody else"

    def _make_one(self) -> bool:
        tenant_id = new_tenant_id()
        try:
            self._make_ready(self._write_down(tenant_id))
        except (psycopg2.Error, ProvisioningError) as error:
            if self.control.is_gone():
                raise
            self.done.failed.setdefault(tenant_id, error)
            return False
        self.done.made.append(tenant_id)
        return True

    def _make_ready(self, tenant: Tenant) -> None:
        holder = register.holder_of(self.control, None, None)
        try:
            # The control plane's lock ends with its session: the next statement over it fails if the lock is lost.
            secret = making.make_database(tenant, holder, lambda: None)
        except making.HeldByAnother:
            holding.record_disputed(self.control, tenant)
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

    def _write_down(self, tenant_id: str) -> Tenant:
        row = self.control.fetch_one(
            _Row,
            QUERIES["record_making"],
            QUERIES["find_tenant"],
            tenant_id=tenant_id,
            cluster_id=self.cluster.cluster_id,
            fingerprint=schema.fingerprint(),
        )
        if row is None:
            raise JobClosed("the cluster is not known any more")
        return tenant_from(row.tenant)


def refill(cluster: Cluster, size: int, until: float, done: Refilled) -> None:
    """Refill one cluster's pool to the size, beginning no tenant after that monotonic time.

    What was done is in `done`, also after an error. Raise PoolBusy, psycopg2.Error, and ProvisioningError, for example
    ControlPlaneUnavailable if another refill has superseded this one.
    """
    control = locks.lock([f"pool of {cluster.cluster_id}"], until + RESERVE_SECONDS - time.monotonic())
    if control is None:
        raise PoolBusy(cluster.cluster_id)
    try:
        names = sql.SQL("{}::text[]").format(sql.Literal(extensions.allowed()))
        asked = {"extensions": names, "chosen_ctype": register.chosen_ctype()}
        _, (server,) = sessions.on(
            cluster, lambda session: sessions.fetch(session, _Server, sessions.QUERIES["find_server"], **asked)
        )
        Pool(control, cluster, server.fingerprint, done).refill(size, until)
        logger().info("pool refilled", cluster=cluster.cluster_id, ready=done.ready, made=done.made)
    finally:
        locks.release(control)


def remove(control: ControlPlane, unwanted: Sequence[Tenant], ends_at: float) -> tuple[list[str], dict[str, Exception]]:
    """Remove what refills took out of the pools, beginning none after that time; return what was removed, and failures.

    A tenant that cannot be removed does not hold up the others. What is left is removed by a later refill or by
    upkeep.reconcile.
    """
    removed: list[str] = []
    failed: dict[str, Exception] = {}
    for tenant in unwanted:
        if time.monotonic() > ends_at:
            break
        try:
            removal = removing.remove(control, tenant)
        except (psycopg2.Error, ProvisioningError) as error:
            failed[tenant.tenant_id] = error
            continue
        if not removal.refused:
            removed.append(tenant.tenant_id)
    return removed, failed
