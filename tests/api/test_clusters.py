"""Clusters as the API shows them, with what upkeep has last found wrong."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from psycopg2 import sql

from cli import doctor
from local.stack import Stack
from provisioning import control_plane
from provisioning.control_plane import ControlPlane
from provisioning.errors import ControlPlaneUnavailable
from provisioning.examination import known, recording
from provisioning.examination.known import KnownTenant
from provisioning.identity import TenantNames
from tests.api.asking import ask, get
from tests.cli.examining import OF_ONE_TENANT, changed_cluster, changed_secret, facts_of, pooled
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
    """The cluster as it is, before and afterwards. Other tests leave tenants in this server in every state."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(recording, "AT_MOST", 10_000)
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
    assert found["examination"]["connections"] == {"maximum": 500, "for_tenants": 447, "kept_for_admin": 50}
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
    assert [fact for fact in found if fact not in told and not OF_ONE_TENANT.match(fact)] == []
    assert any("registered as 9" in fact for fact in found)
    assert any("is kept for the admin" in fact for fact in found)
    assert not any(remedy in json.dumps(found) for remedy in told.values())
    examine()
    assert not any("registered as 9" in fact for fact in local()["examination"]["findings"])


def test_a_tenants_finding_is_recorded_as_doctor_tells_it(stack: Stack) -> None:
    with pooled(stack) as tenant_id:
        login = sql.Identifier(TenantNames(tenant_id).login_role)
        execute(stack, sql.SQL("ALTER ROLE {} NOLOGIN").format(login))
        examine()
        found, told = local()["examination"]["findings"], facts_of(tenant_id)
    assert told == [f"tenant {tenant_id} is ready, but its login cannot log in"]
    assert [fact for fact in found if tenant_id in fact] == told


def test_a_finding_about_the_roles_of_a_tenant_is_recorded(stack: Stack) -> None:
    with pooled(stack) as tenant_id:
        login = TenantNames(tenant_id).login_role
        execute(stack, sql.SQL("ALTER ROLE {} CREATEDB").format(sql.Identifier(login)))
        examine()
        found = local()["examination"]["findings"]
    assert f"tenant {tenant_id}: {login} has CREATEDB" in found


def test_what_a_job_changes_meanwhile_is_no_finding(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    real, looks = known.find_tenants, list[int]()

    def claimed_afterwards(control: ControlPlane) -> list[KnownTenant]:
        looks.append(1)
        found = real(control)
        return [one._replace(state="claimed", job_id="j") if len(looks) > 1 else one for one in found]

    with pooled(stack) as tenant_id:
        login = sql.Identifier(TenantNames(tenant_id).login_role)
        execute(stack, sql.SQL("ALTER ROLE {} NOLOGIN").format(login))
        monkeypatch.setattr(recording, "find_tenants", claimed_afterwards)
        examine()
        assert not any(tenant_id in fact for fact in local()["examination"]["findings"])
    assert len(looks) == 2


def test_the_reason_of_a_refused_removal_is_left_to_doctor(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    real = known.find_tenants

    def refused(control: ControlPlane) -> list[KnownTenant]:
        return [one._replace(refusal=f"the secret {ADMIN} has no password") for one in real(control)]

    with pooled(stack) as tenant_id:
        monkeypatch.setattr(recording, "find_tenants", refused)
        examine()
        found = local()["examination"]["findings"]
        assert f"tenant {tenant_id} cannot be removed: provision doctor says why" in found
    assert ADMIN not in json.dumps(found)


def test_a_finding_is_not_longer_than_what_an_answer_can_hold(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "LONGEST", 20)
    with changed_cluster(stack, version="9"):
        examine()
        found = local()["examination"]["findings"]
    assert found
    assert all(len(fact) <= 20 for fact in found)


def test_an_unreachable_control_plane_is_no_finding_of_the_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    def unavailable(_: ControlPlane) -> list[KnownTenant]:
        raise ControlPlaneUnavailable("gone")

    before = local()
    monkeypatch.setattr(recording, "find_tenants", unavailable)
    with pytest.raises(ControlPlaneUnavailable):
        examine()
    assert local() == before


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
