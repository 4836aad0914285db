"""Finish the removal of tenants: those that a rollback could not remove, and the last look at those that it did.

A tenant is gone once a last look finds none of its database, roles, secrets and registrations. That look is made when
the last attempt that could make anything of it must have ended; what an export has left is looked for in the same way.
What processes that died have left in the roles of a cluster is repaired too, what they have left open is closed, and
what later versions of services have left undone in tenants is done. What is wrong
with a cluster and its tenants is recorded every ten minutes.
"""

import functools
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from provisioning import control_plane, events
from provisioning.cluster import closing, repair, shared_roles
from provisioning.control_plane import Cluster, ControlPlane
from provisioning.errors import ProvisioningError, RollbackFailed
from provisioning.examination import recording
from provisioning.exports import leftovers, records
from provisioning.exports.names import ExportNames
from provisioning.identity import Tenant
from provisioning.ledger.runner import Event, LambdaContext, Output, typed_error
from provisioning.observability import logger
from provisioning.requests import remembering
from provisioning.services import registrations, repairs
from provisioning.services.client import deadline
from provisioning.services.repairs import Due
from provisioning.tenant import holding, key_delivery, removing
from provisioning.tenant.key_delivery import Revealed

AT_MOST = 100
"""Tenants that one run looks at, secrets of revealed keys, and requests and hundreds of events that it forgets."""


Done = dict[str, list[str]]


class _Task(NamedTuple):
    """A tenant, a secret or a cluster to look at, and what records that this has failed."""

    name: str
    do: Callable[[], Done]
    record_failure: Callable[[str], None] = lambda _: None
    found: Sequence[str] = ()
    """What a last look has found so far, also if it fails."""


def reconcile(event: Event, context: LambdaContext) -> Output:
    """Lambda handler. Return {finished, found, repaired, failed}: tenants that are gone and secrets of revealed keys
    whose hour is over, what a last look found, what was repaired or reset in the roles of clusters or in tenants, and
    failures.

    A tenant, a secret of revealed keys or a cluster that fails does not hold up the others, and is looked at again
    later. What a last look finds is removed and reported. Raise the first failure at the end, except one that a tenant
    has caused in its own database.
    """
    del event
    ends_at = deadline(context.get_remaining_time_in_millis())
    output: Output = {"finished": [], "found": [], "repaired": [], "failed": []}
    failures: list[ProvisioningError] = []
    for task in _tasks(control_plane.connect(), ends_at):
        if time.monotonic() > ends_at:
            break
        try:
            done = task.do()
        except Exception as error:  # noqa: BLE001 no error of one may stop the others
            failures.append(typed_error(error, RollbackFailed))
            output["failed"].append(task.name)
            task.record_failure(str(failures[-1]))
        else:
            for kind, names in done.items():
                output[kind] += names
        output["found"] += task.found
    log = logger()
    (log.warning if output["found"] or output["repaired"] or output["failed"] else log.info)(
        "tenants reconciled", **output
    )
    if failures:
        raise failures[0]
    return output


def _tasks(control: ControlPlane, ends_at: float) -> Iterator[_Task]:
    # A hundred tenants may take all the time, and what a tenant sets for the shared roles harms the others until then.
    for cluster in control.clusters():
        yield _Task(cluster.cluster_id, functools.partial(_repair, cluster))
        yield _Task(f"databases of {cluster.cluster_id}", functools.partial(_close, cluster))
        yield _Task(f"shared roles of {cluster.cluster_id}", functools.partial(_reset, cluster))
    for cluster in recording.find_due(control):
        yield _Task(f"examination of {cluster.cluster_id}", functools.partial(_examine, control, cluster))
    for tenant in holding.find_due(control, AT_MOST):
        removed: list[str] = []
        found = removed if tenant.removed_at is not None else ()
        failed = functools.partial(holding.record_looked, control, tenant.tenant_id, removed)
        yield _Task(tenant.tenant_id, functools.partial(_finish_one, control, tenant, ends_at, removed), failed, found)
    for revealed in key_delivery.find_due(control, AT_MOST):
        yield _Task(revealed.tenant_id, functools.partial(_look_at_keys, control, revealed))
    for export in records.find_due(control, AT_MOST):
        yield _Task(f"export of {export.tenant.tenant_id}", functools.partial(_look_at_export, control, export))
    yield _Task("old requests", functools.partial(_forget_requests, control))
    yield _Task("old events", functools.partial(_forget_events, control))
    until = min(ends_at, time.monotonic() + repairs.SECONDS)
    for due in repairs.find_due(control):
        if time.monotonic() > until:
            return
        yield _Task(f"{due.service} of {due.tenant['tenant_id']}", functools.partial(_mend, control, due, until))


def _finish_one(control: ControlPlane, tenant: Tenant, ends_at: float, removed: list[str]) -> Done:
    finish(control, tenant, ends_at, removed)
    return {} if removed and tenant.removed_at is not None else {"finished": [tenant.tenant_id]}


def _look_at_keys(control: ControlPlane, revealed: Revealed) -> Done:
    return {"finished" if revealed.is_kept else "found": key_delivery.look_again(control, revealed)}


def _look_at_export(control: ControlPlane, due: records.Due) -> Done:
    # A job that runs removes what its attempts leave itself, and its names are no other's: there is nothing to check.
    names = ExportNames(due.tenant.names, due.job_id)
    found = list(leftovers.remove(due.tenant, names, lambda: None, kept=due.keys, again=True))
    records.record_looked(control, due.job_id, found=bool(found))
    return {"found": found}


def _forget_requests(control: ControlPlane) -> Done:
    remembering.forget_old(control, AT_MOST)
    return {}


def _forget_events(control: ControlPlane) -> Done:
    events.forget_old(control, 100 * AT_MOST)
    return {}


def _mend(control: ControlPlane, due: Due, ends_at: float) -> Done:
    done, name = repairs.repair(control, due, ends_at), f"{due.service} of {due.tenant['tenant_id']}"
    said = {"repaired": done.repaired, "failed": done.prevented}
    return {kind: [f"{name}: {what}"] for kind, what in said.items() if what}


def _repair(cluster: Cluster) -> Done:
    return {"repaired": repair.repair(cluster)}


def _close(cluster: Cluster) -> Done:
    return {"repaired": closing.close(cluster)}


def _reset(cluster: Cluster) -> Done:
    return {"repaired": shared_roles.reset(cluster)}


def _examine(control: ControlPlane, cluster: Cluster) -> Done:
    recording.record(control, cluster)
    return {}


def finish(control: ControlPlane, tenant: Tenant, ends_at: float, removed: list[str]) -> None:
    """Remove what is left of a tenant, by that monotonic time, and append it to `removed` as it goes.

    If a last look finds nothing, the tenant is gone. A tenant that its register has as active stays, with its
    registrations: after a restore, a project's next job supersedes a tenant that the control plane no longer knows as
    live. Raise psycopg2.Error and ProvisioningError.
    """
    removal = removing.remove(control, tenant, may_be_active=False, noted=removed)
    if removal.refused:
        raise RollbackFailed(removal.refused)
    declared = registrations.of_tenant(control, tenant.tenant_id)
    for one, existed in registrations.remove(control, declared, ends_at):
        removed.extend([f"{one.service} registration"] if existed else [])
    if not removed and tenant.removed_at is not None:
        removing.forget(control, tenant)
    else:
        holding.record_looked(control, tenant.tenant_id, removed, None)
