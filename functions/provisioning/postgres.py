"""Connections to PostgreSQL, statements composed of named queries, and what its errors mean."""

import re
from collections.abc import Mapping
from typing import Any

import psycopg2
from psycopg2 import errors, sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from provisioning import configuration, queries
from provisioning.errors import InsufficientPermissions, ProvisioningError, StatementRejected
from provisioning.queries import Query

QUERIES = queries.load(__file__)
CONNECT_TIMEOUT_SECONDS = 5
KEEPALIVES = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 25_000}
PINNED = {
    "default_transaction_isolation": "read committed",
    "default_transaction_deferrable": "off",
    "synchronous_commit": "on",
    "lock_timeout": "0",
    # A client that freezes in a transaction holds locks that other tenants wait for; ours never pauses in one.
    "idle_in_transaction_session_timeout": "2s",
    "idle_session_timeout": "0",
    "tcp_user_timeout": "0",
    # No function of a tenant can replace one of PostgreSQL's own (CVE-2018-1058).
    "search_path": "pg_catalog",
    # The role that RESET ROLE returns to. Off would raise where a policy hides a row.
    "role": "none",
    "row_security": "on",
    "exit_on_error": "off",
    # What a statement means, and what its answer looks like.
    "standard_conforming_strings": "on",
    "transform_null_equals": "off",
    "array_nulls": "on",
    "quote_all_identifiers": "off",
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    # What a new table is made of, and where.
    "default_table_access_method": "heap",
    "default_tablespace": "",
    "temp_tablespaces": "",
    "local_preload_libraries": "",
    "client_min_messages": "warning",
}
"""Settings of every session that a server, a database or a role could set otherwise. A wait for a lock ends with the
statement's timeout.
"""

TRANSACTION_TIMEOUT_SINCE = 170000
_with_transaction_timeout: set[tuple[str, int]] = set()
"""Servers that have this setting: one that has not refuses a connection that asks for it."""

TRANSIENT_CLASSES = ("08", "53", "57P")
TRANSIENT_CODES = frozenset({"25006", "25P03", "25P04", "40001", "40P01", "55006", "55P03", "57014", "58030"})
"""Read-only, ended in a transaction, serialization failure, deadlock, object in use, lock held, timeout, I/O error."""

TRANSIENT_INTERNAL_ERRORS = re.compile(
    "tuple concurrently (updated|deleted)|checkpoint request failed"
    "|could not (create|open|extend|read|write|flush|fsync|close|truncate|rename|copy|stat) "
)
"""How the messages begin of internal errors (XX000) that pass: a concurrent change of a catalog, a checkpoint that met
a full disk, and a file error that PostgreSQL has no SQLSTATE for, such as an exceeded quota of a disk
(errcode_for_file_access in elog.c).
"""

READ_ONLY, NO_PRIVILEGE = "25006", "42501"
REFUSALS = (
    ("28P01", "the password was refused", r"FATAL: +password authentication failed"),
    (
        "28000",
        "the server does not let this role log in from here",
        r"FATAL: +(no pg_hba|pg_hba|role \".*\" |(?!password )\w+ authentication failed)",
    ),
    (NO_PRIVILEGE, "the role lacks CONNECT on the database", r"FATAL: +permission denied for database"),
    ("53300", "the role or its database has as many sessions as its own limit", r"FATAL: +too many connections for "),
    ("53300", "no connection slot is free: end some sessions", r"FATAL: +(sorry, too|remaining connection slots)"),
    ("57P03", "the server is starting, stopping or recovering", r"FATAL: +the database system is "),
    ("3D000", "the database does not exist", r"FATAL: +database \".*\" does not exist"),
    (READ_ONLY, "the server is read-only", r"failed: (session is read-only|server is in hot standby mode)"),
)
"""What libpq says when no session is opened: the SQLSTATE, which it does not pass on, and the server's own words."""


class Busy(psycopg2.OperationalError):
    """Somebody else is at work, which passes. The message is our own, and quotes no value."""


class Refused(psycopg2.OperationalError):
    """No session was opened, for a known reason. The message quotes nothing of what libpq says."""

    def __init__(self, sqlstate: str, reason: str) -> None:
        super().__init__(f"PostgreSQL refused the connection: {reason} (SQLSTATE {sqlstate})")
        self.sqlstate = sqlstate


def composed(*queries: Query, **values: object) -> sql.Composed:
    """Return the queries as one message, with each {name} replaced by an identifier or by a value as a literal."""
    filled = {name: one if isinstance(one, sql.Composable) else sql.Literal(one) for name, one in values.items()}
    return sql.Composed([sql.SQL(query.text).format(**filled) for query in queries])


def connect(
    document: Mapping[str, Any], *, statement_timeout_seconds: int, dbname: str | None = None, role: str = "none"
) -> Connection:
    """Open a connection in autocommit mode from a secret document {host, port, dbname, username, password}.

    It acts as `role`, of which the user is a member, and as the user itself without one, whatever anybody has set.
    Of several hosts, one that can be written to is used. A dead peer is noticed within about 25 seconds, below the 50
    seconds a Lambda has. Raise Refused, with its reason, and psycopg2.Error.
    """
    server = (document["host"], document["port"])
    settings = {"statement_timeout": f"{statement_timeout_seconds}s", "role": role}
    if server in _with_transaction_timeout:
        settings["transaction_timeout"] = "0"
    opened = _open(
        {
            **{name: document[name] for name in ("host", "port", "password")},
            "dbname": dbname or document["dbname"],
            "user": document["username"],
            "connect_timeout": CONNECT_TIMEOUT_SECONDS,
            "application_name": "provisioner",
            "options": options(**settings),
            "client_encoding": "UTF8",
            **KEEPALIVES,
            **ssl_options(),
        }
    )
    if opened.server_version >= TRANSACTION_TIMEOUT_SINCE and "transaction_timeout" not in settings:
        with opened.cursor() as cursor:
            cursor.execute(QUERIES["record_no_transaction_timeout"].text)
        _with_transaction_timeout.add(server)
    return opened


def pinned_again(connection: Connection) -> sql.Composed:
    """Return what a session needs after RESET ALL, which returns everything else to the options of its connection."""
    is_newer = connection.server_version >= TRANSACTION_TIMEOUT_SINCE
    return composed(QUERIES["record_no_transaction_timeout"]) if is_newer else sql.Composed([])


def options(**settings: str) -> str:
    """Return the pinned settings as libpq's options, with these in addition or instead."""
    return " ".join(f"-c {name}=" + value.replace(" ", "\\ ") for name, value in (PINNED | settings).items())


def _open(arguments: dict[str, Any]) -> Connection:
    """Open a connection to a server that can be written to. Raise Refused, and psycopg2.Error.

    A role or a database that is read-only by default counts for nothing, because a server is what fails over. A server
    that is read-only by its own settings is respected: it may be about to be replaced.
    """
    try:
        return _opened(arguments, "read-write")
    except Refused as refused:
        if refused.sqlstate != READ_ONLY:
            raise
        opened = _opened(arguments, "primary")
        with opened.cursor() as cursor:
            cursor.execute(QUERIES["record_read_write"].text)
            if cursor.fetchone() is not None:
                return opened
        opened.close()
        raise


def _opened(arguments: dict[str, Any], session_attributes: str) -> Connection:
    try:
        opened: Connection = psycopg2.connect(**arguments, target_session_attrs=session_attributes)
    except psycopg2.OperationalError as error:
        refusal = _refusal(error)
        if not isinstance(refusal, Refused):
            # It may be an older server by now. A reason that is known says nothing about that.
            _with_transaction_timeout.discard((arguments["host"], arguments["port"]))
        raise refusal from None
    opened.autocommit = True
    return opened


def _refusal(error: psycopg2.OperationalError) -> psycopg2.OperationalError:
    """Return why no session was opened, or the error itself if its words do not say that.

    libpq passes on the server's words, but not its SQLSTATE. A server that is set to a language other than English
    (lc_messages) is not understood, and counts as one that did not answer.
    """
    said = [(found.end(), state, why) for state, why, words in REFUSALS for found in re.finditer(words, str(error))]
    return Refused(*max(said)[1:]) if said else error


def ssl_options() -> dict[str, Any]:
    """Return libpq's TLS options from the settings; without a setting the server's certificate is verified."""
    options = {"sslmode": configuration.optional("DATABASE_SSL_MODE", "verify-full")}
    if root_certificate := configuration.optional("DATABASE_SSL_ROOT_CERT"):
        options["sslrootcert"] = root_certificate
    return options


def sqlstate(error: psycopg2.Error) -> str | None:
    """Return the error's SQLSTATE, if there is one."""
    return error.sqlstate if isinstance(error, Refused) else error.pgcode


def is_read_only(error: psycopg2.Error) -> bool:
    """Return whether the session's server cannot be written to any more: it was replaced by another, or will be."""
    return isinstance(error, errors.ReadOnlySqlTransaction)


def is_transient(error: psycopg2.Error) -> bool:
    """Return, by SQLSTATE, whether trying again may help; an error without one means that the connection is gone.

    psycopg2 raises a bare DatabaseError when a dying server left a result that libpq cannot parse. It also raises
    ProgrammingError without a SQLSTATE, when it was used wrongly: that is not transient.
    """
    code = sqlstate(error)
    if isinstance(error, Refused):
        # A password is refused for a moment while it is rotated, and a database is missing while it is restored.
        return code != NO_PRIVILEGE
    if code is None:
        lost = isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError)
        return lost or type(error) is psycopg2.DatabaseError
    if code == "XX000":
        return TRANSIENT_INTERNAL_ERRORS.match(error.diag.message_primary or "") is not None
    return code in TRANSIENT_CODES or code.startswith(TRANSIENT_CLASSES)


def translate(error: psycopg2.Error, transient: type[ProvisioningError]) -> ProvisioningError:
    """Return the typed error for a PostgreSQL error: the given type if trying again may help.

    The message holds the SQLSTATE and PostgreSQL's primary message only: its detail can quote values.
    """
    if is_transient(error):
        return transient(describe(error))
    if sqlstate(error) == NO_PRIVILEGE:
        return InsufficientPermissions(describe(error))
    return StatementRejected(describe(error))


def describe(error: psycopg2.Error) -> str:
    """Return one line about the error that quotes no value."""
    if isinstance(error, Busy | Refused):
        return str(error)
    if error.pgcode is None:
        lost = is_transient(error)
        return "the connection to PostgreSQL failed or was lost" if lost else f"psycopg2 raised {type(error).__name__}"
    # Class 22, data exceptions, quotes the data itself.
    message = type(error).__name__ if error.pgcode.startswith("22") else error.diag.message_primary or ""
    where = "".join(f" in {note}" for note in getattr(error, "__notes__", ()))
    return f"{' '.join(message.split())} (SQLSTATE {error.pgcode}){where}"
