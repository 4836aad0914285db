"""One secret per tenant: its credentials and its JWT secret, made with the tenant and never changed by a job.

The top level of the document is the format of AWS's own rotation functions: engine, host, port, dbname, username and
password. The tenant's anon and service_role JWTs are derived from the JWT secret when needed and never stored.
"""

from provisioning import configuration
from provisioning.aws import secrets
from provisioning.aws.documents import TENANT
from provisioning.aws.secrets import Secret
from provisioning.identity import Tenant

PASSWORD_BYTES = 32
JWT_SECRET_BYTES = 48


def ensure_credentials(tenant: Tenant) -> Secret:
    """Create the tenant's secret with a random password, or return the one that an earlier attempt has created."""
    from secrets import token_urlsafe

    document = {
        "engine": "postgres",
        "host": tenant.cluster.host,
        "port": tenant.cluster.port,
        "dbname": tenant.names.database,
        "username": tenant.names.login_role,
        "password": token_urlsafe(PASSWORD_BYTES),
        "jwt_secret": token_urlsafe(JWT_SECRET_BYTES),
    }
    description = "The credentials of a tenant database. Made by Provisioner."
    return secrets.create(tenant.names.secret, document, form=TENANT, description=description, tags=tags(tenant))


def tags(tenant: Tenant) -> dict[str, str]:
    """Return the tags of a tenant's secrets: the tenant, and the stack that made them."""
    return {"tenant_id": tenant.tenant_id, "stack": configuration.optional("STACK_NAME", "local")}
