"""Every connection has the settings that it relies on, whatever the server, the database or the role says."""

from contextlib import closing
from typing import Any

import pytest
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from provisioning import postgres
from tests.provisioning.role_of_a_test import ROLE, document

__all__ = ["document"]

RELIED_ON = {
    "default_transaction_isolation": ("serializable", "read committed"),
    "default_transaction_read_only": ("on", "off"),
    "synchronous_commit": ("off", "on"),
    "lock_timeout": ("1ms", "0"),
    "transaction_timeout": ("90s", "0"),
    "idle_in_transaction_session_timeout": ("90s", "2s"),
    "idle_session_timeout": ("90s", "0"),
    "statement_timeout": ("90s", "5s"),
    "tcp_user_timeout": ("5s", "0"),
    "client_encoding": ("LATIN1", "UTF8"),
    "search_path": ("nowhere", "pg_catalog"),
    "row_security": ("off", "on"),
    "exit_on_error": ("on", "off"),
    "default_transaction_deferrable": ("on", "off"),
    "standard_conforming_strings": ("off", "on"),
    "transform_null_equals": ("on", "off"),
    "array_nulls": ("off", "on"),
    "quote_all_identifiers": ("on", "off"),
    "DateStyle": ("German, DMY", "ISO, MDY"),
    "IntervalStyle": ("iso_8601", "postgres"),
    "TimeZone": ("Asia/Tokyo", "UTC"),
    "default_table_access_method": ("nowhere", "heap"),
    "default_tablespace": ("pg_global", ""),
    "temp_tablespaces": ("pg_global", ""),
}
"""What somebody set, and what a session then has."""

PLACES = {
    "the role": "ALTER ROLE {role} SET {setting} = {value}",
    "the database": "ALTER DATABASE {role} SET {setting} = {value}",
    "the role in the database": "ALTER ROLE {role} IN DATABASE {role} SET {setting} = {value}",
}


def settings(document: dict[str, Any]) -> dict[str, str]:
    with closing(postgres.connect(document, statement_timeout_seconds=5)) as session, session.cursor() as cursor:
        cursor.execute("SELECT name, current_setting(name) FROM pg_settings WHERE name = ANY (%s)", (list(RELIED_ON),))
        return dict(cursor.fetchall())


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_no_role_and_no_database_changes_what_a_session_relies_on(
    superuser: Connection, document: dict[str, Any], place: str
) -> None:
    with superuser.cursor() as cursor:
        for name, (value, _) in RELIED_ON.items():
            names = {"role": sql.Identifier(ROLE), "setting": sql.Identifier(name), "value": sql.Literal(value)}
            cursor.execute(sql.SQL(place).format(**names))
    for _ in range(2):
        assert settings(document) == {name: pinned for name, (_, pinned) in RELIED_ON.items()}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_a_session_acts_as_the_role_that_it_is_asked_for(
    superuser: Connection, document: dict[str, Any], place: str
) -> None:
    role, setting, value = sql.Identifier(ROLE), sql.Identifier("role"), sql.Literal("pg_monitor")
    with superuser.cursor() as cursor:
        cursor.execute(sql.SQL("GRANT pg_monitor, pg_read_all_stats TO {}").format(role))
        cursor.execute(sql.SQL(place).format(role=role, setting=setting, value=value))
    asked: list[dict[str, str]] = [{}, {"role": "pg_read_all_stats"}]
    for arguments, acting in zip(asked, (ROLE, "pg_read_all_stats"), strict=True):
        opened = postgres.connect(document, statement_timeout_seconds=5, **arguments)
        with closing(opened) as session, session.cursor() as cursor:
            for statement in ("SELECT 1", "SET ROLE pg_monitor", "RESET ROLE"):
                cursor.execute(statement)
            cursor.execute("SELECT current_user")
            assert cursor.fetchone() == (acting,)


def test_a_session_can_write_where_a_role_is_read_only(superuser: Connection, document: dict[str, Any]) -> None:
    with superuser.cursor() as cursor:
        cursor.execute(sql.SQL("ALTER ROLE {} SET default_transaction_read_only = on").format(sql.Identifier(ROLE)))
    with closing(postgres.connect(document, statement_timeout_seconds=5)) as session, session.cursor() as cursor:
        cursor.execute("CREATE TABLE public.written ()")


def test_a_session_lasts_where_a_database_is_read_only_and_ends_transactions_at_once(
    superuser: Connection, document: dict[str, Any]
) -> None:
    """Of a server that is known, the refusal of a read-only session does not say that it is another by now."""
    with superuser.cursor() as cursor:
        for setting in ("default_transaction_read_only = on", "transaction_timeout = '1ms'"):
            postgres.connect(document, statement_timeout_seconds=5).close()
            cursor.execute(sql.SQL("ALTER DATABASE {} SET {}").format(sql.Identifier(ROLE), sql.SQL(setting)))
    for _ in range(3):
        postgres.connect(document, statement_timeout_seconds=5).close()


@pytest.mark.parametrize("encoding", ["UTF8", "SQL_ASCII", "LATIN1"])
def test_letters_beyond_ascii_arrive_as_they_are(
    superuser: Connection, document: dict[str, Any], encoding: str
) -> None:
    name = sql.Identifier(ROLE)
    with superuser.cursor() as cursor:
        cursor.execute(sql.SQL("DROP DATABASE {}").format(name))
        cursor.execute(
            sql.SQL(
                "CREATE DATABASE {} OWNER {} TEMPLATE template0 ENCODING {} LOCALE_PROVIDER libc LOCALE 'C'"
            ).format(name, name, sql.Literal(encoding))
        )
    with closing(postgres.connect(document, statement_timeout_seconds=5)) as session, session.cursor() as cursor:
        cursor.execute("CREATE TABLE public.written AS SELECT %s AS word", ("é",))
        cursor.execute("SELECT word FROM public.written")
        assert cursor.fetchone() == ("é",)
