"""What doctor and upkeep ask the control plane about all tenants costs no more over a long log or beside many jobs."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from local.postgres import PostgresServer
from provisioning.control_plane import ControlPlane
from provisioning.examination import known
from provisioning.examination.known import find_tenants
from upkeep.migrate import MIGRATIONS

TENANTS = 500
FILL = """
    INSERT INTO control_plane.clusters
        (cluster_id, region, engine, version, size, host, port, admin_secret_id, capacity)
    VALUES ('local', 'us-east-1', 'postgres', '17', 'small', 'host', 5432, 'secret', 10000);
    INSERT INTO control_plane.tenants (tenant_id, cluster_id, project_id, job_id, state, look_again_at)
    SELECT 'filler' || translate(lpad(n::text, 14, '0'), '0123456789', 'abcdefghij'), 'local', 'p-' || n, 'job-' || n,
           CASE WHEN n <= 3 THEN 'removing' ELSE 'active' END, now()
    FROM generate_series(1, %(tenants)s) AS n;
    INSERT INTO control_plane.audit_log (action, tenant_id, details)
    SELECT 'tenant looked at again', tenant_id, jsonb_build_object('error_message', 'refused ' || look)
    FROM control_plane.tenants, generate_series(1, 3) AS look;
    ANALYZE
"""
LONG_LOG = """
    INSERT INTO control_plane.audit_log (action, job_id, project_id)
    SELECT 'stage succeeded', 'job-' || n, 'p-' || n FROM generate_series(1, 20000) AS n;
    ANALYZE control_plane.audit_log
"""
MANY_JOBS = """
    INSERT INTO control_plane.jobs (job_id, job_type, project_id, status)
    SELECT 'running-' || n, 'suspend_project', 'p-' || n, 'running' FROM generate_series(11, 110) AS n;
    ANALYZE control_plane.jobs
"""
BUSY = """
    INSERT INTO control_plane.jobs (job_id, job_type, project_id, tenant_id, status)
    VALUES ('job-11', 'provision_project', NULL, NULL, 'running'),
           ('of-a-tenant', 'provision_project', NULL, 'filleraaaaaaaaaaaabc', 'pending'),
           ('of-a-project', 'suspend_project', 'p-13', NULL, 'running'),
           ('that-has-ended', 'suspend_project', 'p-14', 'filleraaaaaaaaaaaabe', 'succeeded')
"""


@pytest.fixture
def control(server: PostgresServer) -> Iterator[ControlPlane]:
    """A control plane over hundreds of tenants, each looked at three times."""
    with closing(server.connect()) as superuser, superuser.cursor() as cursor:
        cursor.execute("CREATE DATABASE known_tenants")
        with closing(server.connect("known_tenants")) as session, session.cursor() as filling:
            for file in sorted(MIGRATIONS.glob("*.sql")):
                filling.execute(file.read_text())
            filling.execute(FILL, {"tenants": TENANTS})
            yield ControlPlane(session)
        cursor.execute("DROP DATABASE known_tenants WITH (FORCE)")


def send(control: ControlPlane, statement: str) -> None:
    with control.connection.cursor() as cursor:
        cursor.execute(statement)


def rows_gone_through(control: ControlPlane) -> int:
    """Rows that each step of the plan returns or discards, all together."""
    with control.connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {known.QUERIES['find_tenants'].text}")
        ((plan,),) = cursor.fetchall()
    return round(_rows(plan[0]["Plan"]))


def _rows(node: dict[str, Any]) -> float:
    discarded = sum(found for name, found in node.items() if name.startswith("Rows Removed by"))
    own: float = (node["Actual Rows"] + discarded) * node["Actual Loops"]
    return own + sum(map(_rows, node.get("Plans", ())))


@pytest.mark.parametrize("more", [LONG_LOG, MANY_JOBS])
def test_looking_at_all_tenants_costs_as_much_over_more_of_anything_else(control: ControlPlane, more: str) -> None:
    before = rows_gone_through(control)
    send(control, more)
    assert rows_gone_through(control) < before + TENANTS


def test_a_tenant_is_busy_with_a_job_that_has_it_or_its_project(control: ControlPlane) -> None:
    send(control, BUSY)
    busy = [one.tenant_id for one in find_tenants(control) if one.is_busy]
    assert busy == ["filleraaaaaaaaaaaabb", "filleraaaaaaaaaaaabc", "filleraaaaaaaaaaaabd"]


def test_only_a_tenant_that_is_being_removed_has_its_latest_refusal(control: ControlPlane) -> None:
    refused = {one.tenant_id: one.refusal for one in find_tenants(control) if one.refusal is not None}
    assert refused == {f"filleraaaaaaaaaaaaa{letter}": "refused 3" for letter in "bcd"}
