"""The tenant's roles and database: created under a mark of ownership, dropped only where that mark is found.

The mark is a comment that names project and job. Roles get it in the transaction that creates them. A database cannot
(CREATE DATABASE runs in no transaction), so between its creation and its comment its owner, a marked role, is its mark.
"""

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
        _run(cursor, "create_roles", names, verifier=sql.Literal(verifier))


def create_database(session: Connection, names: TenantNames, mark: str) -> None:
    """Creates the database, shut to everyone but its login role, and opens it once its privileges are set.

    A database that carries this mark is taken up where an earlier attempt left it. Raises ResourceConflict when the
    name is taken by anything else.
    """
    with session.cursor() as cursor:
        found = _find_database(cursor, names, mark)
        if found is not None and found.connection_limit == INVALID_DATABASE:
            cursor.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(names.database)))
            found = None
        if found is None:
            try:
                _run(cursor, _creation_statement(session), names)
            except (errors.DuplicateDatabase, errors.UniqueViolation):
                _find_database(cursor, names, mark)
    with session, session.cursor() as cursor:
        _run(cursor, "open_database", names, mark=sql.Literal(mark))


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
                _run(cursor, "close_database", names)
            _drop_replication_slots(cursor, names.database)
            cursor.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(names.database)))
            removed.append(names.database)
        for role in (names.login_role, names.owner_role):
            if _find_role(cursor, role) == _Found(mark):
                cursor.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))
                removed.append(role)
    return removed


def _creation_statement(session: Connection) -> str:
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


def _run(cursor: Cursor, name: str, names: TenantNames, **values: sql.Composable) -> None:
    composed = sql.SQL(postgres.statement(name)).format(
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
