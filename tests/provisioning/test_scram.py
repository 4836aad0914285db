import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Iterator

import psycopg2
import pytest
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from local.postgres import PostgresServer
from provisioning.tenant.scram import scram_verifier

LOGIN = "scram_login"
PRINTABLE = "".join(map(chr, range(32, 127)))

# The exchange of RFC 7677, section 3: user "user", password "pencil".
RFC_SALT = "W22ZaJ0SNY7soEsUEjb6gQ=="
RFC_MESSAGES = (
    "n=user,r=rOprNGfwEbeRWgbNEkqO",
    f"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s={RFC_SALT},i=4096",
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
)
RFC_CLIENT_PROOF = "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
RFC_SERVER_SIGNATURE = "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


@pytest.fixture
def login_role(superuser: Connection) -> Iterator[str]:
    with superuser.cursor() as cursor:
        cursor.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(LOGIN)))
        yield LOGIN
        cursor.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(LOGIN)))


def set_verifier(superuser: Connection, verifier: str) -> str:
    """Give the login role the verifier and return what PostgreSQL keeps of it."""
    with superuser.cursor() as cursor:
        cursor.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(LOGIN), sql.Literal(verifier)))
        cursor.execute("SELECT rolpassword FROM pg_authid WHERE rolname = %s", (LOGIN,))
        row = cursor.fetchone()
    assert row is not None
    return str(row[0])


def log_in(server: PostgresServer, password: str) -> str:
    connection = psycopg2.connect(
        host="127.0.0.1", port=server.port, user=LOGIN, password=password, dbname="postgres", sslmode="disable"
    )
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT session_user")
            return str(cursor.fetchall()[0][0])
    finally:
        connection.close()


@pytest.mark.usefixtures("login_role")
@pytest.mark.parametrize(
    "password", [secrets.token_urlsafe(32), PRINTABLE, "'\"; DROP ROLE x; --"], ids=["random", "printable", "hostile"]
)
def test_libpq_logs_in_with_the_password_behind_a_verifier(
    server: PostgresServer, superuser: Connection, password: str
) -> None:
    set_verifier(superuser, scram_verifier(password))
    assert log_in(server, password) == LOGIN


@pytest.mark.usefixtures("login_role")
def test_another_password_does_not_log_in(server: PostgresServer, superuser: Connection) -> None:
    set_verifier(superuser, scram_verifier("right"))
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        log_in(server, "wrong")


@pytest.mark.usefixtures("login_role")
def test_postgresql_keeps_the_verifier_as_it_is_instead_of_hashing_it_as_a_password(superuser: Connection) -> None:
    verifier = scram_verifier("a password")
    assert set_verifier(superuser, verifier) == verifier


def test_the_keys_are_those_of_the_exchange_in_rfc_7677(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "token_bytes", lambda length: base64.b64decode(RFC_SALT)[:length])
    verifier = scram_verifier("pencil")

    match = re.fullmatch(r"SCRAM-SHA-256\$4096:([^$]+)\$([^:]+):(.+)", verifier)
    assert match is not None
    salt, stored_key, server_key = match.groups()
    exchange = ",".join(RFC_MESSAGES).encode()
    client_signature = hmac.digest(base64.b64decode(stored_key), exchange, "sha256")
    client_key = bytes(a ^ b for a, b in zip(base64.b64decode(RFC_CLIENT_PROOF), client_signature, strict=True))
    assert salt == RFC_SALT
    assert hashlib.sha256(client_key).digest() == base64.b64decode(stored_key)
    assert hmac.digest(base64.b64decode(server_key), exchange, "sha256") == base64.b64decode(RFC_SERVER_SIGNATURE)


def test_every_verifier_has_a_salt_of_its_own() -> None:
    assert scram_verifier("a password") != scram_verifier("a password")


def test_a_verifier_does_not_hold_the_password() -> None:
    assert "a password" not in scram_verifier("a password")


@pytest.mark.parametrize(
    "password", ["pässword", "\N{ROMAN NUMERAL NINE}", "pass\0word", "pass\nword", "\x7f", "\u00a0"]
)
def test_a_password_that_sasl_would_rewrite_is_refused(password: str) -> None:
    with pytest.raises(ValueError, match="only printable ASCII passwords are supported") as refused:
        scram_verifier(password)
    assert password not in str(refused.value)
