"""The dump of a tenant's database in an object, with a manifest. Its compensation removes all that the job has made."""

from provisioning.cluster import register
from provisioning.errors import ExportFailed, ProvisioningError
from provisioning.exports import exporting, leftovers, login, records
from provisioning.exports.names import ExportNames
from provisioning.handler import handler
from provisioning.identity import Tenant
from provisioning.ledger.attempt import Attempt, Intent
from provisioning.ledger.rollback import Rollback, Undone
from provisioning.ledger.runner import Event, LambdaContext, Output, run_compensation, run_stage
from provisioning.needs import Need
from provisioning.observability import logger
from provisioning.services.client import deadline
from provisioning.stage import Stage
from provisioning.tenant import holding

LAST_LOOK = {"last_look": records.LAST_LOOK_SECONDS}


@handler(Need.CLUSTERS, Need.TENANT_SECRETS, Need.EXPORTS, Need.PG_DUMP)
def export_database(event: Event, context: LambdaContext) -> Output:
    """Lambda handler. Take {job_id, tenant_id} and return {bucket, dump, manifest, bytes, sha256, tables, rows}."""
    ends_at = deadline(context.get_remaining_time_in_millis())
    return run_stage(
        Stage.EXPORTING_DATABASE,
        event,
        context,
        action=lambda attempt: export(attempt, ends_at),
        compensation=remove,
        failure=ExportFailed,
        intent=Intent(records.QUERIES["record_intended_export"], LAST_LOOK),
    )


@handler(Need.CLUSTERS, Need.EXPORTS)
def remove_export(event: Event, context: LambdaContext) -> Output:
    """Lambda handler of "Remove export". Take {job_type, job_id, tenant_id, forgotten, failure}.

    Return {removed, unknown}.
    """
    return run_compensation([Stage.EXPORTING_DATABASE], event, context, compensation=remove)


def export(attempt: Attempt, ends_at: float) -> Output:
    """Dump the tenant before the monotonic time ends_at. What earlier attempts have left is removed first."""
    job, tenant = attempt.job, attempt.job.tenant
    names = ExportNames(tenant.names, job.job_id)
    holder = register.holder_of(attempt.control, job.job_id, job.project_id)
    login.check_live(tenant, holder.control_plane_id, job.job_id)
    for left in leftovers.remove_objects(names):
        logger().info("an earlier attempt has left something", removed=left)
    services = [str(one) for one in job.registered]
    try:
        made = exporting.export(tenant, names, attempt.number, services, attempt.check, ends_at)
    except Exception:
        _leave_nothing(attempt, tenant, names)
        raise
    facts = made.manifest["dump"]
    return attempt.succeed(
        made.output,
        records.QUERIES["record_exported"],
        bucket=made.output["bucket"],
        dump_key=made.output["dump"],
        manifest_key=made.output["manifest"],
        bytes=facts["bytes"],
        sha256=facts["sha256"],
        server_version=made.manifest["server_version"],
        manifest=made.manifest,
        **LAST_LOOK,
    )


def remove(rollback: Rollback) -> Undone:
    """Remove the job's login, secret, uploads and objects: their names are this job's alone.

    The dump of a job that Step Functions has forgotten stays: the job may have succeeded.
    """
    tenant = holding.find(rollback.control, rollback.tenant_id) if rollback.tenant_id is not None else None
    tenant = tenant or records.tenant_of(rollback.control, rollback.job_id)
    if tenant is None:
        lost = f"the login of an export of tenant {rollback.tenant_id}" if rollback.tenant_id is not None else ""
        return Undone([], [lost] if lost and rollback.has_begun else [])
    names = ExportNames(tenant.names, rollback.job_id)
    if rollback.is_forgotten:
        removed = [names.login_role] if login.remove(tenant, names, rollback.check) else []
        return Undone(removed, [f"the objects of {names.prefix}: the job may have succeeded"])
    for one in leftovers.remove(tenant, names, rollback.check):
        rollback.removed.append(one)
    records.record_undone(rollback.control, rollback.job_id)
    return Undone(rollback.removed)


def _leave_nothing(attempt: Attempt, tenant: Tenant, names: ExportNames) -> None:
    """Remove what a failed attempt has made, best effort: the next attempt, or the compensation, does it again.

    An attempt that was superseded removes nothing: the next one has the same login.
    """
    try:
        for _ in leftovers.remove(tenant, names, attempt.check):
            pass
    except Exception as error:  # noqa: BLE001 (the failure itself is what is reported)
        known = isinstance(error, ProvisioningError)
        logger().warning("a failed export was not removed", error=str(error) if known else type(error).__name__)
