"""Three provisioned tenants, two of which attack the third with only their issued credentials."""

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
from provisioning.identity import TenantNames
from stages.database import create_database
from tests.conftest import NewProject
from tests.executions.running import Ran, payload_for, run
from tests.stages.jobs import StagedJob, lambda_environment, open_job


@dataclass(frozen=True)
class Tenant:
    """A project that was provisioned, and the secrets that its owner gets."""

    project_id: str
    names: TenantNames
    secret: dict[str, Any]
    api_keys: list[dict[str, Any]]

    def connect(self, database: str | None = None, **changes: Any) -> Connection:
        """Log in as issued, to the tenant's own database or to another one. Raise psycopg2.Error."""
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
    """Run a statement and return its rows."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values or None)
        return cursor.fetchall() if cursor.description else []


def document(stack: Stack, name: str) -> dict[str, Any]:
    """Return the document of a secret."""
    answer = stack.client("secretsmanager").get_secret_value(SecretId=name)
    found: dict[str, Any] = json.loads(answer["SecretString"])
    return found


def tenant_of(stack: Stack, ran: Ran) -> Tenant:
    """Return what a succeeded execution has made, as its owner knows it."""
    assert ran.status == "SUCCEEDED", ran.cause
    names = TenantNames(ran.output["tenant_id"])
    keys = document(stack, names.api_keys_secret(ran.job_id))["api_keys"]
    return Tenant(ran.output["project_id"], names, document(stack, names.secret), keys)


@pytest.fixture(scope="package")
def attacker(stack: Stack, new_project: NewProject) -> Tenant:
    return tenant_of(stack, run(stack, payload_for(new_project())))


@pytest.fixture(scope="package")
def ally(stack: Stack, new_project: NewProject) -> Tenant:
    """Another tenant on the attacker's side."""
    return tenant_of(stack, run(stack, payload_for(new_project())))


@pytest.fixture(scope="package")
def victim(stack: Stack, new_project: NewProject) -> Tenant:
    return tenant_of(stack, run(stack, payload_for(new_project())))


@pytest.fixture
def session(attacker: Tenant) -> Iterator[Connection]:
    """The attacker's session in its own database."""
    with closing(attacker.connect()) as connection:
        yield connection


@pytest.fixture
def leaving(new_project: NewProject) -> Iterator[StagedJob]:
    """A job with a tenant that is about to be rolled back."""
    with lambda_environment():
        job = open_job(new_project())
        job.run(create_database)
        yield job
