"""One way to make a tenant: its secret, roles, database and schema, as steps that can each be repeated.

A job makes its own tenant this way, and the refill of a pool makes tenants early. Nothing is adopted by its looks: an
object whose name contains a random tenant_id was made for that tenant, and the register says for whom.
"""

from collections.abc import Callable
from contextlib import closing
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from provisioning import postgres, queries
from provisioning.aws.secrets import Secret
from provisioning.cluster import creators, register
from provisioning.cluster import session as sessions
from provisioning.cluster.register import Found, Holder
from provisioning.errors import JobClosed
from provisioning.identity import Tenant, TenantNames
from provisioning.queries import Query
from provisioning.tenant import extensions, schema
from provisioning.tenant import secret as tenant_secret

CONNECTION_LIMIT = 60
STATEMENT_TIMEOUT = "60s"
IDLE_IN_TRANSACTION_TIMEOUT = "60s"
QUERIES = queries.load(__file__, "tenant.sql")


class HeldByAnother(Exception):
    """The register gives this tenant to another job or control plane: it is never used and never removed."""


def claim(tenant: Tenant, holder: Holder) -> bool:
    """Claim a ready tenant for its holder, and return whether its database exists. One round trip.

    Raise HeldByAnother, JobClosed when the tenant is being removed, and psycopg2.Error.
    """
    _, found = sessions.on(tenant.cluster, lambda session: register.claim(session, tenant.names, holder))
    _refuse_foreign(found, holder)
    return found.database_exists


def make_database(tenant: Tenant, holder: Holder, check: Callable[[], None]) -> Secret:
    """Make what earlier attempts have not made of the secret, the roles and the database, and return the secret.

    `check` runs once the tenant's lock is held, and raises if the attempt is superseded. Raise HeldByAnother,
    JobClosed, SecretsUnavailable and psycopg2.Error.
    """
    from provisioning.tenant.scram import scram_verifier

    session, _ = sessions.on(tenant.cluster, lambda session: register.lock(session, tenant.names))
    try:
        check()
        found = register.claim(session, tenant.names, holder)
        _refuse_foreign(found, holder)
        secret = tenant_secret.ensure_credentials(tenant)
        _make(session, tenant.names, found, scram_verifier(secret.document["password"]))
        sessions.release(session)
    except BaseException:
        # The session may still be acting as a creator.
        session.close()
        raise
    return secret


def make_schema(tenant: Tenant, document: dict[str, Any]) -> dict[str, Any]:
    """Bring the database to the newest schema version with its extensions, and return both with its locale.

    It uses the tenant's own login, whose credentials the document holds, and so proves that they work. Raise
    psycopg2.Error.
    """
    with closing(schema.connect(document)) as connection:
        reached = schema.prepare(connection)
        # The files may use the types of extensions.
        found = extensions.ensure(connection, tenant.cluster, tenant.names.database)
        version = schema.upgrade(connection, reached)
    made = {"installed": found.installed, "skipped": found.skipped}
    return {"schema": schema.SCHEMA, "version": version, "locale": found.locale, "extensions": made}


def _refuse_foreign(found: Found, holder: Holder) -> None:
    if found.is_ours:
        return
    if found.holder == holder.job_id:
        raise JobClosed("the tenant is being removed")
    raise HeldByAnother


def _make(session: Connection, names: TenantNames, found: Found, verifier: str) -> None:
    creator, existing = creators.of_role(found.administrator), found.roles
    if len(existing) == 1 and creator is None and session.server_version >= creators.SINCE:
        # Of two roles that we made somebody may have dropped one, but none of our creators has made this one.
        existing = []
    if not existing:
        creator = creators.for_new_tenant(session, found.free_creator)
    made = {names.owner_role: QUERIES["make_owner_role"], names.login_role: QUERIES["make_login_role"]}
    roles = [*(query for role, query in made.items() if role not in existing), QUERIES["join_roles"]]
    if found.has_keeper and session.server_version < creators.SINCE:
        roles.append(QUERIES["give_to_keeper"])
    counted = sql.SQL("") if existing else creators.taken(creator)
    with session.cursor() as cursor:
        cursor.execute(sql.Composed([counted, creators.becoming(creator), composed(names, *roles, verifier=verifier)]))
        # Neither runs in a transaction, so each is a round trip of its own.
        if found.database_is_invalid:
            cursor.execute(composed(names, QUERIES["drop_database"]))
        if not found.database_exists:
            cursor.execute(composed(names, QUERIES[_creation(session.server_version, found)], ctype=found.ctype or "C"))
        opened = composed(names, QUERIES["open_database"], QUERIES["leave_roles"])
        cursor.execute(sql.Composed([opened, creators.ADMIN_AGAIN]))


def _creation(server_version: int, found: Found) -> str:
    if server_version >= 170000:
        return "make_database"
    if found.ctype is not None:
        return "make_database_before_17"
    return "make_database_with_icu" if found.has_icu else "make_database_with_c"


def composed(names: TenantNames, *sent: Query, **values: object) -> sql.Composed:
    """Return queries of tenant.sql with a tenant's names in them, as identifiers and, for catalogs, as literals."""
    for name in ("database", "owner_role", "login_role"):
        values |= {name: sql.Identifier(getattr(names, name)), f"{name}_name": getattr(names, name)}
    return postgres.composed(
        *sent,
        shared_roles=creators.shared_roles(),
        keeper=sql.Identifier(creators.KEEPER),
        connection_limit=CONNECTION_LIMIT,
        statement_timeout=STATEMENT_TIMEOUT,
        idle_in_transaction_timeout=IDLE_IN_TRANSACTION_TIMEOUT,
        **values,
    )
