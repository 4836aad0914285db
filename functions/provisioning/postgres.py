"""Connections to PostgreSQL, statements composed of named queries, and what its errors mean."""

import re
from collections.abc import Mapping
from typing import Any

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from provisioning import configuration
from provisioning.errors import InsufficientPermissions, ProvisioningError, StatementRejected
from provisioning.queries import Query

CONNECT_TIMEOUT_SECONDS = 5
IDLE_IN_TRANSACTION_SECONDS = 2
"""A client that freezes in a transaction holds locks that other tenants wait for; ours never pauses in one."""

TRANSIENT_CLASSES = ("08", "53", "57P")
TRANSIENT_CODES = frozenset({"40001", "40P01", "55006", "57014", "58030"})
"""Serialization failure, deadlock, object in use, a statement that ran into its timeout, and an I/O error."""

TRANSIENT_INTERNAL_ERRORS = re.compile(
    "tuple concurrently (updated|deleted)|checkpoint request failed"
    "|could not (create|open|extend|read|write|flush|fsync|close|truncate|rename|copy|stat) "
)
"""How the messages begin of internal errors (XX000) that pass: a concurrent change of a catalog, a checkpoint that met
a full disk, and a file error that PostgreSQL has no SQLSTATE for, such as an exceeded quota of a disk
(errcode_for_file_access in elog.c).
"""


def composed(*queries: Query, **values: object) -> sql.Composed:
    """Return the queries as one message, with each {name} replaced by an identifier or by a value as a literal."""
    filled = {
        name: value if isinstance(value, sql.Composable) else sql.Literal(value) for name, value in values.items()
    }
    return sql.Composed([sql.SQL(query.text).format(**filled) for query in queries])


def connect(document: Mapping[str, Any], *, statement_timeout_seconds: int, dbname: str | None = None) -> Connection:
    """Open a connection in autocommit mode from a secret document {host, port, dbname, username, password}.

    A dead peer is noticed within about 25 seconds, below the 50 seconds a Lambda has. Raise psycopg2.Error.

    Names resolve in pg_catalog only, so no function of a tenant can replace one of PostgreSQL's own (CVE-2018-1058).
    Settings that an owner can set for its database, and those that would end the session, are overridden here.
    """
    opened: Connection = psycopg2.connect(
        host=document["host"],
        port=document["port"],
        dbname=dbname or document["dbname"],
        user=document["username"],
        password=document["password"],
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        application_name="provisioner",
        options=f"-c statement_timeout={statement_timeout_seconds}s"
        f" -c idle_in_transaction_session_timeout={IDLE_IN_TRANSACTION_SECONDS}s -c client_min_messages=warning"
        " -c search_path=pg_catalog -c local_preload_libraries= -c idle_session_timeout=0",
        keepalives_idle=10,
        keepalives_interval=5,
        keepalives_count=3,
        tcp_user_timeout=25_000,
        **ssl_options(),
    )
    opened.autocommit = True
    return opened


def ssl_options() -> dict[str, Any]:
    """Return libpq's TLS options from the settings; without a setting the server's certificate is verified."""
    options = {"sslmode": configuration.optional("DATABASE_SSL_MODE", "verify-full")}
    if root_certificate := configuration.optional("DATABASE_SSL_ROOT_CERT"):
        options["sslrootcert"] = root_certificate
    return options


def is_transient(error: psycopg2.Error) -> bool:
    """Return, by SQLSTATE, whether trying again may help; an error without one means that the connection is gone.

    psycopg2 raises a bare DatabaseError when a dying server left a result that libpq cannot parse. It also raises
    ProgrammingError without a SQLSTATE, when it was used wrongly: that is not transient.
    """
    code = error.pgcode
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
    if error.pgcode == "42501":
        return InsufficientPermissions(describe(error))
    return StatementRejected(describe(error))


def describe(error: psycopg2.Error) -> str:
    """Return one line about the error that quotes no value."""
    if error.pgcode is None:
        lost = is_transient(error)
        return "the connection to PostgreSQL failed or was lost" if lost else f"psycopg2 raised {type(error).__name__}"
    # Class 22, data exceptions, quotes the data itself.
    message = type(error).__name__ if error.pgcode.startswith("22") else error.diag.message_primary or ""
    return f"{' '.join(message.split())} (SQLSTATE {error.pgcode})"
