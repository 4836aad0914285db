"""Two provisioned tenants of one cluster, and a session with the credentials that one of them was issued."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg2
from moto.secretsmanager.models import secretsmanager_backends
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from local.aws import ACCOUNT
from local.aws_client import REGION
from local.stack import Stack
from tests.conftest import NewProject
from tests.executions.looking import look
from tests.executions.running import payload_for, run


@dataclass(frozen=True)
class Tenant:
    """A live tenant, and what its secret holds."""

    project_id: str
    job_id: str
    credentials: dict[str, Any]

    @property
    def database(self) -> str:
        return str(self.credentials["dbname"])

    @property
    def login(self) -> str:
        return str(self.credentials["username"])

    @property
    def owner(self) -> str:
        return f"{self.database}_owner"


def provision(stack: Stack, new_project: NewProject, *services: str) -> Tenant:
    """Provisions a project and returns its tenant."""
    project_id = new_project()
    ran = run(stack, payload_for(project_id, *services))
    assert ran.status == "SUCCEEDED"
    (secret,) = look(stack, project_id).secrets
    assert secret["arn"] in {kept.arn for kept in secretsmanager_backends[ACCOUNT][REGION].secrets.values()}
    return Tenant(project_id, ran.job_id, secret["current"])


@contextmanager
def session(tenant: Tenant, dbname: str | None = None, **instead: str) -> Iterator[Cursor]:
    """Yields a cursor with a tenant's own credentials, each statement a transaction of its own."""
    credentials = tenant.credentials
    connection = psycopg2.connect(
        host=credentials["host"],
        port=credentials["port"],
        dbname=dbname or tenant.database,
        user=instead.get("user", credentials["username"]),
        password=instead.get("password", credentials["password"]),
        connect_timeout=5,
    )
    with closing(connection):
        connection.autocommit = True
        with connection.cursor() as cursor:
            yield cursor


def ask(tenant: Tenant, statement: str, *values: object) -> list[tuple[Any, ...]]:
    """Runs one statement with a tenant's own credentials and returns its rows."""
    with session(tenant) as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall() if cursor.description else []


def refusal(tenant: Tenant, statement: str, *values: object) -> str:
    """Returns the SQLSTATE with which PostgreSQL refuses a statement, or "" when it does not."""
    try:
        ask(tenant, statement, *values)
    except psycopg2.Error as error:
        return error.pgcode or "connection lost"
    return ""
