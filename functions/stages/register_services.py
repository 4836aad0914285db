"""Stages 4 to 6: the tenant is registered with auth, realtime and storage. Compensation: it is deregistered."""

from provisioning import tenant_schema
from provisioning.errors import Misconfigured, ResourceConflict, ServiceRegistrationFailed, ServiceRejectedRegistration
from provisioning.ledger import Attempt, Rollback
from provisioning.service_client import ServiceClient
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


def deregister_services(event: Event, context: LambdaContext) -> Output:
    """Lambda handler of "Deregister services". Takes {job_id}, returns what was removed."""
    return run_compensation([service.stage for service in Service], event, context, compensation=deregister)


def register(attempt: Attempt, service: Service) -> Output:
    """Registers the tenant under this job's idempotency key; registered under it already, changes nothing."""
    job = attempt.job
    key = job.idempotency_key(service)
    _declare(attempt, service)
    client = ServiceClient(service)
    tenant = {
        "project_id": job.project_id,
        "region": job.cluster.region,
        "organization_id": job.organization_id,
        "database": {
            "host": job.cluster.host,
            "port": job.cluster.port,
            "name": job.names.database,
            "schema": tenant_schema.SCHEMA,
        },
        "secret_arn": job.secret_arn,
    }
    attempt.check()
    registered = client.register(job.project_id, key, tenant)
    with attempt.control.transaction():
        attempt.control.execute(
            "record_registration",
            project_id=job.project_id,
            job_id=job.job_id,
            service=str(service),
            external_id=registered.external_id,
            endpoint=registered.endpoint,
            registered_at=registered.registered_at,
        )
        return attempt.succeed(
            {"service": str(service), "external_id": registered.external_id, "endpoint": registered.endpoint}
        )


def deregister(rollback: Rollback) -> list[str]:
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
            if ServiceClient(service).deregister(job.project_id, job.idempotency_key(service)):
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
    return run_stage(
        service.stage,
        event,
        context,
        action=lambda attempt: register(attempt, service),
        compensation=deregister,
        failure=ServiceRegistrationFailed,
    )


def _declare(attempt: Attempt, service: Service) -> None:
    job = attempt.job
    with attempt.control.transaction():
        attempt.declare(service=str(service), idempotency_key=job.idempotency_key(service))
        intended = attempt.control.fetch_one(
            "intend_registration",
            project_id=job.project_id,
            job_id=job.job_id,
            service=str(service),
            idempotency_key=job.idempotency_key(service),
        )
        if intended is None:
            raise ResourceConflict(f"another job's {service} registration of {job.project_id} is still there")
