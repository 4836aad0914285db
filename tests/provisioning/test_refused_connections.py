"""A refused connection says why, in words of our own, and which refusals pass."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg2
import pytest
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from provisioning import postgres
from provisioning.errors import ControlPlaneUnavailable, InsufficientPermissions
from tests.provisioning.role_of_a_test import PASSWORD, ROLE, document

__all__ = ["document"]


def refusal(document: dict[str, Any]) -> psycopg2.Error:
    with pytest.raises(psycopg2.OperationalError) as refused:
        postgres.connect(document, statement_timeout_seconds=5)
    told = f"{refused.value} {refused.value.__cause__}"
    assert [quoted for quoted in (PASSWORD, ROLE, str(document["port"])) if quoted in told] == []
    return refused.value


def test_a_wrong_password_passes_because_it_may_be_rotated(document: dict[str, Any]) -> None:
    error = refusal(document | {"password": "wrong"})
    assert postgres.describe(error) == "PostgreSQL refused the connection: the password was refused (SQLSTATE 28P01)"
    assert type(postgres.translate(error, ControlPlaneUnavailable)) is ControlPlaneUnavailable


def test_a_missing_privilege_stays(superuser: Connection, document: dict[str, Any]) -> None:
    name = sql.Identifier(ROLE)
    with superuser.cursor() as cursor:
        cursor.execute(sql.SQL("REVOKE CONNECT ON DATABASE {} FROM PUBLIC, {}").format(name, name))
    error = refusal(document)
    assert "lacks CONNECT on the database (SQLSTATE 42501)" in postgres.describe(error)
    assert type(postgres.translate(error, ControlPlaneUnavailable)) is InsufficientPermissions


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            "ALTER ROLE {} CONNECTION LIMIT 0",
            "the role or its database has as many sessions as its own limit (SQLSTATE 53300)",
        ),
        (
            "ALTER DATABASE {} CONNECTION LIMIT 0",
            "the role or its database has as many sessions as its own limit (SQLSTATE 53300)",
        ),
        ("ALTER ROLE {} NOLOGIN", "the server does not let this role log in from here (SQLSTATE 28000)"),
        ("ALTER DATABASE {} RENAME TO elsewhere", "the database does not exist (SQLSTATE 3D000)"),
    ],
)
def test_what_an_operator_can_mend_is_named_and_passes(
    superuser: Connection, document: dict[str, Any], change: str, said: str
) -> None:
    with superuser.cursor() as cursor:
        cursor.execute(sql.SQL(change).format(sql.Identifier(ROLE)))
        error = refusal(document)
        if "RENAME" in change:
            cursor.execute(sql.SQL("ALTER DATABASE elsewhere RENAME TO {}").format(sql.Identifier(ROLE)))
    assert postgres.describe(error).endswith(said)
    assert postgres.is_transient(error)


def test_a_server_that_is_read_only_is_named(superuser: Connection, document: dict[str, Any]) -> None:
    with read_only(superuser):
        error = refusal(document)
    assert postgres.describe(error).endswith("the server is read-only (SQLSTATE 25006)")
    assert postgres.is_transient(error)


@contextmanager
def read_only(superuser: Connection) -> Iterator[None]:
    """Make the whole server read-only inside the block."""
    set_for_the_server(superuser, "SET default_transaction_read_only = on", "on")
    try:
        yield
    finally:
        set_for_the_server(superuser, "RESET default_transaction_read_only", "off")


def set_for_the_server(superuser: Connection, change: str, value: str) -> None:
    """Change the server's configuration, and wait until it has been read."""
    with superuser.cursor() as cursor:
        cursor.execute(sql.SQL("ALTER SYSTEM {}").format(sql.SQL(change)))
        cursor.execute("SELECT pg_reload_conf()")
        while cursor.fetchone() != (value,):
            cursor.execute("SHOW default_transaction_read_only")


@contextmanager
def answering(severity: str, code: str, message: str) -> Iterator[dict[str, Any]]:
    """A server that refuses every connection with one error, in a language of its own."""
    fields = {b"S": severity, b"V": "FATAL", b"C": code, b"M": message}
    body = b"".join(field + text.encode() + b"\0" for field, text in fields.items()) + b"\0"
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:

        def serve() -> None:
            client, _ = listener.accept()
            with client:
                client.recv(4096)
                client.sendall(b"E" + struct.pack("!I", len(body) + 4) + body)

        thread = threading.Thread(target=serve)
        thread.start()
        port = listener.getsockname()[1]
        yield {"host": "127.0.0.1", "port": port, "dbname": ROLE, "username": ROLE, "password": PASSWORD}
        thread.join()


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("57P03", "the database system is starting up"),
        ("57P03", "the database system is shutting down"),
        ("57P03", "the database system is in recovery mode"),
        ("53300", "sorry, too many clients already"),
        ("53300", "remaining connection slots are reserved for roles with the SUPERUSER attribute"),
        ("28000", 'no pg_hba.conf entry for host "127.0.0.1", user "u", database "d", no encryption'),
        ("28000", 'PAM authentication failed for user "u"'),
    ],
)
def test_each_of_the_servers_own_refusals_has_its_sqlstate_again(
    monkeypatch: pytest.MonkeyPatch, code: str, words: str
) -> None:
    monkeypatch.setenv("DATABASE_SSL_MODE", "disable")
    with answering("FATAL", code, words) as document:
        error = refusal(document)
    assert postgres.sqlstate(error) == code
    assert postgres.is_transient(error)


def test_a_refusal_in_another_language_counts_as_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """libpq passes on the server's words only, and psycopg2 has no way to the SQLSTATE."""
    monkeypatch.setenv("DATABASE_SSL_MODE", "disable")
    words = "Passwort-Authentifizierung für Benutzer »jemand« fehlgeschlagen"
    with answering("FATAL", "28P01", words) as document, pytest.raises(psycopg2.OperationalError) as refused:
        postgres.connect(document, statement_timeout_seconds=5)
    assert postgres.describe(refused.value) == "the connection to PostgreSQL failed or was lost"
    assert postgres.is_transient(refused.value)
