"""Prove that a job's work holds, then give the project its new status. There is nothing to compensate."""

import time
from collections.abc import Callable
from contextlib import closing
from typing import Any, NamedTuple

from psycopg2.extensions import connection as Connection  # noqa: N812

from provisioning import queries
from provisioning.aws import secrets
from provisioning.aws.documents import API_KEYS, CREDENTIALS
from provisioning.cluster import register
from provisioning.cluster import session as sessions
from provisioning.errors import FinalizationFailed
from provisioning.handler import handler
from provisioning.identity import Tenant
from provisioning.jobs.declaration import ProjectStatus
from provisioning.jobs.registry import DECLARATIONS
from provisioning.ledger.attempt import Attempt
from provisioning.ledger.job import Job
from provisioning.ledger.runner import Event, LambdaContext, Output, run_stage
from provisioning.needs import ANY_SERVICE, Need
from provisioning.services import adapter_for
from provisioning.services.client import deadline
from provisioning.stage import Stage
from provisioning.tenant import api_keys, schema

QUERIES = queries.load(__file__)


@handler(Need.CLUSTERS, Need.TENANT_SECRETS, Need.SEVERAL_SECRETS, *ANY_SERVICE)
def finalize(event: Event, context: LambdaContext) -> Output:
    """Lambda handler. Take {job_type, job_id, tenant_id} and return the job's result (provisioning.jobs.result)."""
    ends_at = deadline(context.get_remaining_time_in_millis())
    return run_stage(
        Stage.FINALIZING,
        event,
        context,
        action=lambda attempt: prove_all(attempt, ends_at),
        failure=FinalizationFailed,
    )


def prove_all(attempt: Attempt, ends_at: float) -> Output:
    """Prove that the job's work holds. Of a job whose ledger has lost a stage, that is the reason for its failure."""
    try:
        return prove(attempt, ends_at)
    except FinalizationFailed:
        attempt.check_ledger()
        raise


def prove(attempt: Attempt, ends_at: float) -> Output:
    """Record the job's success and its project's declared status, once every proof has passed.

    In one transaction. The register is updated before: it is the witness of the tenant's state if the control plane
    loses its last commit. Raise FinalizationFailed, naming the proof, if one does not pass, and RecordLost if the
    control plane has lost what an earlier stage recorded.
    """
    job, declared = attempt.job, DECLARATIONS[attempt.job.job_type]
    if declared.on_success is None:
        # It has changed nothing of the tenant, and its stages have proved what they made.
        return attempt.complete()
    if declared.on_success is not ProjectStatus.ACTIVE:
        record_changed(attempt, "suspended", lambda session, tenant: prove_closed(session, tenant, ends_at))
        return attempt.complete()
    makes_keys = Stage.GENERATING_API_KEYS in declared.states
    of_keys = {job.tenant.names.api_keys_secret(job.job_id): API_KEYS} if makes_keys else {}
    credentials, *raw_keys = secrets.read_all_recorded({job.tenant.recorded_secret: CREDENTIALS, **of_keys})
    at_least = schema.newest_version() if makes_keys else int((job.tenant.prepared or {}).get("version", 0))
    prove_services(job, ends_at)
    if not makes_keys:
        record_changed(attempt, "active", lambda _session, _tenant: prove_database(credentials, at_least))
        return attempt.complete()
    prove_api_keys(attempt, raw_keys[0])
    record_state(attempt, "active", lambda _session: prove_database(credentials, at_least))
    return attempt.complete(QUERIES["record_provisioned"], database=job.tenant.names.database, schema=schema.SCHEMA)


def prove_closed(session: Connection, tenant: Tenant, ends_at: float) -> None:
    """Look that nobody is in the tenant, and that nobody can come in.

    A login in progress may be one that is about to be refused, so the look is repeated until that monotonic time.
    """
    # Here, so that the end of a job that provisions goes without it (docs/cost.md).
    from provisioning.tenant import gate

    while left := (found := gate.look(session, tenant)).left:
        if found._replace(entering=0).left or time.monotonic() > ends_at:
            raise FinalizationFailed(f"left in the tenant: {left}")
        time.sleep(gate.POLL_SECONDS)


def prove_database(document: dict[str, Any], at_least: int) -> None:
    """Connect with the issued credentials and check that the schema has at least this version."""
    with closing(schema.connect(document)) as connection:
        version = schema.current_version(connection)
    if version < at_least:
        raise FinalizationFailed(f"the tenant schema is at version {version}, not {at_least}")


def prove_services(job: Job, ends_at: float) -> None:
    """Ask every service that the tenant is registered with, until that monotonic time, whether it serves the tenant."""
    for service in job.registered:
        if obstacle := adapter_for(service, ends_at).obstacle(job.tenant.tenant_id):
            raise FinalizationFailed(f"{service} does not serve the tenant: {obstacle}")


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


def record_changed(attempt: Attempt, state: str, proof: Callable[[Connection, Tenant], None]) -> None:
    """Record in the register the new state of a live tenant, once the proof on the cluster has passed.

    Under the tenant's lock, so that an attempt that resumes after its job's rollback overwrites nothing.
    """
    tenant = attempt.job.tenant

    def check(session: Connection) -> None:
        register.lock(session, tenant.names)
        attempt.check()
        proof(session, tenant)

    sessions.release(record_state(attempt, state, check))


def record_state(attempt: Attempt, state: str, check: Callable[[Connection], None]) -> Connection:
    """Record in the register that this job is done with its tenant, and return the session that was checked.

    What is checked and the record go over one session. If that is lost, the cluster may have lost commits with it, and
    the check is repeated over a new one.
    """
    tenant = attempt.job.tenant
    holder = register.holder_of(attempt.control, attempt.job.job_id, attempt.job.project_id)

    def record(session: Connection) -> bool:
        check(session)
        return register.record_state(session, tenant.names, holder, state)

    session, is_ours = sessions.on(tenant.cluster, record)
    if not is_ours:
        raise FinalizationFailed("the register does not give the tenant to this job")
    return session
