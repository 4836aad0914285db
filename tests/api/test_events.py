"""The HTTP API's events: what has happened, in order, from any place on."""

import pytest

from local.stack import Stack
from provisioning.jobs.provision_project import PROVISION_PROJECT
from provisioning.jobs.suspend_project import SUSPEND_PROJECT
from tests.api.asking import ask, get
from tests.stages.declared_jobs import a_job_of, bring


def newest() -> int:
    after = 0
    while events := get(f"/v1/events?after={after}&limit=200")["events"]:
        after = events[-1]["id"]
    return after


def test_whoever_continues_with_after_reads_every_event_once(stack: Stack, project_id: str) -> None:
    del stack
    begun = after = newest()
    for declared in (PROVISION_PROJECT, SUSPEND_PROJECT):
        bring(a_job_of(declared, project_id), "succeeded")
    read = []
    while (page := get(f"/v1/events?after={after}&limit=1"))["events"]:
        read += page["events"]
        after = page["after"]
    of_project = [event for event in read if event["project_id"] == project_id]
    assert [event["type"] for event in of_project] == ["project.provisioned", "project.suspended"]
    assert [event["id"] for event in read] == sorted({event["id"] for event in read})
    assert begun < read[0]["id"]


def test_a_reader_that_has_read_everything_is_told_where_it_stands(stack: Stack) -> None:
    del stack
    after = newest()
    assert get(f"/v1/events?after={after}") == {"events": [], "after": after}


@pytest.mark.parametrize("after", ["-1", "x", str(2**53)])
def test_a_place_that_no_event_can_have_is_a_problem(stack: Stack, after: str) -> None:
    del stack
    answer = ask("GET", f"/v1/events?after={after}")
    assert (answer.status, answer.body["errors"][0]["parameter"]) == (400, "after")
