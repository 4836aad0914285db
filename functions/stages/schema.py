"""The schemas of a tenant with their permissions: the platform's part, extensions, and the files of tenant_schema/.

It needs no compensation: the schema is dropped with the database, in "Drop tenant database".
"""

from provisioning import queries
from provisioning.aws import secrets
from provisioning.aws.documents import CREDENTIALS
from provisioning.errors import SchemaCreationFailed
from provisioning.handler import handler
from provisioning.ledger.attempt import Attempt
from provisioning.ledger.runner import Event, LambdaContext, Output, run_stage
from provisioning.needs import Need
from provisioning.stage import Stage
from provisioning.tenant import making

QUERIES = queries.load(__file__)


@handler(Need.CLUSTERS, Need.TENANT_SECRETS)
def create_schema(event: Event, context: LambdaContext) -> Output:
    """Lambda handler. Take {job_id, tenant_id} and return {schema, version, extensions}."""
    return run_stage(Stage.CREATING_SCHEMA, event, context, action=create, failure=SchemaCreationFailed)


def create(attempt: Attempt) -> Output:
    """Bring the tenant's database to the newest schema version; idempotent.

    A tenant from the pool already has its schema, so nothing is left to do.
    """
    tenant = attempt.job.tenant
    prepared = tenant.prepared
    if prepared is None:
        prepared = making.make_schema(tenant, secrets.read_recorded(tenant.recorded_secret, CREDENTIALS))
    return attempt.succeed(prepared, QUERIES["record_schema"], version=prepared["version"], prepared=prepared)
