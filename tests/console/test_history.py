"""A history is read as far as it goes."""

from datetime import UTC, datetime

from console.definition import read_definition
from console.gantt import gantt
from console.history import RUNNING, read_history
from console.stages import Stages
from console.timeline import Status
from provisioning.jobs.provision_project import PROVISION_PROJECT
from tests import shipped

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_an_execution_whose_history_has_no_event_yet_is_one_that_has_all_before_it() -> None:
    timeline = read_history(read_definition(shipped.definition()), Stages(PROVISION_PROJECT), [], RUNNING, NOW)
    assert (timeline.started_at, timeline.ended_at, timeline.order, timeline.attempts) == (NOW, None, (), 0)
    assert timeline.states["Verify project"].status is Status.WAITING
    assert gantt(timeline, NOW).rows == []


def test_an_execution_that_ended_without_an_event_is_one_that_did_nothing() -> None:
    timeline = read_history(read_definition(shipped.definition()), Stages(PROVISION_PROJECT), [], "ABORTED", NOW)
    assert timeline.ended_at == NOW
    assert {run.status for run in timeline.states.values()} == {Status.SKIPPED}
