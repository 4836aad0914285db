"""The tenant schema with its permissions, in one transaction.

There is no compensation of its own: the schema goes with the database, in "Drop tenant database".
"""

from provisioning import queries
from provisioning.aws import secrets
from provisioning.errors import SchemaCreationFailed
from provisioning.ledger.attempt import Attempt
from provisioning.ledger.runner import Event, LambdaContext, Output, run_stage
from provisioning.stage import Stage
from provisioning.tenant import making

QUERIES = queries.load(__file__)


def create_schema(event: Event, context: LambdaContext) -> Output:
    """Lambda handler. Takes {job_id, tenant_id}, returns {schema, version, extensions}."""
    return run_stage(Stage.CREATING_SCHEMA, event, context, action=create, failure=SchemaCreationFailed)


def create(attempt: Attempt) -> Output:
    """Bring the tenant's database to the newest schema version; at that version already, change nothing.

    A tenant of the pool was made with its schema, and there is nothing left to do in it.
    """
    tenant = attempt.job.tenant
    prepared = tenant.prepared
    if prepared is None:
        prepared = making.make_schema(tenant, secrets.read(str(tenant.secret_arn)))
    return attempt.succeed(prepared, QUERIES["record_schema"], version=prepared["version"], prepared=prepared)
