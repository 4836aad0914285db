"""Finish the removal of tenants: those that a rollback could not remove, and the last look at those that it did.

A tenant is gone once a last look finds none of its database, roles, secrets and registrations. That look is made when
the last attempt that could make anything of it must have ended.
"""

import time

import psycopg2

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
        try:
            found = finish(control, tenant, ends_at)
        except (psycopg2.Error, ProvisioningError) as error:
            failures.append(typed_error(error, RollbackFailed))
            output["failed"].append(tenant.tenant_id)
            holding.record_looked(control, tenant.tenant_id, [], str(failures[-1]))
        else:
            output["finished"] += [] if found else [tenant.tenant_id]
            output["found"] += found
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


def finish(control: ControlPlane, tenant: Tenant, ends_at: float) -> list[str]:
    """Remove what is left of a tenant, by that monotonic time, and return what a last look found.

    If nothing is found, the tenant is gone. A tenant that its register has as active stays, with its registrations:
    after a restore, a project's next job supersedes a tenant that the control plane no longer knows as live. Raise
    psycopg2.Error and ProvisioningError.
    """
    removal = removing.remove(control, tenant, may_be_active=False)
    if removal.refused:
        raise RollbackFailed(removal.refused)
    declared = registrations.of_tenant(control, tenant.tenant_id)
    removed = [*removal.removed, *registrations.remove(control, declared, ends_at)]
    is_last_look = tenant.removed_at is not None
    if not removed and is_last_look:
        removing.forget(control, tenant)
        return []
    holding.record_looked(control, tenant.tenant_id, removed, None)
    return removed if is_last_look else []
