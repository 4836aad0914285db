"""A lock never outlives the attempt that acquired it: not in a session whose claim failed, not without a deadline."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from unittest.mock import patch

import psycopg2
import pytest
from psycopg2 import sql

from local.stack import Stack
from provisioning import control_plane
from provisioning.cluster import register
from provisioning.cluster import session as sessions
from provisioning.control_plane import connection, locks
from provisioning.errors import ControlPlaneUnavailable, DatabaseCreationFailed, FinalizationFailed, StageInProgress
from stages.database import create_database, drop_database
from tests.stages.jobs import StagedJob, execute, lambda_environment, refill, wait_until_free
from tests.stages.test_superseded_attempts import known

STATES = ("57014", "40001", "40P01", "53100", "55P03", "25006")
LOCK = "SELECT pg_advisory_lock(hashtextextended(%s, 0))"
HELD = """
    SELECT count(*) FROM pg_locks, LATERAL (SELECT hashtextextended(%s, 0) AS value) AS key
    WHERE locktype = 'advisory' AND granted AND database = (SELECT oid FROM pg_database WHERE datname = %s)
        AND classid::bigint = (value >> 32) & 4294967295 AND objid::bigint = value & 4294967295
"""


@contextmanager
def refused_claims(stack: Stack, job: StagedJob, state: str) -> Iterator[None]:
    """Let PostgreSQL answer every claim of a stage of the job with this SQLSTATE."""
    refusal = """
        CREATE FUNCTION public.refuse_claim() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION 'made by a test' USING ERRCODE = {state}; END $$;
        CREATE TRIGGER refused BEFORE UPDATE ON control_plane.provisioning_steps
            FOR EACH ROW WHEN (NEW.job_id = {job_id}) EXECUTE FUNCTION public.refuse_claim()
    """
    names = {"state": sql.Literal(state), "job_id": sql.Literal(job.job_id)}
    execute(stack, "control_plane", sql.SQL(refusal).format(**names))
    try:
        yield
    finally:
        execute(stack, "control_plane", "DROP FUNCTION public.refuse_claim() CASCADE")


@pytest.mark.parametrize("state", STATES)
def test_the_next_attempt_proceeds_after_a_claim_that_the_server_refused(
    stack: Stack, job: StagedJob, state: str
) -> None:
    with lambda_environment():
        with refused_claims(stack, job, state), pytest.raises(ControlPlaneUnavailable, match=state):
            job.run(create_database)
        wait_until_free(stack, "control_plane", f"{job.job_id}/creating_database")
        with lambda_environment():
            assert job.run(create_database)["name"] == job.names.database


def test_the_next_attempt_proceeds_after_a_claim_that_waited_too_long_for_the_jobs_row(
    stack: Stack, job: StagedJob
) -> None:
    with lambda_environment(), patch.object(connection, "STATEMENT_TIMEOUT_SECONDS", 0.3):
        with closing(stack.postgres.connect("control_plane")) as other, other.cursor() as cursor:
            cursor.execute("BEGIN; SELECT FROM control_plane.jobs WHERE job_id = %s FOR UPDATE", (job.job_id,))
            with pytest.raises(ControlPlaneUnavailable, match="57014"):
                job.run(create_database)
        wait_until_free(stack, "control_plane", f"{job.job_id}/creating_database")
        with lambda_environment():
            assert job.run(create_database)["name"] == job.names.database


def test_the_environment_whose_claim_failed_makes_the_next_attempt_over_a_new_session(
    stack: Stack, job: StagedJob
) -> None:
    with lambda_environment():
        before = control_plane.connect().connection.info.backend_pid
        with refused_claims(stack, job, "40001"), pytest.raises(ControlPlaneUnavailable):
            job.run(create_database)
        job.run(create_database)
        assert control_plane.connect().connection.info.backend_pid != before


@contextmanager
def holder_of(key: str, application_name: str) -> Iterator[psycopg2.extensions.connection]:
    """A session of the control plane's role that holds a lock and has this application_name."""
    with lambda_environment():
        session = control_plane.connect().connection
        with session.cursor() as cursor:
            cursor.execute(LOCK, (key,))
            cursor.execute("SELECT set_config('application_name', %s, false)", (application_name,))
    with closing(session):
        yield session


TAKERS: dict[str, tuple[str, Callable[[StagedJob], object]]] = {
    "a stage": ("{}/creating_database", lambda job: job.run(create_database)),
    "a compensation": ("{}/creating_schema", lambda job: job.run(drop_database)),
    "a refill": ("pool of local", lambda _job: refill(0)),
}
every_lock = pytest.mark.parametrize(("key", "act"), TAKERS.values(), ids=TAKERS)


@every_lock
@pytest.mark.parametrize("name", ["provisioner", "provisioner until 1"], ids=["without a deadline", "past it"])
def test_a_holder_without_time_left_is_superseded(
    stack: Stack, job: StagedJob, key: str, act: Callable[[StagedJob], object], name: str
) -> None:
    with holder_of(key.format(job.job_id), name) as session:
        act(job)
        with pytest.raises(psycopg2.OperationalError), session.cursor() as cursor:
            cursor.execute("SELECT")
    assert execute(stack, "postgres", HELD, key.format(job.job_id), "control_plane") == [(0,)]


@pytest.mark.parametrize("name", ["psql", "provisioner until 99999999999", "provisioner-local"])
def test_the_session_of_an_operator_or_of_an_attempt_within_its_time_is_not_ended(
    stack: Stack, job: StagedJob, name: str
) -> None:
    key = f"{job.job_id}/creating_database"
    with holder_of(key, name) as session:
        with pytest.raises(StageInProgress):
            job.run(create_database)
        with session.cursor() as cursor:
            cursor.execute("SELECT")
    wait_until_free(stack, "control_plane", key)
    job.run(create_database)


def test_whoever_holds_a_lock_has_published_its_deadline_before(stack: Stack, job: StagedJob) -> None:
    """The lock is acquired in a transaction that finds the deadline committed."""
    seen = "SELECT application_name FROM pg_stat_activity WHERE pid = %s"
    with lambda_environment(), refused_claims(stack, job, "40001"), patch.object(locks, "close_kept"):
        with pytest.raises(ControlPlaneUnavailable):
            job.run(create_database)
        pid = connection._environment.connection.info.backend_pid
        ((name,),) = execute(stack, "postgres", seen, pid)
        connection._environment.connection.close()
    assert name.startswith("provisioner until ")


def test_a_tenants_lock_that_an_operator_holds_is_waited_for(stack: Stack, job: StagedJob) -> None:
    with closing(stack.postgres.connect(sessions.REGISTER)) as superuser, superuser.cursor() as cursor:
        cursor.execute(LOCK, (job.tenant_id,))
        with pytest.raises(DatabaseCreationFailed, match="another session holds the tenant's lock"):
            job.run(create_database)
        cursor.execute("SELECT")
    assert job.run(create_database)["name"] == job.names.database


def test_a_round_trip_on_the_cluster_that_fails_leaves_no_lock(stack: Stack, job: StagedJob) -> None:
    tenant, _ = known(job)

    def first(session: psycopg2.extensions.connection) -> None:
        register.lock(session, tenant.names)
        raise FinalizationFailed("made by a test")

    with lambda_environment():
        for _ in range(2):
            with pytest.raises(FinalizationFailed):
                sessions.on(tenant.cluster, first)
            assert execute(stack, "postgres", HELD, tenant.tenant_id, sessions.REGISTER) == [(0,)]
