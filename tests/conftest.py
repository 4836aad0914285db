"""The stack that the tests of whole executions, stages and faults share, and the projects in it."""

import shutil
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing
from unittest.mock import patch

import hypothesis
import pytest

from cli import given
from local.stack import Stack
from provisioning import observability
from tests.other_server import chosen
from tests.sampling import sampled

# How long one example takes says more about the machine's load than about the code.
hypothesis.settings.register_profile("provisioner", deadline=None)
hypothesis.settings.load_profile("provisioner")

TIME_SCALE = 0.0001
LONGEST_FILE_SECONDS = 10.0
ORGANIZATION = "org-test"
OWNER = "user-test"
REGION = "us-east-1"
UNLIMITED = """
    ALTER TABLE control_plane.organizations ALTER COLUMN projects SET DEFAULT 1000000,
        ALTER COLUMN jobs_an_hour SET DEFAULT 1000000, ALTER COLUMN storage_gb SET DEFAULT 100000000;
    UPDATE control_plane.organizations SET projects = DEFAULT, jobs_an_hour = DEFAULT, storage_gb = DEFAULT
"""
"""A test's organization may have as much as all tests of a run need."""

NewProject = Callable[..., str]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the files that need the stack last: moto's backends and the interpreter's clock are one per process, and the
    tests before it use them for themselves. SAMPLE=NUMBER and SAMPLE_FAST=NUMBER leave out most.
    """
    items[:] = sampled(items)
    sharing = {item.path for item in items if "stack" in getattr(item, "fixturenames", ())}
    items.sort(key=lambda item: item.path in sharing)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List the files that take too long for `make test`: they must be marked slow, or split."""
    seconds: dict[str, float] = defaultdict(float)
    for report in (one for reports in terminalreporter.stats.values() for one in reports):
        if isinstance(report, pytest.TestReport):
            seconds[report.nodeid.partition("::")[0]] += report.duration
    for file, took in sorted(seconds.items()):
        if took > LONGEST_FILE_SECONDS:
            terminalreporter.write_line(f"{took:5.0f} s in {file}")


@pytest.fixture(autouse=True)
def nothing_given() -> None:
    """Forget the options of a command that another test has run: a hint repeats them."""
    given.forget()


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A running stack in which 300 seconds between attempts take 0.03, and whose server logs every statement.

    POSTGRES=DIRECTORY chooses the programs of its server, of any major version since 15.
    """
    directory = tmp_path_factory.mktemp("stack")
    with (
        patch("local.stack.PostgresServer", chosen()),
        Stack(directory, time_scale=TIME_SCALE, fsync=False) as running,
    ):
        with closing(running.postgres.connect("control_plane")) as superuser, superuser.cursor() as cursor:
            cursor.execute("ALTER SYSTEM SET log_statement = 'all'")
            cursor.execute("SELECT pg_reload_conf()")
            cursor.execute("UPDATE control_plane.clusters SET capacity = 100000")
            cursor.execute(UNLIMITED)
        # A logger keeps the stdout that it was made with, and after a fixture pytest puts its own back: made by the
        # first test that runs a handler, it would write past the stack's logs.
        observability.logger()
        yield running
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def new_project(stack: Stack) -> NewProject:
    """Make a project that is not provisioned, and return its id, which no other test uses."""

    def make(region: str = REGION) -> str:
        project_id = f"p-{uuid.uuid4().hex[:12]}"
        with closing(stack.postgres.connect("control_plane")) as superuser, superuser.cursor() as cursor:
            cursor.execute(
                "INSERT INTO control_plane.projects (project_id, organization_id, owner_id, region)"
                " VALUES (%s, %s, %s, %s)",
                (project_id, ORGANIZATION, OWNER, region),
            )
        return project_id

    return make


@pytest.fixture
def project_id(new_project: NewProject) -> str:
    """The id of a project that is not provisioned."""
    return new_project()
