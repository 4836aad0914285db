"""What an export finds in a tenant's database, in the snapshot that pg_dump gets: its tables, rows and extensions.

Nothing here runs code of the tenant: the queries read with the server's own functions only, and where a policy would
hide a row they fail.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from psycopg2 import errors, sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from provisioning import postgres, queries
from provisioning.cluster import acting
from provisioning.cluster import session as sessions
from provisioning.errors import ExportFailed, ExportRefused
from provisioning.identity import TenantNames

QUERIES = queries.load(__file__)
PATIENCE = "5s"
"""How long a lock on a table may keep the export from locking all of them."""

NAMED_AT_MOST = 3


class Snapshot(NamedTuple):
    """The state of a database that is exported."""

    snapshot: str
    """Its name for other sessions, while the session that has exported it stays in its transaction."""
    taken_at: str
    server_version: str
    bytes: int
    locale: dict[str, str]


class LeftOut(NamedTuple):
    """A schema that is not exported, and the role that owns it."""

    schema: str
    owner: str


class Table(NamedTuple):
    """A table that is exported."""

    schema: str
    name: str
    is_forced: bool
    """Whether row level security applies to its owner, too."""
    is_foreign: bool
    """Whether another role owns it, and the tenant's owner may not read all of it."""

    @property
    def identifier(self) -> sql.Identifier:
        return sql.Identifier(self.schema, self.name)


class Rows(NamedTuple):
    """The number of a table's rows, and a checksum of them that does not depend on their order."""

    rows: int
    checksum: str


class _Named(NamedTuple):
    extensions: list[dict[str, str]]
    roles: list[str]


def look(session: Connection, names: TenantNames, of_services: Sequence[str]) -> "Contents":
    """Begin the snapshot and, as the tenant's owner, look at what is in it.

    `of_services` are the schemas that services make for themselves. Raise ExportRefused, naming tables, if the tenant's
    owner cannot read all rows of one; and psycopg2.Error.
    """
    roles = {"owner_role_name": names.owner_role, "login_role_name": names.login_role}
    session.set_session(isolation_level="REPEATABLE READ", readonly=True, autocommit=False)
    (snapshot,) = sessions.fetch(session, Snapshot, QUERIES["record_settings"], QUERIES["find_snapshot"])
    acting.send(session, acting.as_role(names.owner_role))
    foreign = sessions.fetch(session, LeftOut, QUERIES["find_foreign_schemas"], **roles)
    own = sessions.fetch(session, LeftOut, QUERIES["find_existing_schemas"], schemas=_array(of_services))
    left_out = sorted({*foreign, *own})
    excluded = _array([one.schema for one in left_out])
    tables = sessions.fetch(session, Table, QUERIES["find_tables"], left_out=excluded, **roles)
    _refuse(session, tables)
    return Contents(session, names, snapshot, left_out, tables)


class Contents(NamedTuple):
    """A session in the snapshot, and what it has found."""

    session: Connection
    names: TenantNames
    snapshot: Snapshot
    left_out: list[LeftOut]
    tables: list[Table]

    def lock(self) -> None:
        """Lock the tables, so that the rows that are counted later are those of the dump.

        Call it while pg_dump has its own locks. Raise ExportFailed if somebody is changing one, and psycopg2.Error.
        """
        if not self.tables:
            return
        tables = sql.SQL(", ").join(one.identifier for one in self.tables)
        try:
            sessions.send(self.session, QUERIES["lock_tables"], tables=tables, patience=PATIENCE)
        except errors.LockNotAvailable:
            raise ExportFailed("somebody is changing a table of the tenant") from None

    def counted(self) -> Iterator[tuple[Table, Rows]]:
        """Yield every table with its rows. Raise psycopg2.Error."""
        for table in self.tables:
            (rows,) = sessions.fetch(self.session, Rows, QUERIES["find_rows"], table=table.identifier)
            yield table, rows

    def named(self) -> dict[str, Any]:
        """Return the extensions, and the roles that anything in the database names. Raise psycopg2.Error."""
        (found,) = sessions.fetch(self.session, _Named, QUERIES["find_extensions"])
        return found._asdict()


def _refuse(session: Connection, tables: Sequence[Table]) -> None:
    """Never by --enable-row-security: then a dump has only the rows that a policy lets its role see."""
    forced = [one.identifier.as_string(session) for one in tables if one.is_forced]
    if forced:
        statement = f"ALTER TABLE {forced[0]} NO FORCE ROW LEVEL SECURITY"
        raise ExportRefused(f"row level security is forced on {_listed(forced)}: run {statement}, and FORCE afterwards")
    foreign = [one.identifier.as_string(session) for one in tables if one.is_foreign]
    if foreign:
        raise ExportRefused(f"another role owns {_listed(foreign)}, and the tenant's owner may not read all rows")


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED_AT_MOST} more" if len(names) > NAMED_AT_MOST else ""
    return ", ".join(names[:NAMED_AT_MOST]) + more


def _array(names: Sequence[str]) -> sql.Composed:
    return sql.SQL("{}::text[]").format(sql.Literal(list(names)))


def connect(document: dict[str, Any], seconds: float) -> Connection:
    """Open a session with the login of an export, for statements of that length. Raise psycopg2.Error."""
    return postgres.connect(document, statement_timeout_seconds=max(1, int(seconds)))
