"""The connections that a job opens in a warm environment."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from local.stack import Stack
from provisioning import postgres
from stages.activation import finalize
from tests.conftest import NewProject
from tests.stages.jobs import open_job, refilled


@contextmanager
def databases_connected_to() -> Iterator[list[str]]:
    """Record the database of every connection that the functions open."""
    real, noted = postgres.connect, []

    def connect(document: Mapping[str, Any], *, dbname: str | None = None, **options: Any) -> Any:
        noted.append(dbname or document["dbname"])
        return real(document, dbname=dbname, **options)

    with patch.object(postgres, "connect", connect):
        yield noted


def test_a_warm_environment_opens_none_but_those_to_the_tenants_own_database(
    stack: Stack, new_project: NewProject
) -> None:
    """Both with the issued credentials: the schema is made over them, and "Finalize" proves them."""
    open_job(new_project()).run_until(finalize)
    with databases_connected_to() as noted:
        job = open_job(new_project())
        job.run_until(finalize)
    assert noted == [job.names.database] * 2


def test_from_the_pool_a_job_opens_none_but_the_one_that_proves_its_credentials(
    stack: Stack, new_project: NewProject
) -> None:
    open_job(new_project()).run_until(finalize)
    with refilled(stack), databases_connected_to() as noted:
        job = open_job(new_project())
        job.run_until(finalize)
    assert noted == [job.names.database]
