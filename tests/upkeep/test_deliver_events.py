"""Every event reaches the event bus at least once, with its event_id and in order, whatever dies."""

import io
import json
import re
from contextlib import closing, redirect_stdout
from typing import Any
from unittest.mock import patch

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from local.stack import Stack
from local.template import REPOSITORY
from provisioning import delivery
from provisioning.aws import event_bus
from provisioning.control_plane import connection
from provisioning.errors import ControlPlaneUnavailable
from provisioning.jobs.provision_project import PROVISION_PROJECT
from provisioning.jobs.suspend_project import SUSPEND_PROJECT
from tests.conftest import ORGANIZATION
from tests.executions.running import payload_for
from tests.stages.declared_jobs import a_job_of, bring
from tests.stages.jobs import Died, at_once, dying, execute, lambda_environment, wait_until_free
from tests.upkeep.delivering import deliver, ids, make, received, recorded, waiting
from tests.upkeep.event_bus import Queue, requests, rule
from upkeep.deliver_events import deliver_events

pytestmark = pytest.mark.usefixtures("nothing_waits")


def test_an_event_arrives_as_the_page_describes_it_and_once(stack: Stack, project_id: str, queue: Queue) -> None:
    bring(a_job_of(PROVISION_PROJECT, project_id), "succeeded")
    assert deliver() == {"delivered": 1, "refused": {}, "busy": False}
    (arrived,) = queue.received()
    (event,) = recorded(project_id)
    assert (arrived["source"], arrived["detail-type"]) == ("provisioner", "project.provisioned")
    assert arrived["detail"] == event.as_document()
    assert arrived["time"] == event.recorded_at.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert deliver()["delivered"] == 0
    assert queue.received() == []
    assert waiting(stack, project_id) == 0


def test_the_end_of_an_execution_has_its_events_delivered(stack: Stack, project_id: str, queue: Queue) -> None:
    assert stack.run(payload_for(project_id))["status"] == "SUCCEEDED"
    assert received(queue) == ids(project_id)
    assert len(ids(project_id)) == 1


def test_events_arrive_in_order_in_requests_of_ten(stack: Stack, project_id: str, queue: Queue) -> None:
    make(stack, project_id, 25)
    with requests() as sent:
        assert deliver()["delivered"] == 25
    assert [len(one) for one in sent] == [10, 10, 5]
    assert received(queue) == ids(project_id)


def test_a_request_is_smaller_than_the_bus_takes(stack: Stack, project_id: str) -> None:
    """Of 100 kB, two fit into 256 KB; one of 300 kB is sent alone, and the bus decides."""
    make(stack, project_id, 5, text="é" * 50_000)
    make(stack, project_id, 2, text="x" * 300_000)
    with requests() as sent:
        deliver()
    assert [len(one) for one in sent] == [2, 2, 1, 1, 1]
    assert all(sum(map(event_bus.size_of, one)) < event_bus.MOST_BYTES for one in sent[:3])


def test_an_entry_has_the_size_that_aws_computes() -> None:
    entry = {"Source": "é", "DetailType": "abc", "Detail": "{}", "Time": 0}
    assert event_bus.size_of(entry) == 2 + 3 + 2 + 14


def test_a_run_that_dies_after_the_bus_has_taken_an_event_delivers_it_twice(
    stack: Stack, project_id: str, queue: Queue
) -> None:
    make(stack, project_id, 1)
    with lambda_environment(), pytest.raises(Died), dying(event_bus, "put", after=True):
        deliver()
    assert deliver()["delivered"] == 1
    (event_id,) = ids(project_id)
    assert received(queue) == [event_id, event_id]


def test_a_run_that_cannot_record_what_it_has_delivered_delivers_it_twice(
    stack: Stack, project_id: str, queue: Queue
) -> None:
    """Its session ends while the bus answers: it has lost the lock, and must not record anything over another one."""
    make(stack, project_id, 1)
    real = event_bus.put

    def put(entries: list[event_bus.Entry]) -> list[event_bus.Answer]:
        answers = real(entries)
        execute(stack, "control_plane", "SELECT pg_terminate_backend(%s, 5000)", kept().info.backend_pid)
        return answers

    with patch.object(event_bus, "put", put), pytest.raises(ControlPlaneUnavailable):
        deliver()
    assert waiting(stack, project_id) == 1
    assert deliver()["delivered"] == 1
    (event_id,) = ids(project_id)
    assert received(queue) == [event_id, event_id]


def kept() -> Connection:
    found: Connection = connection._environment.connection
    return found


def test_two_runs_at_once_deliver_each_event_once(stack: Stack, project_id: str, queue: Queue) -> None:
    make(stack, project_id, 40)
    done = at_once(deliver, deliver, deliver)
    assert sum(one["delivered"] for one in done if isinstance(one, dict)) == 40
    assert received(queue) == ids(project_id)


def test_a_run_leaves_the_events_to_one_that_is_at_work(stack: Stack, project_id: str, queue: Queue) -> None:
    make(stack, project_id, 1)
    lock = "SELECT set_config('application_name', 'provisioner until 99999999999', false),"
    lock += " pg_advisory_lock(hashtextextended(%s, 0))"
    with closing(stack.postgres.connect("control_plane")) as other, other.cursor() as cursor:
        cursor.execute(lock, (delivery.LOCK,))
        assert deliver() == {"delivered": 0, "refused": {}, "busy": True}
    assert queue.received() == []
    wait_until_free(stack, "control_plane", delivery.LOCK)
    assert deliver()["delivered"] == 1


def test_a_run_ends_in_time_and_the_next_one_continues(stack: Stack, project_id: str, queue: Queue) -> None:
    class LastMoment:
        def get_remaining_time_in_millis(self) -> int:
            return 10_000

    make(stack, project_id, 1)
    assert deliver_events({}, LastMoment())["delivered"] == 0
    assert deliver()["delivered"] == 1
    assert received(queue) == ids(project_id)


def test_each_run_says_how_long_the_oldest_event_has_waited(stack: Stack, project_id: str) -> None:
    make(stack, project_id, 1, event_type="")
    execute(
        stack,
        "control_plane",
        "UPDATE control_plane.events SET recorded_at = now() - interval '1 hour' WHERE project_id = %s",
        project_id,
    )
    with redirect_stdout(io.StringIO()) as output:
        deliver()
        execute(stack, "control_plane", "DELETE FROM control_plane.events WHERE project_id = %s", project_id)
        deliver()
    lines = [json.loads(line) for line in output.getvalue().splitlines() if "OldestUndeliveredEvent" in line]
    (late,), (none,) = (line["OldestUndeliveredEvent"] for line in lines)
    assert 3600 <= late < 4200
    assert none == 0


def test_the_pattern_of_the_page_chooses_its_types_of_one_organization(stack: Stack, project_id: str) -> None:
    page = (REPOSITORY / "docs" / "events.md").read_text()
    (text,) = re.findall(r"^```json\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    pattern: dict[str, Any] = json.loads(text)
    pattern["detail"]["organization_id"] = [ORGANIZATION]
    with rule(stack, pattern) as ours, rule(stack, json.loads(text)) as theirs:
        for declared in (PROVISION_PROJECT, SUSPEND_PROJECT):
            bring(a_job_of(declared, project_id), "succeeded")
        make(stack, project_id, 1)
        assert deliver()["delivered"] == 3
        assert [event["detail-type"] for event in ours.received()] == pattern["detail-type"]
        assert theirs.received() == []
