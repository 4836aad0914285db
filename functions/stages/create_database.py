"""Stage 2: the tenant's credentials, roles and database. Compensation: all three are removed again."""

from provisioning import tenant_database, tenant_lookup, tenant_schema, tenant_secret
from provisioning.cluster import looking_session, tenant_session
from provisioning.errors import DatabaseCreationFailed, ResourceConflict
from provisioning.ledger import Attempt, Intent, Rollback
from provisioning.scram import scram_verifier
from provisioning.stage import Stage
from provisioning.stage_runner import Event, LambdaContext, Output, run_compensation, run_stage
from provisioning.tenant_lookup import Source


def create_database(event: Event, context: LambdaContext) -> Output:
    """Lambda handler. Takes {job_id}, returns {name, host, port, secret_arn}."""
    return run_stage(
        Stage.CREATING_DATABASE,
        event,
        context,
        action=create,
        compensation=drop,
        failure=DatabaseCreationFailed,
        intent=Intent({"creates": "database"}, "intend_database", {"schema_version": tenant_schema.fingerprint()}),
    )


def drop_database(event: Event, context: LambdaContext) -> Output:
    """Lambda handler of "Drop tenant database". Takes {job_id}, returns what was removed."""
    stages = (Stage.CREATING_DATABASE, Stage.CREATING_SCHEMA)
    return run_compensation(stages, event, context, compensation=drop)


def create(attempt: Attempt) -> Output:
    """Creates the secret, the roles and the database, or takes them up where an earlier attempt of this job left them.

    Raises ResourceConflict when one of the names is taken by anything that this job did not create.
    """
    job, names = attempt.job, attempt.job.names
    source = _source(attempt)
    credentials = tenant_secret.ensure_credentials(job)
    verifier = scram_verifier(credentials.password)
    look = tenant_lookup.look(names, source)
    with looking_session(job.cluster, names.database, "find_tenant", **look) as (session, (_, there)):
        attempt.check()
        found = tenant_lookup.read_found(there)
        claimed = tenant_database.create(session, found, names, job.mark, source, verifier)
    output = {
        "name": names.database,
        "host": job.cluster.host,
        "port": job.cluster.port,
        "secret_arn": credentials.secret_arn,
    }
    entry = source.entry if claimed else None
    return attempt.succeed(output, "record_database", secret_arn=credentials.secret_arn, entry=entry)


def drop(rollback: Rollback) -> list[str]:
    """Drops the database and the roles, deletes the secret, and only then frees their names in the control plane."""
    job, names = rollback.job, rollback.job.names
    if Stage.CREATING_DATABASE not in rollback.intents:
        return []
    claimed = rollback.control.fetch_one("find_claimed_entry", job_id=job.job_id)
    with tenant_session(job.cluster, names.database) as session:
        removed = tenant_database.drop_database(session, names, job.mark)
        if claimed is not None:
            tenant_database.drop_pooled(session, claimed["database_name"])
    if tenant_secret.delete(job):
        removed.append(names.secret)
    rollback.control.execute("forget_database", project_id=job.project_id, job_id=job.job_id)
    return removed


def _source(attempt: Attempt) -> Source:
    """Returns what intend_database.sql chose for this job, once and for all its attempts."""
    if not attempt.declared["held"]:
        raise ResourceConflict(f"the name {attempt.job.names.database} is held by another job's database")
    return Source(attempt.declared["entry"], attempt.declared["template"])
