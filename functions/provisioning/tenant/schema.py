"""A tenant's schemas: what the platform needs, then the files of tenant_schema/ that the tenant does not have yet.

It uses the tenant's own login: code that a tenant has attached to its tables runs with all rights of the session, so a
session of the cluster's admin never changes a tenant's schema.
"""

import functools
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import psycopg2
from psycopg2 import errors, sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from provisioning import postgres, queries
from provisioning.cluster import creators
from provisioning.cluster import session as sessions
from provisioning.identity import TenantNames
from provisioning.tenant import extensions, schema_files
from provisioning.tenant.schema_files import SchemaFile

SCHEMA = "public"
"""The user's schema, first on the path of the login. The platform's is `tenant`, and off the path."""
MIGRATIONS = schema_files.DIRECTORY
QUERIES = queries.load(__file__)
STATEMENT_TIMEOUT_SECONDS = 30
AFTER_TEXT = sql.SQL("\n;\n")
"""A file need not end with a semicolon or a newline."""

LOOKS = 3
"""How often an upgrade looks again after another one was faster."""


class _Schema(NamedTuple):
    is_there: bool


class _Version(NamedTuple):
    version: int


class _Index(NamedTuple):
    schema: str
    name: str


class _Lock(NamedTuple):
    is_held: bool


def connect(document: dict[str, object]) -> Connection:
    """Open a connection with a tenant's issued credentials, as its owner. Raise psycopg2.Error."""
    owner = TenantNames.of_login(str(document["username"])).owner_role
    return postgres.connect(document, statement_timeout_seconds=STATEMENT_TIMEOUT_SECONDS, role=owner)


def files() -> list[SchemaFile]:
    """Return what every new tenant gets. Raise Misconfigured."""
    return schema_files.load(MIGRATIONS)


def newest_version() -> int:
    """Return the version that every new tenant gets; 0 without any file."""
    return max((file.version for file in files()), default=0)


def current_version(connection: Connection) -> int:
    """Return the version of the tenant database behind the connection; 0 when it has no tenant schema."""
    try:
        (found,) = sessions.fetch(connection, _Version, QUERIES["find_version"])
    except errors.UndefinedTable:
        return 0
    return found.version


def prepare(connection: Connection) -> int:
    """Make what the platform needs unless it exists, in one transaction, and return the version of the files.

    Raise psycopg2.Error.
    """
    (found,) = sessions.fetch(connection, _Schema, QUERIES["find_schema"])
    if found.is_there:
        return current_version(connection)
    try:
        sessions.send(connection, QUERIES["lock_schema"], QUERIES["make_schemas"], shared_roles=creators.shared_roles())
    except (errors.DuplicateSchema, errors.DuplicateTable, errors.UniqueViolation):
        (found,) = sessions.fetch(connection, _Schema, QUERIES["find_schema"])
        if not found.is_there:
            raise
        return current_version(connection)
    return 0


def upgrade(connection: Connection, reached: int | None = None) -> int:
    """Apply the files that the tenant does not have over its own login, and return the version reached.

    Each file is a round trip and a transaction with its record, so a failure leaves what came before it. Of two
    concurrent upgrades the second waits, is refused, and looks again. Raise Misconfigured, and psycopg2.Error with the
    file's name as a note.
    """
    for _ in range(LOOKS):
        version = prepare(connection) if reached is None else reached
        if _applied(connection, [file for file in files() if file.version > version]):
            return newest_version()
        reached = None
    raise postgres.Busy("others keep changing this tenant's schema")


def _applied(connection: Connection, missing: Sequence[SchemaFile]) -> bool:
    """Apply files, and return whether no other upgrade was faster."""
    for file in missing:
        try:
            apply(connection, file)
        except psycopg2.Error as error:
            if not postgres.is_transient(error) and current_version(connection) >= file.version:
                return False
            error.add_note(file.path.name)
            raise
    return True


def apply(connection: Connection, file: SchemaFile) -> None:
    """Apply one file and record it, or nothing of both. Raise psycopg2.Error."""
    if file.is_marked:
        _apply_alone(connection, file)
        return
    try:
        _send(connection, before(file), sql.SQL(file.text), AFTER_TEXT, _recorded(connection, file))
    except psycopg2.Error:
        _roll_back(connection)
        raise


def before(file: SchemaFile) -> sql.Composed:
    """Return what is sent before the text of a file, in the same message."""
    return postgres.composed(QUERIES["begin_file"], name=file.path.stem)


def _apply_alone(connection: Connection, file: SchemaFile) -> None:
    """Send the one statement of a marked file, then its record.

    It can be interrupted between the two or, by CREATE INDEX CONCURRENTLY, in its middle. So an invalid index that it
    names is dropped before and after a failure, and the statement must be one that can be repeated.
    """
    (lock,) = sessions.fetch(connection, _Lock, QUERIES["lock_schema_when_free"])
    if not lock.is_held:
        # A wait would hold a snapshot, and the other's CREATE INDEX CONCURRENTLY would wait for that.
        raise postgres.Busy("another changes this tenant's schema")
    try:
        if current_version(connection) < file.version:
            _drop_invalid_indexes(connection, file)
            sessions.send(connection, QUERIES["record_path"])
            try:
                _send(connection, sql.SQL(file.text))
            except psycopg2.Error:
                _drop_invalid_indexes(connection, file)
                raise
            _send(connection, before(file), _recorded(connection, file))
    finally:
        _roll_back(connection)


def repeat(connection: Connection, file: SchemaFile) -> None:
    """Send a marked file that was applied once more, as an attempt does after one that did not come to the record.

    Raise psycopg2.Error.
    """
    sessions.send(connection, QUERIES["record_path"])
    try:
        _send(connection, sql.SQL(file.text))
    finally:
        _roll_back(connection)


def _drop_invalid_indexes(connection: Connection, file: SchemaFile) -> None:
    for index in sessions.fetch(connection, _Index, QUERIES["find_invalid_indexes"]):
        if re.search(rf"(?<!\w){re.escape(index.name)}(?!\w)", file.text):
            named = sql.Identifier(index.schema, index.name)
            _send(connection, postgres.composed(QUERIES["drop_invalid_index"], index=named))


def _recorded(connection: Connection, file: SchemaFile) -> sql.Composed:
    recorded = postgres.composed(QUERIES["record_file"], version=file.version, name=file.path.stem)
    return sql.Composed([recorded, postgres.pinned_again(connection), sql.SQL("COMMIT;")])


def _send(connection: Connection, *parts: sql.Composable) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql.Composed(parts))


def _roll_back(connection: Connection) -> None:
    """End what a file has begun or left: its transaction, settings, role and lock."""
    with suppress(psycopg2.Error):
        sessions.send(connection, QUERIES["rollback_file"])
        _send(connection, postgres.composed(QUERIES["release_schema"]), postgres.pinned_again(connection))


def fingerprint() -> str:
    """Return the newest version with a hash of all that it is made from; a tenant with another one is outdated."""
    return _fingerprint(",".join(extensions.allowed()))


@functools.cache
def _fingerprint(extensions_allowed: str) -> str:
    import hashlib

    digest = hashlib.sha256()
    for file in files():
        digest.update(file.path.read_bytes())
    for name in ("tenant.sql", "schema.sql"):
        digest.update(Path(__file__).with_name(name).read_bytes())
    digest.update(extensions_allowed.encode())
    return f"{newest_version()}-{digest.hexdigest()[:16]}"
