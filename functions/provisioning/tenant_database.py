"""The tenant's roles and database: created under a mark of ownership, dropped only where that mark is found.

The mark is a comment that names project and job. Roles get it in the transaction that creates them. A database cannot
(CREATE DATABASE runs in no transaction), so between its creation and its comment its owner, a marked role, is its mark.
"""

import contextlib
from collections.abc import Mapping, Sequence

from psycopg2 import errors, sql
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from provisioning import postgres
from provisioning.cluster import SHARED_ROLES
from provisioning.creator_roles import acting
from provisioning.errors import ResourceConflict
from provisioning.naming import TenantNames
from provisioning.tenant_lookup import (
    INVALID_DATABASE,
    Found,
    Source,
    all_names,
    creator,
    existing,
    find,
    find_role,
    is_ours,
    pool_mark,
    pool_names,
)

CONNECTION_LIMIT = 60
STATEMENT_TIMEOUT = "60s"
IDLE_IN_TRANSACTION_TIMEOUT = "60s"


def create(
    session: Connection, found: Mapping[str, Found], names: TenantNames, mark: str, source: Source, verifier: str
) -> bool:
    """Makes the roles and the database, or takes up what an earlier attempt left, and tells whether it was claimed.

    Raises ResourceConflict when one of the names is taken by anything that does not carry this mark.
    """
    is_ours(found.get(names.owner_role), names.owner_role, mark)
    is_ours(found.get(names.login_role), names.login_role, mark)
    existing(found, names, mark)
    if source.entry is not None and claim(session, found, names, mark, source.entry, verifier):
        return True
    create_roles(session, names, mark, verifier, found)
    create_database(session, names, mark, source, found)
    return False


def claim(
    session: Connection, found: Mapping[str, Found], names: TenantNames, mark: str, entry: str, verifier: str
) -> bool:
    """Makes an entry of the pool the tenant's and tells whether it did. One transaction and one round trip.

    Names, marks, password and privileges change together or not at all. An entry that cannot become this tenant's, for
    an earlier attempt has begun otherwise, is dropped.
    """
    pooled = pool_names(entry)
    usable = found.get(entry) is not None and found[entry].connection_limit != INVALID_DATABASE
    whole = all(name in found and found[name].mark == pool_mark(entry) for name in all_names(pooled))
    if not (usable and whole) or any(name in found for name in all_names(names)):
        drop_pooled(session, entry)
        return False
    with session.cursor() as cursor:
        _run(
            cursor,
            ("take_over_database", "open_login", "open_database"),
            names,
            actor=creator(found, pooled),
            entry=sql.Identifier(entry),
            entry_owner=sql.Identifier(pooled.owner_role),
            entry_login=sql.Identifier(pooled.login_role),
            mark=sql.Literal(mark),
            verifier=sql.Literal(verifier),
        )
    return True


def create_roles(
    session: Connection, names: TenantNames, mark: str, verifier: str | None, found: Mapping[str, Found] | None = None
) -> None:
    """Creates the owner role and the login role in one transaction and one round trip; with this mark on them already,
    only the login's password is set anew. Without a verifier the login cannot log in.

    Raises ResourceConflict when a role of that name carries another mark.
    """
    with session.cursor() as cursor:
        there = found if found is not None else find(cursor, names)
        missing = [role for role in (names.owner_role, names.login_role) if not is_ours(there.get(role), role, mark)]
        made = [
            sql.SQL(postgres.statement("create_role")).format(role=sql.Identifier(role), mark=sql.Literal(mark))
            for role in missing
        ]
        opened = ("open_login",) if verifier is not None else ()
        joined = _composed(("join_roles", *opened), names, verifier=sql.Literal(verifier))
        cursor.execute(sql.Composed([acting(creator(there, names)), *made, joined]))


def create_database(
    session: Connection, names: TenantNames, mark: str, source: Source, found: Mapping[str, Found] | None = None
) -> None:
    """Creates the database, shut to everyone but its login role, and opens it once its privileges are set.

    A database that carries this mark is taken up where an earlier attempt left it. Raises ResourceConflict when the
    name is taken by anything else.
    """
    with session.cursor() as cursor:
        found = found if found is not None else find(cursor, names)
        there = existing(found, names, mark)
        if there is not None and there.connection_limit == INVALID_DATABASE:
            cursor.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(names.database)))
            there = None
        if there is None:
            try:
                _create(cursor, names, source.template)
            except (errors.DuplicateDatabase, errors.UniqueViolation):
                existing(find(cursor, names), names, mark)
        _run(cursor, ("grant_database", "open_database"), names, actor=creator(found, names), mark=sql.Literal(mark))


def grant_database(session: Connection, names: TenantNames) -> None:
    """Gives the login of a pool's entry its rights and settings in the database, which stay as both are renamed."""
    with session.cursor() as cursor:
        _run(cursor, ("grant_database",), names, actor=creator(find(cursor, names), names))


def drop_pooled(session: Connection, database: str) -> None:
    """Drops a database of the pool that carries the pool's mark, or that its maker had no time to mark, and its roles.

    A name of the pool is written down before its database is made, and 122 bits of it are random: what bears it, and
    belongs to the admin or to the role that was made for it, is the pool's.
    """
    with session.cursor() as cursor:
        cursor.execute(postgres.statement("find_database"), {"database": database})
        row = cursor.fetchone()
        cursor.execute("SELECT current_user::text")
        admin, owner = cursor.fetchone() or (), pool_names(database).owner_role
        if row is not None and (row[0] == pool_mark(database) or (row[0] is None and row[1] in {*admin, owner})):
            _drop(cursor, database)
        pooled = pool_names(database)
        for role in (pooled.login_role, pooled.owner_role):
            if find_role(cursor, role) == Found(pool_mark(database)):
                cursor.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


def drop_database(session: Connection, names: TenantNames, mark: str) -> list[str]:
    """Drops the database and the roles that carry this mark, with whatever sessions they have, and names them.

    What is gone already counts as done; what carries another mark, or none, is left untouched.
    """
    removed = []
    with session.cursor() as cursor:
        try:
            found = existing(find(cursor, names), names, mark)
        except ResourceConflict:
            found = None
        if found is not None:
            if found.connection_limit != INVALID_DATABASE:
                _run(cursor, ("close_database",), names)
            _drop_replication_slots(cursor, names.database)
            _drop(cursor, names.database)
            removed.append(names.database)
        for role in (names.login_role, names.owner_role):
            if find_role(cursor, role) == Found(mark):
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


def _run(
    cursor: Cursor, statements: Sequence[str], names: TenantNames, *, actor: str | None = None, **values: sql.Composable
) -> None:
    cursor.execute(sql.Composed([acting(actor), _composed(statements, names, **values)]))


def _composed(statements: Sequence[str], names: TenantNames, **values: sql.Composable) -> sql.Composed:
    return sql.SQL(postgres.statement(*statements)).format(
        database=sql.Identifier(names.database),
        owner=sql.Identifier(names.owner_role),
        login=sql.Identifier(names.login_role),
        connection_limit=sql.Literal(CONNECTION_LIMIT),
        statement_timeout=sql.Literal(STATEMENT_TIMEOUT),
        idle_in_transaction_timeout=sql.Literal(IDLE_IN_TRANSACTION_TIMEOUT),
        shared_roles=sql.SQL(", ").join(map(sql.Identifier, SHARED_ROLES)),
        **values,
    )
