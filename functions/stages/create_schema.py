"""Stage 3: the tenant schema with its permissions, in one transaction.

There is no compensation of its own: the schema goes with the database, in "Drop tenant database".
"""

from provisioning import cluster, tenant_extensions, tenant_schema
from provisioning.errors import SchemaCreationFailed
from provisioning.ledger import Attempt
from provisioning.observability import logger
from provisioning.stage import Stage
from provisioning.stage_runner import Event, LambdaContext, Output, run_stage


def create_schema(event: Event, context: LambdaContext) -> Output:
    """Lambda handler. Takes {job_id}, returns {schema, version, extensions}."""
    return run_stage(
        Stage.CREATING_SCHEMA, event, context, action=create, compensation=None, failure=SchemaCreationFailed
    )


def create(attempt: Attempt) -> Output:
    """Brings the tenant database to the newest schema version; at that version already, changes nothing."""
    job = attempt.job
    attempt.declare(schema=tenant_schema.SCHEMA, version=tenant_schema.newest_version())
    connection = cluster.connect(job.cluster, dbname=job.names.database)
    try:
        cluster.hold(connection, job.names.database)
        attempt.check()
        version = tenant_schema.upgrade(connection, job.names)
        extensions = tenant_extensions.found(connection)
    finally:
        connection.close()
    if extensions.skipped:
        logger().info(
            "extensions that this server does not have or lets its admin not make", skipped=extensions.skipped
        )
    with attempt.control.transaction():
        attempt.control.execute("record_schema", project_id=job.project_id, job_id=job.job_id, version=version)
        return attempt.succeed(
            {
                "schema": tenant_schema.SCHEMA,
                "version": version,
                "extensions": {"installed": extensions.installed, "skipped": extensions.skipped},
            }
        )
