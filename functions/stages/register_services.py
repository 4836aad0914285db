"""Stages 4 to 7: the tenant is registered with auth, realtime, storage and pooler. Compensation: it is deregistered."""

from provisioning.errors import Misconfigured, ResourceConflict, ServiceRegistrationFailed, ServiceRejectedRegistration
from provisioning.job import idempotency_key
from provisioning.ledger import Attempt, Intent, Rollback
from provisioning.service_client import deadline
from provisioning.services import adapter_for
from provisioning.services.adapter import Tenant
from provisioning.stage import Service
from provisioning.stage_runner import Event, LambdaContext, Output, run_compensation, run_stage


def register_auth(event: Event, context: LambdaContext) -> Output:
    """Lambda handler of "Register auth". Takes {job_id}, returns {service, external_id, endpoint}."""
    return _register(Service.AUTH, event, context)


def register_realtime(event: Event, context: LambdaContext) -> Output:
    """Lambda handler of "Register realtime". Takes {job_id}, returns {service, external_id, endpoint}."""
    return _register(Service.REALTIME, event, context)


def register_storage(event: Event, context: LambdaContext) -> Output:
    """Lambda handler of "Register storage". Takes {job_id}, returns {service, external_id, endpoint}."""
    return _register(Service.STORAGE, event, context)


def register_pooler(event: Event, context: LambdaContext) -> Output:
    """Lambda handler of "Register pooler". Takes {job_id}, returns {service, external_id, endpoint}."""
    return _register(Service.POOLER, event, context)


def deregister_services(event: Event, context: LambdaContext) -> Output:
    """Lambda handler of "Deregister services". Takes {job_id}, returns what was removed."""
    ends_at = deadline(context.get_remaining_time_in_millis())
    stages = [service.stage for service in Service]
    return run_compensation(stages, event, context, compensation=lambda rollback: deregister(rollback, ends_at))


def register(attempt: Attempt, service: Service, ends_at: float) -> Output:
    """Registers the tenant in this job's name; registered so already, changes nothing.

    It is done when the service says that the tenant is ready: its yes to the registration alone does not count.
    Raises ServiceRegistrationFailed when it has not said so by that monotonic time.
    """
    if not attempt.declared["held"]:
        raise ResourceConflict(f"another job's {service} registration of {attempt.job.project_id} is still there")
    registered = adapter_for(service, ends_at).register(Tenant(attempt.job))
    return attempt.succeed(
        {"service": str(service), "external_id": registered.external_id, "endpoint": registered.endpoint},
        "record_registration",
        service=str(service),
        external_id=registered.external_id,
        endpoint=registered.endpoint,
        registered_at=registered.registered_at,
    )


def deregister(rollback: Rollback, ends_at: float) -> list[str]:
    """Removes the registrations that this job declared, and only then their rows in the control plane.

    One service that does not answer keeps no other from being asked; its error is raised once all were.
    """
    job = rollback.job
    removed: list[str] = []
    refused: list[Exception] = []
    for service in Service:
        if service.stage not in rollback.intents:
            continue
        try:
            if adapter_for(service, ends_at).deregister(Tenant(job)):
                removed.append(f"{service} registration")
            rollback.control.execute(
                "forget_registration", project_id=job.project_id, job_id=job.job_id, service=str(service)
            )
        except (ServiceRegistrationFailed, ServiceRejectedRegistration, Misconfigured) as error:
            refused.append(error)
    if refused:
        raise refused[0]
    return removed


def _register(service: Service, event: Event, context: LambdaContext) -> Output:
    intent = {"service": str(service), "idempotency_key": idempotency_key(str(event["job_id"]), service)}
    ends_at = deadline(context.get_remaining_time_in_millis())
    return run_stage(
        service.stage,
        event,
        context,
        action=lambda attempt: register(attempt, service, ends_at),
        compensation=lambda rollback: deregister(rollback, ends_at),
        failure=ServiceRegistrationFailed,
        intent=Intent(intent, "intend_registration", intent),
    )
