"""Stage 3: the tenant schema with its permissions, in one transaction.

There is no compensation of its own: the schema goes with the database, in "Drop tenant database".
"""

from provisioning import cluster, tenant_schema
from provisioning.errors import SchemaCreationFailed
from provisioning.ledger import Attempt, Intent
from provisioning.stage import Stage
from provisioning.stage_runner import Event, LambdaContext, Output, run_stage


def create_schema(event: Event, context: LambdaContext) -> Output:
    """Lambda handler. Takes {job_id}, returns {schema, version, extensions}."""
    return run_stage(
        Stage.CREATING_SCHEMA,
        event,
        context,
        action=create,
        compensation=None,
        failure=SchemaCreationFailed,
        intent=Intent({"schema": tenant_schema.SCHEMA, "version": tenant_schema.newest_version()}),
    )


def create(attempt: Attempt) -> Output:
    """Brings the tenant database to the newest schema version; at that version already, changes nothing.

    A database of the pool was made with its schema, and there is nothing left to do in it.
    """
    job = attempt.job
    if job.prepared is not None:
        return attempt.succeed(job.prepared, "record_schema", version=job.prepared["version"])
    connection = cluster.connect(job.cluster, dbname=job.names.database)
    try:
        cluster.hold(connection, job.names.database)
        attempt.check()
        output = tenant_schema.complete(connection, job.names)
    finally:
        connection.close()
    return attempt.succeed(output, "record_schema", version=output["version"])
