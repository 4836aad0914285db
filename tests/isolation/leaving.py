"""A tenant that is being removed, and what hostile tenants say about it."""

from typing import Any

from psycopg2 import sql

from local.bootstrap import ADMIN
from local.stack import Stack
from provisioning.identity import TenantNames
from tests.executions.running import execute
from tests.stages.jobs import StagedJob

PRIVILEGES = """
    SELECT relname::text, coalesce(relacl, acldefault('r', relowner))::text
    FROM pg_class WHERE relnamespace = 'tenant'::regnamespace
    UNION ALL SELECT attrelid::regclass || '.' || attname, attacl::text FROM pg_attribute WHERE attacl IS NOT NULL
    UNION ALL SELECT nspname, nspacl::text FROM pg_namespace WHERE nspname !~ '^pg_(temp|toast)'
    UNION ALL SELECT polname, polroles::regrole[]::text FROM pg_policy
    UNION ALL SELECT defaclobjtype::text, defaclacl::text FROM pg_default_acl
    UNION ALL SELECT oid::text, lomacl::text FROM pg_largeobject_metadata
    UNION ALL
    SELECT datname, concat_ws(' ', pg_get_userbyid(datdba), datacl, datallowconn, datconnlimit, datistemplate)
    FROM pg_database WHERE datname = current_database()
    ORDER BY 1, 2
"""
ROLES = """
    SELECT rolname::text, rolcanlogin, rolpassword IS NOT NULL, ARRAY(
               SELECT roleid::regrole::text FROM pg_auth_members WHERE member = pg_authid.oid)
    FROM pg_authid WHERE rolname IN ({owner}, {login}) ORDER BY rolname
"""
"""Those that are left: whether they can log in, whether they have a password, and what they are members of."""


def naming(statement: str, own: TenantNames, other: TenantNames, accomplice: TenantNames | None = None) -> sql.Composed:
    """A statement with the names of its own tenant and of the one that is being removed in it."""
    named = {
        "own": own.database,
        "own_login": own.login_role,
        "database": other.database,
        "login": other.login_role,
        "owner": other.owner_role,
        "admin": ADMIN,
        "accomplice": (accomplice or own).login_role,
    }
    return sql.SQL(statement).format(**{name: sql.Identifier(value) for name, value in named.items()})


def privileges(stack: Stack, names: TenantNames) -> list[tuple[Any, ...]]:
    """Every privilege, policy and limit of a tenant's database, as its superuser sees them."""
    return execute(stack, PRIVILEGES, names.database)


def left_of(stack: Stack, job: StagedJob) -> list[tuple[Any, ...]]:
    """What is left of a tenant's roles."""
    asked = sql.SQL(ROLES).format(owner=sql.Literal(job.names.owner_role), login=sql.Literal(job.names.login_role))
    return execute(stack, asked)
