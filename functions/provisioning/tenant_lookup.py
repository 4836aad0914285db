"""What bears a tenant's names on a cluster, and whose it is: its comment says so, and nothing else does."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from psycopg2.extensions import cursor as Cursor  # noqa: N812

from provisioning import creator_roles, postgres
from provisioning.errors import ResourceConflict
from provisioning.naming import TenantNames

INVALID_DATABASE = -2
"""What datconnlimit is after an interrupted DROP DATABASE; such a database can only be dropped."""


class Found(NamedTuple):
    """A role or a database as it is on the cluster."""

    mark: str | None
    owner_role: str | None = None
    connection_limit: int = 0
    administrator: str | None = None
    """Who has created it, if it is a role."""


class Source(NamedTuple):
    """Where a database comes from: an entry of the pool, or else a template, or else from nothing."""

    entry: str | None = None
    template: str | None = None


def pool_mark(database: str) -> str:
    """What is written on a database of the pool, and on its roles, for as long as it has no tenant."""
    return f"provisioner pool={database}"


def pool_names(entry: str) -> TenantNames:
    """Returns the names of an entry of the pool and of the roles that were made with it."""
    return TenantNames(entry, f"{entry}_owner", f"{entry}_login")


def look(names: TenantNames, source: Source) -> dict[str, str | list[str]]:
    """Returns the parameters of find_tenant.sql: everything that bears these names or the entry's, and the creator of
    new roles, if we may become it.
    """
    looked_for = [names, *([pool_names(source.entry)] if source.entry is not None else [])]
    return {
        "databases": [one.database for one in looked_for],
        "roles": [role for one in looked_for for role in (one.owner_role, one.login_role)],
        "creator": creator_roles.creator_of(names.owner_role),
    }


def read_found(there: Mapping[str, Sequence[Any]]) -> dict[str, Found]:
    """Returns what find_tenant.sql found, by name."""
    return {name: Found(*facts) for name, facts in there.items()}


def find(cursor: Cursor, names: TenantNames) -> dict[str, Found]:
    """Returns what bears these names, by name. Raises psycopg2.Error."""
    cursor.execute(postgres.statement("find_tenant"), look(names, Source()))
    row = cursor.fetchone()
    return read_found(row[1]) if row else {}


def creator(found: Mapping[str, Found], names: TenantNames) -> str | None:
    """Returns who acts on a tenant's roles and its database: their creator, or None for the admin itself."""
    there = found.get(names.owner_role)
    if there is not None:
        return there.administrator if creator_roles.is_creator(there.administrator) else None
    new = creator_roles.creator_of(names.owner_role)
    return new if new in found else None


def existing(found: Mapping[str, Found], names: TenantNames, mark: str) -> Found | None:
    """Returns the database when it is there and ours: before it has a mark, its owner's mark is its own."""
    there = found.get(names.database)
    if there is not None and there.mark is None and there.owner_role == names.owner_role and names.owner_role in found:
        there = there._replace(mark=found[names.owner_role].mark)
    is_ours(there, names.database, mark)
    return there


def is_ours(found: Found | None, name: str, mark: str) -> bool:
    """Tells whether it is there. Raises ResourceConflict when it is and does not carry this mark."""
    if found is not None and found.mark != mark:
        raise ResourceConflict(f"{name} exists and was not created by this job")
    return found is not None


def all_names(names: TenantNames) -> tuple[str, str, str]:
    """Returns the names of the database and of both roles."""
    return names.database, names.owner_role, names.login_role


def find_role(cursor: Cursor, role: str) -> Found | None:
    """Returns the role, or None. Raises psycopg2.Error."""
    cursor.execute(postgres.statement("find_role"), {"role": role})
    row = cursor.fetchone()
    return Found(row[0]) if row else None
