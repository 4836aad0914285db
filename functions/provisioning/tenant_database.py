"""The tenant's roles and database: created under a mark of ownership, dropped only where that mark is found.

The mark is a comment that names project and job. Roles get it in the transaction that creates them. A database cannot
(CREATE DATABASE runs in no transaction), so between its creation and its comment its owner, a marked role, is its mark.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from psycopg2 import errors, sql
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from provisioning import postgres
from provisioning.cluster import SHARED_ROLES
from provisioning.errors import ResourceConflict
from provisioning.naming import TenantNames

CONNECTION_LIMIT = 60
STATEMENT_TIMEOUT = "60s"
IDLE_IN_TRANSACTION_TIMEOUT = "60s"
INVALID_DATABASE = -2
"""What datconnlimit is after an interrupted DROP DATABASE; such a database can only be dropped."""


@dataclass(frozen=True)
class _Found:
    mark: str | None
    owner_role: str | None = None
    connection_limit: int = 0


def create_roles(session: Connection, names: TenantNames, mark: str, verifier: str) -> None:
    """Creates the owner role and the login role in one transaction; with this mark on them already, only the
    login's password is set anew. Raises ResourceConflict when a role of that name carries another mark.
    """
    with session, session.cursor() as cursor:
        for role in (names.owner_role, names.login_role):
            if _is_ours(_find_role(cursor, role), role, mark):
                continue
            cursor.execute(sql.SQL("CREATE ROLE {} NOLOGIN NOINHERIT").format(sql.Identifier(role)))
            cursor.execute(sql.SQL("COMMENT ON ROLE {} IS {}").format(sql.Identifier(role), sql.Literal(mark)))
        _run(cursor, ("create_roles",), names, verifier=sql.Literal(verifier))


@dataclass(frozen=True)
class Source:
    """Where a database comes from: an entry of the pool, or else a template, or else from nothing."""

    entry: str | None = None
    template: str | None = None


def pool_mark(database: str) -> str:
    """What is written on a database of the pool for as long as it has no tenant."""
    return f"provisioner pool={database}"


def create_database(session: Connection, names: TenantNames, mark: str, source: Source) -> None:
    """Creates the database, shut to everyone but its login role, and opens it once its privileges are set.

    A database that carries this mark is taken up where an earlier attempt left it. An entry of the pool becomes the
    tenant's in one transaction and one round trip: name, owner, mark and privileges change together or not at all.
    Raises ResourceConflict when the name is taken by anything else.
    """
    with session.cursor() as cursor:
        found = _find_database(cursor, names, mark)
        if found is not None and found.connection_limit == INVALID_DATABASE:
            cursor.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(names.database)))
            found = None
        if found is None and source.entry is not None and is_pooled(cursor, source.entry):
            taken = {"entry": sql.Identifier(source.entry), "mark": sql.Literal(mark)}
            _run(cursor, ("take_over_database", "open_database"), names, **taken)
            return
        if found is None:
            try:
                _create(cursor, names, source.template)
            except (errors.DuplicateDatabase, errors.UniqueViolation):
                _find_database(cursor, names, mark)
    with session, session.cursor() as cursor:
        _run(cursor, ("open_database",), names, mark=sql.Literal(mark))


def is_pooled(cursor: Cursor, database: str) -> bool:
    """Tells whether there is a usable database of the pool by that name."""
    cursor.execute(postgres.statement("find_database"), {"database": database})
    row = cursor.fetchone()
    return row is not None and row[0] == pool_mark(database) and row[2] != INVALID_DATABASE


def drop_pooled(session: Connection, database: str) -> None:
    """Drops a database of the pool that carries the pool's mark, or that its maker had no time to mark.

    A name of the pool is written down before its database is made, and 122 bits of it are random: what bears it, and
    belongs to the admin, is the pool's.
    """
    with session.cursor() as cursor:
        cursor.execute(postgres.statement("find_database"), {"database": database})
        row = cursor.fetchone()
        cursor.execute("SELECT current_user::text")
        admin = cursor.fetchone()
        if row is not None and (row[0] == pool_mark(database) or (row[0] is None and (row[1],) == admin)):
            _drop(cursor, database)


def drop_database(session: Connection, names: TenantNames, mark: str) -> list[str]:
    """Drops the database and the roles that carry this mark, with whatever sessions they have, and names them.

    What is gone already counts as done; what carries another mark, or none, is left untouched.
    """
    removed = []
    with session.cursor() as cursor:
        try:
            found = _find_database(cursor, names, mark)
        except ResourceConflict:
            found = None
        if found is not None:
            if found.connection_limit != INVALID_DATABASE:
                _run(cursor, ("close_database",), names)
            _drop_replication_slots(cursor, names.database)
            _drop(cursor, names.database)
            removed.append(names.database)
        for role in (names.login_role, names.owner_role):
            if _find_role(cursor, role) == _Found(mark):
                cursor.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))
                removed.append(role)
    return removed


def _create(cursor: Cursor, names: TenantNames, template: str | None) -> None:
    if template is not None:
        # One that is gone by now was of an older schema version, and its successor is not ready.
        with contextlib.suppress(errors.InvalidCatalogName):
            _run(cursor, ("clone_database",), names, template=sql.Identifier(template))
            return
    _run(cursor, (creation_statement(cursor.connection),), names)


def creation_statement(session: Connection) -> str:
    """Returns the name of the statement that makes an empty database on this server."""
    # The builtin provider came with PostgreSQL 17; before it, C is the one locale that every server has.
    return "create_database" if session.server_version >= 170000 else "create_database_before_17"


def _find_role(cursor: Cursor, role: str) -> _Found | None:
    cursor.execute(postgres.statement("find_role"), {"role": role})
    row = cursor.fetchone()
    return _Found(row[0]) if row else None


def _find_database(cursor: Cursor, names: TenantNames, mark: str) -> _Found | None:
    cursor.execute(postgres.statement("find_database"), {"database": names.database})
    row = cursor.fetchone()
    if row is None:
        return None
    found = _Found(*row)
    if found.mark is None and found.owner_role == names.owner_role:
        found = _Found(getattr(_find_role(cursor, names.owner_role), "mark", None), *row[1:])
    _is_ours(found, names.database, mark)
    return found


def _drop(cursor: Cursor, database: str) -> None:
    """Drops the database with whatever sessions it has.

    FORCE refuses when an autovacuum worker is at work there and our role has no pg_signal_backend (42501, seen on
    PostgreSQL 18); DROP DATABASE without FORCE ends such workers itself, and nobody else (CountOtherDBBackends in
    PostgreSQL's procarray.c).
    """
    identifier = sql.Identifier(database)
    try:
        cursor.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(identifier))
    except errors.InsufficientPrivilege:
        cursor.execute(postgres.statement("end_sessions"), {"database": database})
        cursor.execute(sql.SQL("DROP DATABASE {}").format(identifier))


def _drop_replication_slots(cursor: Cursor, database: str) -> None:
    """Drops the slots of this database, each by its exact name: FORCE ends sessions, and an active slot still blocks.

    Realtime's own removal looks for slots by a pattern, and names of slots are the whole cluster's; the database of a
    slot is what proves whose it is. Needs a role with REPLICATION when there is a slot (rds_replication on RDS).
    """
    cursor.execute(postgres.statement("find_replication_slots"), {"database": database})
    for (slot,) in cursor.fetchall():
        cursor.execute(postgres.statement("end_replication"), {"database": database, "slot": slot})
        cursor.execute(postgres.statement("drop_replication_slot"), {"database": database, "slot": slot})


def _is_ours(found: _Found | None, name: str, mark: str) -> bool:
    if found is not None and found.mark != mark:
        raise ResourceConflict(f"{name} exists and was not created by this job")
    return found is not None


def _run(cursor: Cursor, statements: Sequence[str], names: TenantNames, **values: sql.Composable) -> None:
    composed = sql.SQL("".join(map(postgres.statement, statements))).format(
        database=sql.Identifier(names.database),
        owner=sql.Identifier(names.owner_role),
        login=sql.Identifier(names.login_role),
        connection_limit=sql.Literal(CONNECTION_LIMIT),
        statement_timeout=sql.Literal(STATEMENT_TIMEOUT),
        idle_in_transaction_timeout=sql.Literal(IDLE_IN_TRANSACTION_TIMEOUT),
        shared_roles=sql.SQL(", ").join(map(sql.Identifier, SHARED_ROLES)),
        **values,
    )
    cursor.execute(composed)
