"""A stage per service: the tenant is registered with it. Compensation: it is deregistered."""

from provisioning.errors import ServiceRegistrationFailed
from provisioning.ledger import witness
from provisioning.ledger.attempt import Attempt, Intent
from provisioning.ledger.rollback import Rollback, Undone
from provisioning.ledger.runner import Event, LambdaContext, Output, run_compensation, run_stage
from provisioning.services import adapter_for, registrations
from provisioning.services.adapter import ServiceTenant
from provisioning.services.client import deadline
from provisioning.stage import Service

UNWANTED: Output = {"service": None, "external_id": None, "endpoint": None}


def register_auth(event: Event, context: LambdaContext) -> Output:
    """Lambda handler of "Register auth". Takes {job_id, tenant_id}, returns {service, external_id, endpoint}."""
    return _register(Service.AUTH, event, context)


def register_realtime(event: Event, context: LambdaContext) -> Output:
    """Lambda handler of "Register realtime". Takes {job_id, tenant_id}, returns {service, external_id, endpoint}."""
    return _register(Service.REALTIME, event, context)


def register_storage(event: Event, context: LambdaContext) -> Output:
    """Lambda handler of "Register storage". Takes {job_id, tenant_id}, returns {service, external_id, endpoint}."""
    return _register(Service.STORAGE, event, context)


def register_pooler(event: Event, context: LambdaContext) -> Output:
    """Lambda handler of "Register pooler". Takes {job_id, tenant_id}, returns {service, external_id, endpoint}."""
    return _register(Service.POOLER, event, context)


def deregister_services(event: Event, context: LambdaContext) -> Output:
    """Lambda handler of "Deregister services". Takes {job_id, tenant_id, forgotten}, returns {removed, unknown}."""
    ends_at = deadline(context.get_remaining_time_in_millis())
    stages = [service.stage for service in Service]
    return run_compensation(stages, event, context, compensation=lambda rollback: deregister(rollback, ends_at))


def register(attempt: Attempt, service: Service, ends_at: float) -> Output:
    """Register the tenant; registered already, change nothing.

    It is done when the service says that the tenant is ready: its yes to the registration alone does not count.
    Raises ServiceRegistrationFailed when it has not said so by that monotonic time.
    """
    registered = adapter_for(service, ends_at).register(ServiceTenant(attempt.job))
    return attempt.succeed(
        {"service": str(service), "external_id": registered.external_id, "endpoint": registered.endpoint},
        "record_registration",
        service=str(service),
        endpoint=registered.endpoint,
        registered_at=registered.registered_at,
    )


def deregister(rollback: Rollback, ends_at: float) -> Undone:
    """Remove the registrations that this job declared, and only then their rows in the control plane.

    Of a tenant that only a register knows, what was declared is lost: every service is asked.
    """
    if refused := witness.refusals(rollback):
        return Undone([], refused)
    found, _ = witness.found_in_registers(rollback)
    for tenant in found:
        registrations.record_possible(rollback.control, tenant.tenant_id, rollback.job_id)
    declared = registrations.of_job(rollback.control, rollback.job_id)
    return Undone(registrations.remove(rollback.control, declared, ends_at))


def _register(service: Service, event: Event, context: LambdaContext) -> Output:
    ends_at = deadline(context.get_remaining_time_in_millis())
    return run_stage(
        service.stage,
        event,
        context,
        action=lambda attempt: register(attempt, service, ends_at),
        compensation=lambda rollback: deregister(rollback, ends_at),
        failure=ServiceRegistrationFailed,
        intent=Intent("record_intended_registration", {"service": str(service)}),
        unwanted=UNWANTED,
    )
