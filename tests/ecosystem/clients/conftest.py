"""Tenants of whole jobs, and the clients that are run with what was issued to them."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local.stack import Stack
from tests.conftest import NewProject
from tests.ecosystem.clients.running import DEBIAN_13, NODE_PROGRAMS, PROGRAMS, PYTHON, Run, missing, run_client, url_of
from tests.ecosystem.clients.running import postgres_programs as found_programs
from tests.executions.running import payload_for, run

Credentials = dict[str, Any]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip tests of clients that are not on this machine, before they start anything. In CI they fail."""
    for needed in getattr(item, "fixturenames", ()):
        if line := missing(needed):
            (pytest.fail if os.environ.get("CI") else pytest.skip)(line)


@pytest.fixture
def provision(stack: Stack, new_project: NewProject) -> Callable[[], Credentials]:
    """Provision a project by a whole job, and return the credentials that were issued to it."""

    def provisioned() -> Credentials:
        ran = run(stack, payload_for(new_project()))
        assert ran.status == "SUCCEEDED", ran.cause
        answer = stack.client("secretsmanager").get_secret_value(SecretId=ran.output["secret_arn"])
        credentials: Credentials = json.loads(answer["SecretString"])
        return credentials

    return provisioned


@pytest.fixture
def document(provision: Callable[[], Credentials]) -> Credentials:
    """The credentials of a fresh tenant."""
    return provision()


@pytest.fixture
def url(document: Credentials) -> str:
    """The credentials of a fresh tenant, as DATABASE_URL."""
    return url_of(document)


@pytest.fixture
def second_url(provision: Callable[[], Credentials]) -> str:
    """The credentials of another fresh tenant."""
    return url_of(provision())


@pytest.fixture
def run_python(tmp_path: Path) -> Run:
    """Run a program of programs/ with the Python clients, warnings as errors, and return what it printed."""

    def ran(program: str, url: str, *arguments: str) -> str:
        # Alembic's own environment leaves a connection to the collector.
        command: list[str | Path] = [
            PYTHON,
            "-W",
            "error",
            "-W",
            "ignore::ResourceWarning",
            PROGRAMS / program,
            *arguments,
        ]
        return run_client(command, url, tmp_path).stdout

    return ran


@pytest.fixture
def run_node(tmp_path: Path) -> Run:
    """Run a program of programs/ with Node.js, or one that npm has installed, and return what it printed."""

    def ran(program: str, url: str, *arguments: str, **environment: str) -> str:
        if program.endswith(".mjs"):
            command: list[str | Path] = ["node", "--unhandled-rejections=strict", PROGRAMS / program, *arguments]
        else:
            command = [NODE_PROGRAMS / program, *arguments]
        return run_client(command, url, tmp_path, environment).stdout

    return ran


@pytest.fixture(scope="session")
def postgres_programs() -> dict[int, Path]:
    """The folders with psql, pg_dump and pg_restore, by major version."""
    return found_programs()


@pytest.fixture(params=["of this machine", "of Debian 13"])
def pgbouncer(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have each pgbouncer that is tried on the PATH: before 1.21, and since."""
    if request.param == "of Debian 13":
        monkeypatch.setenv("PATH", f"{DEBIAN_13 / 'bin'}{os.pathsep}{os.environ['PATH']}")
