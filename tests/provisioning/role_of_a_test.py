"""A role that may connect to a database of its own, for tests of connections."""

from collections.abc import Iterator
from typing import Any

import pytest
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from local.postgres import PostgresServer

ROLE, PASSWORD = "role-of-a-test", "s3cr3t-value"


@pytest.fixture
def document(
    server: PostgresServer, superuser: Connection, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, Any]]:
    """The role's secret."""
    monkeypatch.setenv("DATABASE_SSL_MODE", "disable")
    name = sql.Identifier(ROLE)
    with superuser.cursor() as cursor:
        cursor.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(name, sql.Literal(PASSWORD)))
        cursor.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(name, name))
        yield {"host": "127.0.0.1", "port": server.port, "dbname": ROLE, "username": ROLE, "password": PASSWORD}
        cursor.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))
        cursor.execute(sql.SQL("DROP ROLE {}").format(name))
