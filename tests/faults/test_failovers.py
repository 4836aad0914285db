"""A server that becomes read-only, is demoted, or is replaced by another while jobs run."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg2
import pytest

from local.postgres import PostgresServer
from local.stack import Stack
from provisioning.errors import ControlPlaneUnavailable, DatabaseCreationFailed
from stages.database import create_database
from tests.cli.examining import changed_secret
from tests.executions.running import eventually, execute, seconds_between_attempts
from tests.faults.jobs import new_project, problems_of, start_job
from tests.faults.test_outages import steps_done
from tests.stages.jobs import lambda_environment, open_job

pytestmark = pytest.mark.slow

CONTROL_PLANE = "provisioner/control-plane"


@contextmanager
def read_only(stack: Stack) -> Iterator[None]:
    """Make the server read-only, as before a planned failover, with the sessions that it has."""
    execute(stack, "ALTER SYSTEM SET default_transaction_read_only = on")
    execute(stack, "SELECT pg_reload_conf()")
    assert eventually(lambda: execute(stack, "SHOW default_transaction_read_only") == [("on",)])
    try:
        yield
    finally:
        execute(stack, "ALTER SYSTEM RESET default_transaction_read_only")
        execute(stack, "SELECT pg_reload_conf()")
        assert eventually(lambda: execute(stack, "SHOW default_transaction_read_only") == [("off",)])


@contextmanager
def demoted(stack: Stack) -> Iterator[None]:
    """Make the server a hot standby, and promote it again."""
    data = stack.postgres.directory / "data"
    stack.postgres.stop()
    (data / "standby.signal").touch()
    stack.postgres.start()
    assert execute(stack, "SELECT pg_is_in_recovery()") == [(True,)]
    try:
        yield
    finally:
        assert execute(stack, "SELECT pg_promote()") == [(True,)]


@pytest.mark.parametrize("stages_done", [0, 3, 6])
def test_3_of_3_jobs_succeed_after_a_second_in_which_the_server_is_read_only(stack: Stack, stages_done: int) -> None:
    projects = [new_project() for _ in range(3)]
    with seconds_between_attempts(stack, 2.0):
        executions = [start_job(stack, project_id) for project_id in projects]
        assert eventually(lambda: all(steps_done(stack, project_id) >= stages_done for project_id in projects))
        with read_only(stack):
            assert eventually(lambda: all(waits_or_has_ended(stack, execution) for execution in executions))
        outcomes = [stack.wait(execution) for execution in executions]
    assert [outcome["status"] for outcome in outcomes] == ["SUCCEEDED"] * 3
    assert [problems_of(stack, *each) for each in zip(projects, outcomes, strict=True)] == [[]] * 3


def test_a_job_outlives_a_server_that_is_a_standby_until_it_is_promoted(stack: Stack) -> None:
    project_id = new_project()
    with seconds_between_attempts(stack, 2.0):
        with demoted(stack):
            execution = start_job(stack, project_id)
            assert eventually(lambda: waits_or_has_ended(stack, execution))
        outcome = stack.wait(execution)
    assert outcome["status"] == "SUCCEEDED"
    assert problems_of(stack, project_id, outcome) == []


def test_a_standby_is_refused_by_name(stack: Stack) -> None:
    job = open_job(new_project())
    with demoted(stack), lambda_environment(), pytest.raises(ControlPlaneUnavailable, match="the server is read-only"):
        job.run(create_database)
    assert job.run(create_database)["name"] == job.names.database


def test_an_environment_with_sessions_to_a_replaced_server_proceeds_on_the_new_one(
    stack: Stack, tmp_path: Path
) -> None:
    with lambda_environment():
        open_job(new_project()).run(create_database)
        job = open_job(new_project())
        with replaced(stack, tmp_path / "replacement") as successor:
            # The control plane's session is replaced at once. The cluster's first acquires a lock, which a read-only
            # server permits.
            with pytest.raises(DatabaseCreationFailed, match="25006"):
                job.run(create_database)
            job.run(create_database)
            with closing(successor.connect(job.names.database)):
                pass
        with pytest.raises(psycopg2.OperationalError, match="does not exist"):
            stack.postgres.connect(job.names.database)
        job.roll_back()


@contextmanager
def replaced(stack: Stack, directory: Path) -> Iterator[PostgresServer]:
    """Make the server read-only, and another one of its present content the control plane and the cluster."""
    successor = copied(stack.postgres, directory)
    with read_only(stack), successor:
        with closing(successor.connect("control_plane")) as superuser, superuser.cursor() as cursor:
            cursor.execute("UPDATE control_plane.clusters SET port = %s", (successor.port,))
        with changed_secret(stack, CONTROL_PLANE, port=successor.port):
            yield successor


def copied(server: PostgresServer, directory: Path) -> PostgresServer:
    """Copy a running server, as pg_basebackup does; its files keep their owner."""
    data, copy = server.directory / "data", directory / "data"
    directory.mkdir()
    with closing(server.connect()) as superuser, superuser.cursor() as cursor:
        cursor.execute("SELECT pg_backup_start('copy', fast => true)")
        # Files that vanish on the way are not needed.
        subprocess.run(["cp", "-a", data, copy], capture_output=True, check=False)
        cursor.execute("SELECT labelfile FROM pg_backup_stop(false)")
        ((label,),) = cursor.fetchall()
    shutil.rmtree(copy / "pg_wal")
    subprocess.run(["cp", "-a", data / "pg_wal", server.directory / "superuser.password", directory], check=True)
    (directory / "pg_wal").rename(copy / "pg_wal")
    (copy / "postmaster.pid").unlink()
    # A file of the same owner, with another content.
    subprocess.run(["cp", "-a", copy / "PG_VERSION", copy / "backup_label"], check=True)
    (copy / "backup_label").write_text(label)
    return PostgresServer(directory, fsync=False)


def waits_or_has_ended(stack: Stack, execution: str) -> bool:
    """Return whether an attempt of the execution has failed, or all have succeeded."""
    described = stack.client("stepfunctions").describe_execution(executionArn=execution)
    return stack.clock.seconds(execution=described["name"]) != [] or described["status"] != "RUNNING"
