"""Stage 9: proves that everything works as issued, then marks the project active. There is nothing to compensate."""

from typing import Any, cast

from provisioning import api_keys, tenant_schema, tenant_secret
from provisioning.errors import FinalizationFailed
from provisioning.job import Job
from provisioning.ledger import Attempt, Intent
from provisioning.result import result_from_record
from provisioning.service_client import deadline
from provisioning.services import adapter_for
from provisioning.services.adapter import Tenant
from provisioning.stage import Service, Stage
from provisioning.stage_runner import Event, LambdaContext, Output, run_stage


def finalize(event: Event, context: LambdaContext) -> Output:
    """Lambda handler. Takes {job_id}, returns the job's result."""
    ends_at = deadline(context.get_remaining_time_in_millis())
    return run_stage(
        Stage.FINALIZING,
        event,
        context,
        action=lambda attempt: prove_and_activate(attempt, ends_at),
        compensation=None,
        failure=FinalizationFailed,
        intent=Intent({"creates": "result"}, "find_api_keys"),
    )


def prove_and_activate(attempt: Attempt, ends_at: float) -> Output:
    """Marks the project active and the job succeeded, in one transaction, once every proof has passed.

    Raises FinalizationFailed, naming the proof, when one does not pass.
    """
    job = attempt.job
    if job.secret_arn is None:
        raise FinalizationFailed("the tenant database has no record")
    document = tenant_secret.read(job.secret_arn)
    prove_database(document)
    prove_services(job, ends_at)
    prove_api_keys(attempt, document)
    return cast("Output", result_from_record(attempt.complete(schema=tenant_schema.SCHEMA)))


def prove_database(document: dict[str, Any]) -> None:
    """Connects with the issued credentials and reads the schema version."""
    connection = tenant_schema.issued_connection(document)
    try:
        version = tenant_schema.current_version(connection)
    finally:
        connection.close()
    if version != tenant_schema.newest_version():
        raise FinalizationFailed(f"the tenant schema is at version {version}, not {tenant_schema.newest_version()}")


def prove_services(job: Job, ends_at: float) -> None:
    """Asks every service that the payload enabled, until that monotonic time, whether it serves the tenant."""
    for service in Service:
        if job.payload.services[service] and not adapter_for(service, ends_at).ready(Tenant(job)):
            raise FinalizationFailed(f"{service} does not serve the tenant")


def prove_api_keys(attempt: Attempt, document: dict[str, Any]) -> None:
    """Checks every raw key in the secret against its form and its recorded hash."""
    recorded = attempt.declared["api_keys"]
    raw = {key["key_id"]: key["key"] for key in document.get("api_keys", [])}
    proven = [
        row
        for row in recorded
        if (text := raw.get(row["key_id"]))
        and api_keys.is_well_formed(text)
        and api_keys.matches(text, bytes.fromhex(row["hash"]))
    ]
    if not len(proven) == len(raw) == len(recorded) == attempt.job.payload.api_key_count:
        raise FinalizationFailed(f"{len(proven)} of {attempt.job.payload.api_key_count} API keys match their hashes")
