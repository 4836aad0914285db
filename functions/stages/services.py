"""The tenant at its services: registered and deregistered, suspended and resumed. Each is the other's compensation."""

from collections.abc import Callable, Iterator

from provisioning import queries
from provisioning.control_plane import ControlPlane
from provisioning.errors import ServiceRegistrationFailed
from provisioning.handler import handler
from provisioning.jobs.registry import DECLARATIONS
from provisioning.ledger import witness
from provisioning.ledger.attempt import Attempt, Intent
from provisioning.ledger.rollback import Rollback, Undone
from provisioning.ledger.runner import Event, LambdaContext, Output, run_compensation, run_stage
from provisioning.needs import ANY_SERVICE, Need
from provisioning.services import adapter_for, public_url, registrations
from provisioning.services.client import deadline
from provisioning.services.tenant_database import ServiceTenant
from provisioning.stage import Service, Stage
from provisioning.tenant import suspensions

QUERIES = queries.load(__file__)
Change = Callable[[ControlPlane, str, float], Iterator[tuple[str, str]]]
UNWANTED: Output = {"service": None, "external_id": None, "endpoint": None}


@handler(Service.AUTH)
def register_auth(event: Event, context: LambdaContext) -> Output:
    """Lambda handler of "Register auth". Take {job_id, tenant_id} and return {service, external_id, endpoint}."""
    return _register(Service.AUTH, event, context)


@handler(Service.REALTIME, Need.SERVICE_CREDENTIALS, Need.REALTIME_DATABASE)
def register_realtime(event: Event, context: LambdaContext) -> Output:
    """Lambda handler of "Register realtime". Take {job_id, tenant_id} and return {service, external_id, endpoint}."""
    return _register(Service.REALTIME, event, context)


@handler(Service.STORAGE, Need.SERVICE_CREDENTIALS)
def register_storage(event: Event, context: LambdaContext) -> Output:
    """Lambda handler of "Register storage". Take {job_id, tenant_id} and return {service, external_id, endpoint}."""
    return _register(Service.STORAGE, event, context)


@handler(Service.POOLER, Need.SERVICE_CREDENTIALS)
def register_pooler(event: Event, context: LambdaContext) -> Output:
    """Lambda handler of "Register pooler". Take {job_id, tenant_id} and return {service, external_id, endpoint}."""
    return _register(Service.POOLER, event, context)


@handler(Need.CLUSTERS, *ANY_SERVICE)
def deregister_services(event: Event, context: LambdaContext) -> Output:
    """Lambda handler of "Deregister services". Take {job_type, job_id, tenant_id, forgotten, failure}.

    Return {removed, unknown}.
    """
    ends_at = deadline(context.get_remaining_time_in_millis())
    stages = [service.stage for service in Service]
    return run_compensation(stages, event, context, compensation=lambda rollback: deregister(rollback, ends_at))


@handler(*ANY_SERVICE)
def suspend_services(event: Event, context: LambdaContext) -> Output:
    """Lambda handler. Take {job_type, job_id, tenant_id} and return {services}: by service whether it was suspended.

    In a job that resumes them it is the compensation, and returns {removed, unknown}.
    """
    return _change(
        Stage.SUSPENDING_SERVICES,
        Stage.RESUMING_SERVICES,
        (registrations.suspend, registrations.resume),
        event,
        context,
    )


@handler(*ANY_SERVICE)
def resume_services(event: Event, context: LambdaContext) -> Output:
    """Lambda handler. Take {job_type, job_id, tenant_id} and return {services}: by service whether it was resumed.

    In a job that suspends them it is the compensation, and returns {removed, unknown}.
    """
    return _change(
        Stage.RESUMING_SERVICES,
        Stage.SUSPENDING_SERVICES,
        (registrations.resume, registrations.suspend),
        event,
        context,
    )


def register(attempt: Attempt, service: Service, ends_at: float) -> Output:
    """Register the tenant; idempotent.

    It is done when the service reports the tenant as ready: accepting the registration does not suffice. Raise
    ServiceRegistrationFailed if the service has not done so by that monotonic time. The endpoint is where the tenant's
    clients reach the service, if the settings say that, and else what the service or its adapter calls so.
    """
    public = public_url(service, attempt.job.tenant.tenant_id)
    registered = adapter_for(service, ends_at).register(ServiceTenant(attempt.job))
    endpoint = public or registered.endpoint
    return attempt.succeed(
        {"service": str(service), "external_id": registered.external_id, "endpoint": endpoint},
        QUERIES["record_registration"],
        service=str(service),
        endpoint=endpoint,
        registered_at=registered.registered_at,
    )


def deregister(rollback: Rollback, ends_at: float) -> Undone:
    """Remove the registrations that this job declared, and then record that in the control plane.

    The control plane may have lost declarations. So once any may have been made, every service that the job wants is
    asked about a tenant that the register gives to this job, and every service about one that only a register knows.
    """
    if refused := witness.refusals(rollback):
        return Undone([], refused)
    for tenant in witness.found_in_registers(rollback).tenants:
        registrations.record_possible(rollback.control, tenant.tenant_id, rollback.job_id)
    if rollback.has_begun:
        registrations.record_wanted(rollback.control, rollback.job_id, lambda: witness.named(rollback))
    declared = registrations.of_job(rollback.control, rollback.job_id)
    left = [one.service for one in declared]
    for one, existed in registrations.remove(rollback.control, declared, ends_at):
        left.remove(one.service)
        rollback.removed.extend([f"{one.service} registration"] if existed else [])
        rollback.undone.extend([Service(one.service).stage] if one.service not in left else [])
    return Undone(rollback.removed)


def _register(service: Service, event: Event, context: LambdaContext) -> Output:
    ends_at = deadline(context.get_remaining_time_in_millis())
    return run_stage(
        service.stage,
        event,
        context,
        intent=Intent(QUERIES["record_intended_registration"], {"service": str(service)}),
        action=lambda attempt: register(attempt, service, ends_at),
        compensation=lambda rollback: deregister(rollback, ends_at),
        failure=ServiceRegistrationFailed,
        unwanted=UNWANTED,
    )


def _change(
    stage: Stage, opposite: Stage, changes: tuple[Change, Change], event: Event, context: LambdaContext
) -> Output:
    """Suspend or resume the tenant at its services: as a stage, or to undo the stage that has done the opposite.

    `changes` are the stage's own and the one that undoes it.
    """
    ends_at = deadline(context.get_remaining_time_in_millis())

    def act(attempt: Attempt) -> Output:
        return attempt.succeed({"services": dict(changes[0](attempt.control, attempt.job.tenant.tenant_id, ends_at))})

    def undo_with(change: Change, undone: Stage, rollback: Rollback) -> Undone:
        if not rollback.has_begun:
            return Undone([])
        done = "suspended" if undone is Stage.SUSPENDING_SERVICES else "active"
        tenant = suspensions.tenant_of(rollback.control, rollback.job_id)
        for tenant_id in [tenant.tenant_id] if tenant is not None else witness.changing(rollback, done):
            for service, what in change(rollback.control, tenant_id, ends_at):
                rollback.removed.extend([f"{service} {what}"] if what != registrations.KEPT else [])
        return Undone(rollback.removed)

    if stage not in DECLARATIONS[event["job_type"]].states:
        return run_compensation(
            [opposite], event, context, compensation=lambda back: undo_with(changes[0], opposite, back)
        )
    return run_stage(
        stage,
        event,
        context,
        action=act,
        compensation=lambda rollback: undo_with(changes[1], stage, rollback),
        failure=ServiceRegistrationFailed,
    )
