"""Proves that everything works as issued, then marks the project active. There is nothing to compensate."""

from contextlib import closing
from typing import Any, NamedTuple

from provisioning.aws import secrets
from provisioning.cluster import register
from provisioning.cluster import session as sessions
from provisioning.errors import FinalizationFailed
from provisioning.ledger.attempt import QUERIES, Attempt
from provisioning.ledger.job import Job
from provisioning.ledger.runner import Event, LambdaContext, Output, run_stage
from provisioning.services import adapter_for
from provisioning.services.client import deadline
from provisioning.stage import Service, Stage
from provisioning.tenant import api_keys, schema


def finalize(event: Event, context: LambdaContext) -> Output:
    """Lambda handler. Takes {job_id, tenant_id}, returns the job's result (provisioning.jobs.result)."""
    ends_at = deadline(context.get_remaining_time_in_millis())
    return run_stage(
        Stage.FINALIZING,
        event,
        context,
        action=lambda attempt: prove_and_activate(attempt, ends_at),
        failure=FinalizationFailed,
    )


def prove_and_activate(attempt: Attempt, ends_at: float) -> Output:
    """Mark the project active and the job succeeded, in one transaction, once every proof has passed.

    The register is told before: it is the witness that the tenant is live, should the control plane lose its last
    commit.
    Raises FinalizationFailed, naming the proof, when one does not pass.
    """
    tenant = attempt.job.tenant
    names = [str(tenant.secret_arn), tenant.names.api_keys_secret(attempt.job.job_id)]
    credentials, raw_keys = secrets.read_all(names)
    prove_database(credentials)
    prove_services(attempt.job, ends_at)
    prove_api_keys(attempt, raw_keys)
    record_active(attempt)
    return attempt.complete(database=tenant.names.database, schema=schema.SCHEMA)


def prove_database(document: dict[str, Any]) -> None:
    """Connect with the issued credentials and read the schema version."""
    with closing(schema.connect(document)) as connection:
        version = schema.current_version(connection)
    if version != schema.newest_version():
        raise FinalizationFailed(f"the tenant schema is at version {version}, not {schema.newest_version()}")


def prove_services(job: Job, ends_at: float) -> None:
    """Ask every service that the payload enabled, until that monotonic time, whether it serves the tenant."""
    for service in Service:
        if job.payload.services[service] and not adapter_for(service, ends_at).ready(job.tenant.tenant_id):
            raise FinalizationFailed(f"{service} does not serve the tenant")


class _Key(NamedTuple):
    key_id: str
    hash: str


def prove_api_keys(attempt: Attempt, document: dict[str, Any]) -> None:
    """Check every raw key in the document of their secret against its form and its recorded hash."""
    job = attempt.job
    raw = {key["key_id"]: key["key"] for key in document["api_keys"]}
    recorded = attempt.control.fetch_all(_Key, QUERIES["find_api_keys"], job_id=job.job_id)
    proven = [
        row
        for row in recorded
        if (text := raw.get(row.key_id))
        and api_keys.is_well_formed(text)
        and api_keys.matches(text, bytes.fromhex(row.hash))
    ]
    if not len(proven) == len(raw) == len(recorded) == job.payload.api_key_count:
        raise FinalizationFailed(f"{len(proven)} of {job.payload.api_key_count} API keys match their hashes")


def record_active(attempt: Attempt) -> None:
    """Write into the register that this job has finished its tenant."""
    tenant = attempt.job.tenant
    holder = register.holder_of(attempt.control, attempt.job.job_id, attempt.job.project_id)
    _, is_ours = sessions.on(tenant.cluster, lambda session: register.record_active(session, tenant.names, holder))
    if not is_ours:
        raise FinalizationFailed("the register does not give the tenant to this job")
