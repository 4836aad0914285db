import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from local.stack import Stack
from provisioning.tenant import schema
from stages.database import create_database
from stages.schema import create_schema
from tests.conftest import NewProject
from tests.stages.jobs import StagedJob, lambda_environment, open_job


@pytest.fixture(scope="module", autouse=True)
def environment(stack: Stack) -> Iterator[None]:
    """One Lambda environment for the tests of a file: its connections end with it."""
    with lambda_environment():
        yield


@pytest.fixture
def job(stack: Stack, new_project: NewProject) -> StagedJob:
    """A fresh tenant: its database and its schema, without any application."""
    opened = open_job(new_project())
    opened.run(create_database)
    opened.run(create_schema)
    return opened


@pytest.fixture
def document(stack: Stack, job: StagedJob) -> dict[str, Any]:
    """The credentials that are issued to the tenant."""
    answer = stack.client("secretsmanager").get_secret_value(SecretId=job.names.secret)
    credentials: dict[str, Any] = json.loads(answer["SecretString"])
    return credentials


@pytest.fixture
def database_url(document: dict[str, Any]) -> str:
    """The credentials in the form that applications accept."""
    names = ("username", "password", "host", "port", "dbname")
    user, password, host, port, dbname = (document[name] for name in names)
    return f"postgresql://{user}:{password}@{host}:{port}/{dbname}"


@pytest.fixture
def tenant(document: dict[str, Any]) -> Iterator[Connection]:
    """A connection with the tenant's credentials."""
    with closing(schema.connect(document)) as connection:
        yield connection
