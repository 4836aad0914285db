"""The lists of the execution view: what they find, and that a page costs as much over 10,000 rows as over 10."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from local.postgres import PostgresServer
from provisioning import listing, overview
from provisioning.control_plane import ControlPlane
from provisioning.listing import Place
from provisioning.overview import JobRow, Wanted
from provisioning.queries import Query
from upkeep.migrate import MIGRATIONS

PAGE = 25
JOBS = """
    INSERT INTO control_plane.projects (project_id, organization_id, owner_id, region, created_at)
    SELECT 'p-' || n, 'org', 'owner', 'us-east-1', now() - n * interval '1 second'
    FROM generate_series(1, %(many)s) AS n;
    INSERT INTO control_plane.jobs (job_id, job_type, project_id, status, created_at)
    SELECT 'job-' || n, 'provision_project', 'p-' || n,
           CASE WHEN n %% 1000 = 3 THEN 'rollback_incomplete' ELSE 'succeeded' END, now() - n * interval '1 second'
    FROM generate_series(1, %(many)s) AS n;
    INSERT INTO control_plane.jobs (job_id, job_type, project_id, status, current_stage, created_at)
    SELECT 'open-' || n, 'suspend_project', 'p-' || n, 'running',
           CASE WHEN n = 1 THEN 'finalizing' ELSE 'initializing' END, now() - 1 * interval '1 day'
    FROM generate_series(1, 4) AS n;
    INSERT INTO control_plane.provisioning_steps (job_id, stage, position, status, attempt, completed_at, error_message)
    VALUES ('open-1', 'finalizing', 1, 'failed', 2, now(), 'not now'),
           ('open-2', 'initializing', 0, 'running', 1, NULL, NULL);
"""


@pytest.fixture(scope="module")
def planes(server: PostgresServer) -> Iterator[dict[int, ControlPlane]]:
    """A control plane over ten jobs and projects, and one over ten thousand; both have four unfinished jobs besides."""
    with ExitStack() as undo:
        superuser = undo.enter_context(closing(server.connect()))
        yield {many: undo.enter_context(_plane(server, superuser, many)) for many in (10, 10_000)}


@contextmanager
def _plane(server: PostgresServer, superuser: Connection, many: int) -> Iterator[ControlPlane]:
    with superuser.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE plane_{many}")
        with closing(server.connect(f"plane_{many}")) as session, session.cursor() as filling:
            for file in sorted(MIGRATIONS.glob("*.sql")):
                filling.execute(file.read_text())
            filling.execute(JOBS, {"many": many})
            filling.execute("VACUUM ANALYZE control_plane.jobs, control_plane.projects")
            yield ControlPlane(session)
        cursor.execute(f"DROP DATABASE plane_{many} WITH (FORCE)")


def names(rows: Sequence[JobRow]) -> list[str]:
    return [row.job_id for row in rows]


def blocks_read(control: ControlPlane, query: Query, asked: Mapping[str, object]) -> int:
    """Blocks that a query touches, in memory or not."""
    with control.connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {query.text}", asked)
        ((plan,),) = cursor.fetchall()
    return int(plan[0]["Plan"]["Shared Hit Blocks"] + plan[0]["Plan"]["Shared Read Blocks"])


NEWEST = {"after": None, "after_name": None, "most": PAGE}
ANY_JOB = {**Wanted()._asdict(), **NEWEST}
ANY_PROJECT = {"status": None, "search": None, **NEWEST}
LATER = {"after": datetime.now(UTC) - timedelta(hours=1), "after_name": "x"}


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("find_listed_jobs", ANY_JOB),
        ("find_listed_jobs", {**ANY_JOB, **LATER}),
        ("find_listed_jobs", {**ANY_JOB, "is_waiting": True}),
        ("find_listed_jobs", {**ANY_JOB, "status": "rollback_incomplete"}),
        ("find_listed_jobs", {**ANY_JOB, "project_id": "p-9999"}),
        ("find_listed_jobs", {**ANY_JOB, "standing_at": "finalizing"}),
        ("find_standing", {}),
        ("find_listed_projects", ANY_PROJECT),
        ("find_listed_projects", {**ANY_PROJECT, **LATER}),
    ],
)
def test_a_page_of_ten_thousand_reads_as_little_as_a_page_of_ten(
    planes: dict[int, ControlPlane], name: str, asked: Mapping[str, object]
) -> None:
    read = blocks_read(planes[10_000], overview.QUERIES[name], asked)
    assert read <= blocks_read(planes[10], overview.QUERIES[name], asked) + 5 * PAGE


@pytest.mark.parametrize(("name", "asked"), [("find_jobs", "jobs"), ("find_projects", "projects")])
def test_a_page_of_the_api_reads_as_little(planes: dict[int, ControlPlane], name: str, asked: str) -> None:
    filters = dict.fromkeys(("project_id", "job_type", "status", "outcome")) | NEWEST
    read = blocks_read(planes[10_000], listing.QUERIES[name], filters)
    assert read <= 3 * PAGE, asked


def test_every_job_is_on_one_page_and_only_one(planes: dict[int, ControlPlane]) -> None:
    seen: list[str] = []
    after = None
    while True:
        rows = overview.find_jobs(planes[10], 4, Wanted(), after)
        seen += names(rows[:4])
        if len(rows) <= 4:
            break
        after = Place(rows[3].created_at, rows[3].job_id)
    assert sorted(seen) == sorted([*(f"job-{n}" for n in range(1, 11)), *(f"open-{n}" for n in range(1, 5))])


def test_only_a_job_whose_failed_stage_nothing_runs_after_waits(planes: dict[int, ControlPlane]) -> None:
    (found,) = overview.find_jobs(planes[10_000], PAGE, Wanted(is_waiting=True))
    assert (found.job_id, found.waiting_stage, found.waiting_after, found.waiting_for) == (
        "open-1",
        "finalizing",
        2,
        "not now",
    )
    (other,) = overview.find_jobs(planes[10], PAGE, Wanted(search="open-2"))
    assert other.waiting_stage is None


def test_a_search_finds_a_part_of_any_job_however_old(planes: dict[int, ControlPlane]) -> None:
    assert names(overview.find_jobs(planes[10_000], PAGE, Wanted(search="B-9999"))) == ["job-9999"]
    assert names(overview.find_jobs(planes[10_000], PAGE, Wanted(search="P-9998"))) == ["job-9998"]
    (project,) = overview.find_projects(planes[10_000], PAGE, status=None, search="p-9997")
    assert (project.project_id, project.job_id) == ("p-9997", "job-9997")


def test_filters_meet(planes: dict[int, ControlPlane]) -> None:
    control = planes[10_000]
    assert len(overview.find_jobs(control, PAGE, Wanted(status="rollback_incomplete"))) == 10
    assert names(overview.find_jobs(control, PAGE, Wanted(job_type="suspend_project", project_id="p-3"))) == ["open-3"]
    assert overview.find_jobs(control, PAGE, Wanted(status="failed", project_id="p-3")) == []


def test_unfinished_jobs_are_counted_by_their_stage(planes: dict[int, ControlPlane]) -> None:
    assert overview.find_standing(planes[10_000]) == [("initializing", 3), ("finalizing", 1)]
