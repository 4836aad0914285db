"""Clusters as the API shows them, with what upkeep has last found wrong."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cli import doctor
from local.stack import Stack
from provisioning import control_plane
from provisioning.examination import recording
from tests.api.asking import ask, get
from tests.cli.examining import changed_cluster, changed_secret
from tests.executions.running import execute
from upkeep import reconcile

ADMIN = "provisioner/clusters/local"
NOW = timedelta(minutes=5)


def examine() -> None:
    """Record what is wrong with the stack's cluster now."""
    control = control_plane.connect()
    (cluster,) = [one for one in control.clusters() if one.cluster_id == "local"]
    recording.record(control, cluster)


def local() -> Any:
    """What the API says of the stack's cluster."""
    return get("/v1/clusters/local")


def of_doctor() -> list[tuple[str, str]]:
    """What doctor finds wrong with the stack's cluster, with what mends it."""
    return [(one.fact, one.remedy) for one in doctor.examine() if one.subject == "cluster local" and one.remedy]


@pytest.fixture(autouse=True)
def examined(stack: Stack) -> Iterator[None]:
    """The cluster as it is, before and afterwards."""
    examine()
    yield
    examine()


def test_a_cluster_has_its_room_pool_connections_and_version() -> None:
    found = local()
    assert (found["engine"], found["region"], found["capacity"] >= found["room"] > 0) == (
        "postgresql",
        "us-east-1",
        True,
    )
    assert found["pool"].keys() == {"ready", "size"}
    assert found["examination"]["connections"] == {"maximum": 500, "for_tenants": 457, "kept_for_admin": 40}
    assert found["examination"]["server_version"].partition(".")[0] == found["version"]


def test_the_list_has_every_cluster_as_it_is_by_itself() -> None:
    clusters = get("/v1/clusters")["clusters"]
    assert local() in clusters
    assert [one["cluster_id"] for one in clusters] == sorted(one["cluster_id"] for one in clusters)


@pytest.mark.usefixtures("stack")
def test_an_unknown_cluster_is_not_found() -> None:
    answer = ask("GET", "/v1/clusters/nobody")
    assert (answer.status, answer.body["type"]) == (404, "ClusterNotFound")


def test_a_cluster_without_an_examination_says_so(stack: Stack) -> None:
    execute(stack, "DELETE FROM control_plane.cluster_examinations WHERE cluster_id = 'local'", "control_plane")
    assert local()["examination"] is None


def test_a_cluster_has_the_findings_of_doctor_without_what_mends_them(stack: Stack) -> None:
    execute(stack, "REVOKE pg_use_reserved_connections FROM provisioner_admin")
    try:
        with changed_cluster(stack, version="9"):
            examine()
            found, told = local()["examination"]["findings"], dict(of_doctor())
    finally:
        execute(stack, "GRANT pg_use_reserved_connections TO provisioner_admin")
    assert [fact for fact in found if fact not in told] == []

    assert any("registered as 9" in fact for fact in found)
    assert any("is kept for the admin" in fact for fact in found)
    assert not any(remedy in json.dumps(found) for remedy in told.values())
    examine()
    assert not any("registered as 9" in fact for fact in local()["examination"]["findings"])


def test_a_cluster_that_does_not_answer_has_that_as_its_finding(stack: Stack) -> None:
    with changed_cluster(stack, port=9):
        examine()
        examination = local()["examination"]
    assert (examination["server_version"], examination["connections"]) == (None, None)
    assert examination["findings"] == ["the connection to PostgreSQL failed or was lost"]


def test_a_finding_does_not_name_the_secret_of_the_admin(stack: Stack) -> None:
    with changed_secret(stack, ADMIN, password=None):
        examine()
        (finding,) = local()["examination"]["findings"]
    assert finding == "its admin's secret cannot be used: Misconfigured"
    with changed_cluster(stack, admin_secret_id="provisioner/clusters/nothing"):
        examine()
        assert "clusters/nothing" not in json.dumps(local())


def test_upkeep_examines_a_cluster_when_its_last_examination_is_ten_minutes_old(stack: Stack) -> None:
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    aged = f"UPDATE control_plane.cluster_examinations SET examined_at = '{long_ago.isoformat()}'"
    execute(stack, aged, "control_plane")
    (task,) = [one for one in reconcile._tasks(control_plane.connect(), 0) if one.name == "examination of local"]
    task.do()
    assert datetime.now(UTC) - datetime.fromisoformat(local()["examination"]["examined_at"]) < NOW
    assert "local" not in {one.cluster_id for one in recording.find_due(control_plane.connect())}


def test_more_findings_than_are_recorded_are_counted(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "AT_MOST", 1)
    execute(stack, "REVOKE pg_use_reserved_connections FROM provisioner_admin")
    try:
        with changed_cluster(stack, version="9"):
            examine()
    finally:
        execute(stack, "GRANT pg_use_reserved_connections TO provisioner_admin")
    _, more = local()["examination"]["findings"]
    assert more.startswith("and ")
    assert more.endswith(" more")
