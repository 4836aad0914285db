"""What a tenant cannot do: each row of the table in docs/clients.md is sent, and refused with what the row says."""

import re
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from local.template import REPOSITORY
from provisioning.aws import secrets
from stages.database import create_database
from stages.schema import create_schema
from tests.conftest import NewProject
from tests.stages.jobs import open_job

PAGE = (REPOSITORY / "docs" / "clients.md").read_text()
ROWS = re.findall(r"^\| `([^`]+;)` \| (`[^|]+`), ([0-9A-Z]{5}) \| .+ \|$", PAGE, re.MULTILINE)


@pytest.fixture(scope="module")
def credentials(environment: None, new_project: NewProject) -> dict[str, Any]:
    """What was issued to one fresh tenant: nothing that is refused changes it."""
    job = open_job(new_project())
    job.run(create_database)
    job.run(create_schema)
    names = {"username": "user", "password": "password", "host": "host", "port": "port", "dbname": "dbname"}
    document = secrets.read(job.names.secret)
    return {option: document[name] for name, option in names.items()}


@pytest.fixture
def application(credentials: dict[str, Any]) -> Iterator[Connection]:
    """A connection as an application opens it."""
    with closing(psycopg2.connect(**credentials)) as connection:
        connection.autocommit = True
        yield connection


def test_the_page_has_rows() -> None:
    assert len(ROWS) == PAGE.count(";` | ")
    assert len(ROWS) > 10


@pytest.mark.parametrize(("statement", "messages", "sqlstate"), ROWS, ids=[row[0] for row in ROWS])
def test_a_tenant_is_refused_with_the_error_of_the_page(
    application: Connection, statement: str, messages: str, sqlstate: str
) -> None:
    with application.cursor() as cursor, pytest.raises(psycopg2.Error) as refused:
        cursor.execute(statement)
    assert refused.value.pgcode == sqlstate
    assert str(refused.value).startswith(tuple(re.findall("`([^`]+)`", messages)))


def test_a_tenant_connects_to_no_database_but_its_own(credentials: dict[str, Any]) -> None:
    """Tools that create a database connect to `postgres` first."""
    for database in ("postgres", "template1"):
        with pytest.raises(psycopg2.OperationalError, match=f'permission denied for database "{database}"'):
            psycopg2.connect(**credentials | {"dbname": database})
