"""The condition of tenants: what exists of each on its cluster, whether its login may use it, and its secret."""

from collections.abc import Sequence
from typing import NamedTuple

from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from provisioning import queries
from provisioning.aws import secrets
from provisioning.cluster import creators
from provisioning.cluster import session as sessions
from provisioning.errors import Misconfigured
from provisioning.identity import Tenant, TenantNames

QUERIES = queries.load(__file__)
MISSING = "no secret"


class Condition(NamedTuple):
    """What exists of a tenant on its cluster, found by its names, and whether its login may use it."""

    tenant_id: str
    connection_limit: int | None
    """None: there is no database."""
    allows_connections: bool | None
    has_owner: bool
    has_login: bool
    can_log_in: bool
    may_connect: bool
    """Whether the login has the privilege to connect to the database."""
    acts_as_owner: bool
    let_in: list[str]
    """Everybody with that privilege except for the admin, each quoted for a statement."""
    administrator: str | None
    """The creator of its roles."""

    @property
    def missing(self) -> list[str]:
        """What does not exist. A database whose removal was interrupted can only be dropped."""
        exist = {
            "database": self.connection_limit is not None and self.connection_limit != -2,
            "owner role": self.has_owner,
            "login role": self.has_login,
        }
        return [name for name, there in exist.items() if not there]

    @property
    def closed(self) -> list[str]:
        """Why the tenant's login cannot use the database, apart from what is missing."""
        reasons: dict[str, bool] = {}
        if "database" not in self.missing:
            reasons["the database allows no connections"] = not self.allows_connections
            reasons["the database's connection limit is 0"] = self.connection_limit == 0
        if self.has_login:
            reasons["its login cannot log in"] = not self.can_log_in
        if not self.missing:
            reasons["its login may not connect"] = not self.may_connect
            reasons["its login is no member of the owner role"] = not self.acts_as_owner
        return [reason for reason, applies in reasons.items() if applies]


def of_tenants(session: Connection, tenant_ids: Sequence[str]) -> dict[str, Condition]:
    """Return the condition of each tenant, by its id, in one round trip. Raise psycopg2.Error."""
    names = [TenantNames(tenant_id) for tenant_id in tenant_ids]
    lists = {
        "tenant_ids": [one.tenant_id for one in names],
        "databases": [one.database for one in names],
        "owners": [one.owner_role for one in names],
        "logins": [one.login_role for one in names],
    }
    arrays = {name: sql.SQL("{}::text[]").format(sql.Literal(found)) for name, found in lists.items()}
    return {
        one.tenant_id: one
        for one in sessions.fetch(session, Condition, QUERIES["find_conditions"], keeper=creators.KEEPER, **arrays)
    }


def of_secret(tenant: Tenant) -> str:
    """Return what is wrong with the tenant's secret; empty if it has the credentials of the tenant's login.

    Raise InsufficientPermissions if reading it is refused, and SecretsUnavailable if a retry may help.
    """
    try:
        document = secrets.read_if_exists(tenant.secret_arn or tenant.names.secret)
    except Misconfigured:
        # A secret that somebody has deleted exists for some days and cannot be read (API reference, DeleteSecret).
        found = secrets.describe(tenant.names.secret)
        is_leaving = found is not None and found.get("DeletedDate") is not None
        return "its secret is scheduled for deletion" if is_leaving else "its secret is of another form"
    if document is None:
        return MISSING
    own = (tenant.names.database, tenant.names.login_role)
    if (document.get("dbname"), document.get("username")) != own or not document.get("password"):
        return "its secret does not have its credentials"
    return ""
