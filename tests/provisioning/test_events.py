"""Every end of a job, a failed project and a tenant that is gone is an event, in an order that readers can follow."""

import re
import threading
import uuid
from contextlib import closing
from typing import Any

from local.stack import Stack
from local.template import REPOSITORY
from provisioning import control_plane, events
from provisioning.jobs.provision_project import PROVISION_PROJECT
from provisioning.jobs.registry import DECLARATIONS
from provisioning.jobs.resume_project import RESUME_PROJECT
from provisioning.jobs.suspend_project import SUSPEND_PROJECT
from tests.conftest import ORGANIZATION
from tests.executions.running import payload_for, run
from tests.stages.declared_jobs import a_job_of, bring
from tests.stages.jobs import Context, execute, look_again, open_job
from upkeep.reconcile import reconcile

PAGE = (REPOSITORY / "docs" / "events.md").read_text()
INSERT = "INSERT INTO control_plane.jobs (job_id, job_type, status) VALUES (%s, 'provision_project', 'failed')"
STOP = "UPDATE control_plane.jobs SET status = 'stopped' WHERE job_id = %s"


def last_id(stack: Stack) -> int:
    ((found,),) = execute(stack, "control_plane", "SELECT coalesce(max(id), 0) FROM control_plane.events")
    return int(found)


def of(project_id: str | None = None, after: int = 0) -> list[events.RecordedEvent]:
    found = events.events_after(control_plane.connect(), after, 1_000_000)
    return [event for event in found if project_id in (None, event.project_id)]


def types(project_id: str) -> list[str]:
    return [event.type for event in of(project_id)]


def test_the_successes_of_each_type_are_events_of_the_project(stack: Stack, project_id: str) -> None:
    del stack
    for declared in (PROVISION_PROJECT, SUSPEND_PROJECT, RESUME_PROJECT):
        bring(a_job_of(declared, project_id), "succeeded")
    assert types(project_id) == ["project.provisioned", "project.suspended", "project.resumed"]


def test_a_job_that_is_rolled_back_fails_its_project_and_its_tenant_is_gone(stack: Stack, project_id: str) -> None:
    job = a_job_of(PROVISION_PROJECT, project_id)
    bring(job, "rolled_back")
    assert sorted(types(project_id)) == ["job.rolled_back", "project.failed"]
    look_again(stack, job.tenant_id)
    (*_, last) = of(project_id)
    assert (last.type, last.tenant_id, last.organization_id) == ("tenant.gone", job.tenant_id, ORGANIZATION)


def test_a_suspension_that_is_rolled_back_is_no_resumption(stack: Stack, project_id: str) -> None:
    del stack
    bring(a_job_of(PROVISION_PROJECT, project_id), "succeeded")
    bring(a_job_of(SUSPEND_PROJECT, project_id), "rolled_back")
    assert types(project_id) == ["project.provisioned", "job.rolled_back"]


def test_an_incomplete_rollback_and_its_completion_are_two_events(stack: Stack, project_id: str) -> None:
    del stack
    job = a_job_of(PROVISION_PROJECT, project_id)
    bring(job, "rollback_incomplete")
    assert types(project_id) == ["job.rollback_incomplete"]
    job.roll_back()
    assert sorted(types(project_id)[1:]) == ["job.rolled_back", "project.failed"]


def test_a_stopped_and_a_refused_job_are_events_with_their_cause(stack: Stack, project_id: str) -> None:
    job = open_job(project_id)
    execute(stack, "control_plane", STOP, job.job_id)
    refused = run(stack, payload_for(project_id))
    stopped, failed = of(project_id)
    assert (stopped.type, stopped.job_id, stopped.tenant_id) == ("job.stopped", job.job_id, job.tenant_id)
    assert (failed.type, failed.job_id, failed.error_type) == ("job.failed", refused.job_id, "PROJECT_NOT_ELIGIBLE")


def test_a_change_that_is_rolled_back_is_no_event(stack: Stack, project_id: str) -> None:
    job = open_job(project_id)
    with closing(stack.postgres.connect("control_plane")) as session, session.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute(STOP, (job.job_id,))
        cursor.execute("ROLLBACK")
    assert types(project_id) == []


def test_a_reader_misses_no_event_of_a_transaction_that_commits_later(stack: Stack) -> None:
    """The first to write waits at its commit, as if it were slow: the second gets a larger id, and is seen after it."""
    first, second, start = f"e-{uuid.uuid4().hex}", f"e-{uuid.uuid4().hex}", last_id(stack)
    with closing(stack.postgres.connect("control_plane")) as slow, slow.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute(INSERT, (first,))
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        other = threading.Thread(target=execute, args=(stack, "control_plane", INSERT, second))
        other.start()
        waits = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = %s::oid"
        ((database,),) = execute(stack, "control_plane", "SELECT oid FROM pg_database WHERE datname = 'control_plane'")
        while not execute(stack, "control_plane", waits, database) and other.is_alive():
            pass
        assert [event.job_id for event in of(after=start) if event.job_id in (first, second)] == []
        cursor.execute("COMMIT")
    other.join()
    assert [event.job_id for event in of(after=start) if event.job_id in (first, second)] == [first, second]


def test_events_are_read_in_pieces_from_the_last_id_on(stack: Stack, project_id: str) -> None:
    start = last_id(stack)
    bring(a_job_of(PROVISION_PROJECT, project_id), "rolled_back")
    whole, pieces, after = of(after=start), [], start
    while piece := events.events_after(control_plane.connect(), after, 1):
        pieces += piece
        after = piece[-1].id
    assert pieces[: len(whole)] == whole
    assert len(whole) >= 2


def test_upkeep_forgets_events_after_thirty_days_and_no_younger_ones(stack: Stack, project_id: str) -> None:
    bring(a_job_of(PROVISION_PROJECT, project_id), "rolled_back")
    age = "UPDATE control_plane.events SET recorded_at = now() - %s * interval '1 day' WHERE id = %s"
    old, young = of(project_id)
    execute(stack, "control_plane", age, events.DAYS + 1, old.id)
    execute(stack, "control_plane", age, events.DAYS - 1, young.id)
    reconcile({}, Context())
    assert [event.id for event in of(project_id)] == [young.id]


def test_every_status_in_which_a_job_has_ended_has_an_event(stack: Stack) -> None:
    check = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'jobs_status_check'"
    ((definition,),) = execute(stack, "control_plane", check)
    ended = set(re.findall(r"'(\w+)'", definition)) - {"pending", "running"}
    assert {f"job.{status}" for status in ended} <= set(events.TYPES)
    assert {declared.event for declared in DECLARATIONS.values()} <= set(events.TYPES)


def rows(heading: str) -> list[tuple[Any, ...]]:
    """The rows of the page's table that begins with this heading."""
    table = PAGE.partition(f"| {heading} | ")[2].partition("\n\n")[0]
    return re.findall(r"^\| `([\w.]+)` \| (.*) \|$", table, re.MULTILINE)


def test_the_page_has_every_type_with_what_has_happened() -> None:
    assert dict(rows("type")) == dict(events.TYPES)


def test_the_page_has_every_field_of_an_event() -> None:
    assert [name for name, _ in rows("field")] == list(events.RecordedEvent._fields)
