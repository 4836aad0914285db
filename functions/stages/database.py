"""The tenant's database with its roles and credentials. Compensation: the tenant is removed."""

from provisioning import queries
from provisioning.cluster import register
from provisioning.errors import DatabaseCreationFailed
from provisioning.handler import handler
from provisioning.ledger import witness
from provisioning.ledger.attempt import Attempt
from provisioning.ledger.rollback import Rollback, Undone
from provisioning.ledger.runner import Event, LambdaContext, Output, run_compensation, run_stage
from provisioning.needs import Need
from provisioning.stage import Stage
from provisioning.tenant import holding, making, removing

QUERIES = queries.load(__file__)


@handler(Need.CLUSTERS, Need.TENANT_SECRETS)
def create_database(event: Event, context: LambdaContext) -> Output:
    """Lambda handler. Take {job_id, tenant_id} and return {tenant_id, name, host, port, secret_arn}.

    If the cluster's register gives the tenant to another job, the job gets another tenant, whose id is returned.
    """
    return run_stage(
        Stage.CREATING_DATABASE, event, context, action=create, compensation=drop, failure=DatabaseCreationFailed
    )


@handler(Need.CLUSTERS)
def drop_database(event: Event, context: LambdaContext) -> Output:
    """Lambda handler of "Drop tenant database". Take {job_type, job_id, tenant_id, forgotten, failure}.

    Return {removed, unknown}.
    """
    stages = (Stage.CREATING_DATABASE, Stage.CREATING_SCHEMA)
    return run_compensation(stages, event, context, compensation=drop)


def create(attempt: Attempt) -> Output:
    """Take the tenant that was chosen from the pool, or make what earlier attempts have not made of it.

    A tenant that the register gives to another job is left to it, and another one is chosen.
    """
    holder = register.holder_of(attempt.control, attempt.job.job_id, attempt.job.project_id)
    tenant = attempt.job.tenant
    try:
        is_ready = tenant.prepared is not None and making.claim(tenant, holder)
        secret_arn = tenant.secret_arn if is_ready else making.make_database(tenant, holder, attempt.check).arn
    except making.HeldByAnother:
        other = holding.dispute(attempt.control, tenant)
        return create(attempt._replace(job=attempt.job._replace(tenant=other)))
    output = {
        "tenant_id": tenant.tenant_id,
        "name": tenant.names.database,
        "host": tenant.cluster.host,
        "port": tenant.cluster.port,
        "secret_arn": secret_arn,
    }
    return attempt.succeed(output, QUERIES["record_database"], secret_arn=secret_arn, is_prepared=is_ready)


def drop(rollback: Rollback) -> Undone:
    """Remove every tenant that the control plane holds for this job, and the one in the execution's state.

    A tenant whose row is gone is looked for in the registers, and removed only where one gives it to this job. Where no
    register and no cluster has any trace of it, only its secrets are looked for.
    """
    if refused := witness.refusals(rollback):
        return Undone([], refused)
    held = holding.held_by(rollback.control, rollback.job_id)
    found = witness.found_in_registers(rollback)
    unknown = [*found.unknown]
    if found.nowhere is not None:
        rollback.removed.extend(removing.remove_secrets(found.nowhere, rollback.job_id))
    for tenant in found.tenants:
        # Imported here, because only a lost job needs it. What another compensation recorded of registrations may be
        # lost, too, so reconcile asks the services again.
        from provisioning.services import registrations

        registrations.record_possible(rollback.control, tenant.tenant_id, rollback.job_id)
    for tenant in [*held, *(one for one in found.tenants if one not in held)]:
        removal = removing.remove(
            rollback.control,
            tenant,
            must_be_named=rollback.is_forgotten or tenant not in held,
            may_be_active=not rollback.is_forgotten,
            noted=rollback.removed,
        )
        if removal.refused:
            unknown.append(removal.refused)
    return Undone(rollback.removed, unknown)
