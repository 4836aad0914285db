"""PostgreSQL stops in the middle of a job, has a full disk, or has no connection left; and recovers."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from psycopg2 import sql

from local.postgres import SYSTEM_USER
from local.stack import Stack
from tests.executions.running import ended, eventually, execute, seconds_between_attempts
from tests.executions.stage_faults import named
from tests.faults.jobs import new_project, problems_of, roll_back, start_job

pytestmark = pytest.mark.slow

TENANTS_ON_THE_SMALL_DISK = """
    SELECT datname FROM pg_database JOIN pg_tablespace ON pg_tablespace.oid = dattablespace
    WHERE spcname = 'small' AND datname <> 'template0'
"""


@pytest.mark.parametrize("stages_done", range(8))
def test_a_job_outlives_a_crash_of_postgresql_that_ends_before_its_next_attempt(stack: Stack, stages_done: int) -> None:
    project_id = new_project()
    with seconds_between_attempts(stack, 2.0):
        execution = start_job(stack, project_id)
        assert eventually(lambda: steps_done(stack, project_id) >= stages_done)
        stack.postgres.stop("immediate")
        stack.postgres.start()
        status = stack.wait(execution)
    assert status["status"] == "SUCCEEDED"
    assert problems_of(stack, project_id, status) == []


def test_a_job_that_postgresql_left_for_three_attempts_is_rolled_back_on_its_return(stack: Stack) -> None:
    project_id = new_project()
    execution = start_job(stack, project_id)
    assert eventually(lambda: steps_done(stack, project_id) >= 2)
    stack.postgres.stop("immediate")
    lost = ended(stack, execution)
    stack.postgres.start()
    assert (lost.status, lost.error) == ("FAILED", "FailureNotRecorded")
    assert roll_back(stack, project_id).status == "rolled_back"
    assert problems_of(stack, project_id, {"status": "FAILED"}) == []


def test_a_job_whose_execution_was_stopped_is_rolled_back_on_demand(stack: Stack) -> None:
    project_id = new_project()
    with seconds_between_attempts(stack, 1.0), stack.runtime.replaced("GenerateApiKeysFunction", unreachable):
        execution = start_job(stack, project_id)
        assert eventually(lambda: stack.clock.seconds(execution=f"job-{project_id}") == [300])
        stack.client("stepfunctions").stop_execution(executionArn=execution)
    assert stack.wait(execution)["status"] == "ABORTED"
    assert roll_back(stack, project_id).status == "rolled_back"
    assert problems_of(stack, project_id, {"status": "ABORTED"}) == []


def test_a_job_that_has_succeeded_is_not_rolled_back_on_demand(stack: Stack) -> None:
    project_id = new_project()
    status = stack.wait(start_job(stack, project_id))
    assert roll_back(stack, project_id).status == "JobClosed"
    assert problems_of(stack, project_id, status) == []


def test_a_job_outlives_a_server_that_has_no_connection_left(stack: Stack) -> None:
    project_id = new_project()
    with seconds_between_attempts(stack, 2.0):
        with every_connection_taken(stack):
            execution = start_job(stack, project_id)
            assert eventually(lambda: stack.clock.seconds(execution=f"job-{project_id}") != [])
        ended_execution = stack.wait(execution)
    assert ended_execution["status"] == "SUCCEEDED"
    assert problems_of(stack, project_id, ended_execution) == []


def test_a_job_outlives_a_full_disk_that_is_given_room(stack: Stack, full_disk: Path) -> None:
    project_id = new_project()
    with seconds_between_attempts(stack, 2.0):
        execution = start_job(stack, project_id)
        assert eventually(lambda: stack.clock.seconds(execution=f"job-{project_id}") != [])
        give_room(full_disk)
        ended_execution = stack.wait(execution)
    assert ended_execution["status"] == "SUCCEEDED"
    assert problems_of(stack, project_id, ended_execution) == []


@pytest.mark.usefixtures("full_disk")
def test_nothing_is_left_of_a_job_whose_disk_stays_full(stack: Stack) -> None:
    project_id = new_project()
    failed = ended(stack, start_job(stack, project_id))
    assert (failed.status, failed.error) == ("FAILED", "DatabaseCreationFailed")
    assert "no space left" in failed.cause.lower() or "disk" in failed.cause.lower()
    assert problems_of(stack, project_id, {"status": "FAILED"}) == []


@contextmanager
def every_connection_taken(stack: Stack) -> Iterator[None]:
    """Open connections until the server has none left, those of the warm environments among them."""
    with ExitStack() as taken:
        superuser = taken.enter_context(closing(stack.postgres.connect()))
        refused = 0
        while refused < 2:
            try:
                taken.enter_context(closing(stack.postgres.connect()))
            except psycopg2.OperationalError:
                refused += 1
                with superuser.cursor() as cursor:
                    cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename <> 'postgres'")
        yield


@pytest.fixture
def full_disk(stack: Stack) -> Iterator[Path]:
    """A disk for new databases, because template0 is on it, without room for another database."""
    disk = Path(tempfile.mkdtemp(prefix="disk-"))
    mount = ["mount", "-t", "tmpfs", "-o", "size=9m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        disk.rmdir()
        pytest.skip("only root can mount a small disk")
    shutil.chown(disk, SYSTEM_USER, SYSTEM_USER)
    disk.chmod(0o700)
    try:
        execute(stack, sql.SQL("CREATE TABLESPACE small LOCATION {}").format(sql.Literal(str(disk))))
        execute(stack, "ALTER DATABASE template0 SET TABLESPACE small")
        yield disk
    finally:
        give_room(disk)
        for (name,) in execute(stack, TENANTS_ON_THE_SMALL_DISK):
            execute(stack, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
        execute(stack, "ALTER DATABASE template0 SET TABLESPACE pg_default")
        execute(stack, "DROP TABLESPACE small")
        subprocess.run(["umount", disk], check=True)
        disk.rmdir()


def give_room(disk: Path) -> None:
    """Make the disk large enough for some databases."""
    subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)


def unreachable(event: Any, context: Any) -> Any:
    """A handler that fails."""
    raise named("Lambda.Unknown")


def steps_done(stack: Stack, project_id: str) -> int:
    """Return how many stages of the project's job have succeeded."""
    try:
        rows = execute(
            stack,
            "SELECT count(*) FROM control_plane.provisioning_steps"
            f" WHERE job_id = 'job-{project_id}' AND status = 'succeeded'",
            "control_plane",
        )
    except psycopg2.Error:
        return 0
    return int(rows[0][0])
