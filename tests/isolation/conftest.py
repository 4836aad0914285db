"""Two provisioned tenants, one of which attacks: with the credentials that it was issued, and with nothing else."""

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import psycopg2
import pytest
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from local.stack import Stack
from provisioning.naming import TenantNames, tenant_names
from tests.conftest import NewProject
from tests.executions.running import payload_for, run


@dataclass(frozen=True)
class Tenant:
    """A project that was provisioned, and the secret that its owner gets."""

    project_id: str
    names: TenantNames
    secret: dict[str, Any]

    def connect(self, database: str | None = None, **changes: Any) -> Connection:
        """Logs in as issued, to the tenant's own database or to another one. Raises psycopg2.Error."""
        secret = self.secret | changes
        connection = psycopg2.connect(
            host=secret["host"],
            port=secret["port"],
            dbname=database or secret["dbname"],
            user=secret["username"],
            password=secret["password"],
            connect_timeout=5,
        )
        connection.autocommit = True
        return connection


def query(connection: Connection, statement: str | sql.Composable, *values: object) -> list[tuple[Any, ...]]:
    """Runs a statement and returns its rows."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values or None)
        return cursor.fetchall() if cursor.description else []


def provisioned(stack: Stack, project_id: str) -> Tenant:
    """Provisions the project and returns it as its owner knows it."""
    assert run(stack, payload_for(project_id)).status == "SUCCEEDED"
    names = tenant_names(project_id)
    answer = stack.client("secretsmanager").get_secret_value(SecretId=names.secret)
    return Tenant(project_id, names, json.loads(answer["SecretString"]))


@pytest.fixture(scope="package")
def attacker(stack: Stack, new_project: NewProject) -> Tenant:
    return provisioned(stack, new_project())


@pytest.fixture(scope="package")
def victim(stack: Stack, new_project: NewProject) -> Tenant:
    return provisioned(stack, new_project())


@pytest.fixture
def session(attacker: Tenant) -> Iterator[Connection]:
    """The attacker's session in its own database."""
    with closing(attacker.connect()) as connection:
        yield connection
