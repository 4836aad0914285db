"""Finish the removal of tenants: those that a rollback could not remove, and the last look at those that it did.

A tenant is gone once a last look finds none of its database, roles, secrets and registrations. That look is made when
the last attempt that could make anything of it must have ended.
"""

import time

from provisioning import control_plane
from provisioning.control_plane import ControlPlane
from provisioning.errors import ProvisioningError, RollbackFailed
from provisioning.identity import Tenant
from provisioning.ledger.runner import Event, LambdaContext, Output, typed_error
from provisioning.observability import logger
from provisioning.services import registrations
from provisioning.services.client import deadline
from provisioning.tenant import holding, key_delivery, removing

AT_MOST = 100
"""Tenants that one run looks at, and secrets of revealed keys."""


def reconcile(event: Event, context: LambdaContext) -> Output:
    """Lambda handler. Return {finished, found, failed}: tenants that are gone, what a last look found, and failures.

    A tenant, or a secret of revealed keys, that cannot be removed does not hold up the others, and is looked at again
    later. What a last look finds is removed and reported. Raise the first failure at the end.
    """
    del event
    ends_at = deadline(context.get_remaining_time_in_millis())
    control = control_plane.connect()
    output: Output = {"finished": [], "found": [], "failed": []}
    failures: list[ProvisioningError] = []
    for tenant in holding.find_due(control, AT_MOST):
        if time.monotonic() > ends_at:
            break
        removed: list[str] = []
        try:
            finish(control, tenant, ends_at, removed)
        except Exception as error:  # noqa: BLE001 (whatever it is, the others are looked at)
            failures.append(typed_error(error, RollbackFailed))
            output["failed"].append(tenant.tenant_id)
            holding.record_looked(control, tenant.tenant_id, removed, str(failures[-1]))
        else:
            output["finished"] += [] if removed and tenant.removed_at is not None else [tenant.tenant_id]
        output["found"] += removed if tenant.removed_at is not None else []
    for revealed in key_delivery.find_due(control, AT_MOST):
        try:
            output["found"] += key_delivery.look_again(control, revealed)
        except ProvisioningError as error:
            failures.append(error)
            output["failed"].append(revealed.tenant_id)
    log = logger()
    (log.warning if output["found"] or failures else log.info)("tenants reconciled", **output)
    if failures:
        raise failures[0]
    return output


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
