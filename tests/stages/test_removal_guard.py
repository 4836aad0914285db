"""Only its holder may remove a tenant, if control plane and register agree. Every combination, on a real server."""

from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import pytest
from moto.secretsmanager.models import secretsmanager_backends
from psycopg2.extensions import connection as Connection  # noqa: N812

from local.aws import ACCOUNT
from local.aws_client import REGION
from local.bootstrap import CLUSTER_ID
from local.stack import Stack
from provisioning import control_plane
from provisioning.cluster import register
from provisioning.cluster import session as sessions
from provisioning.control_plane import ControlPlane
from provisioning.identity import Tenant, TenantNames, new_tenant_id
from provisioning.tenant import holding, making, removing
from provisioning.tenant.removing import Removal
from tests.stages.removal_cases import CASES, REFILL, REGISTERS, THIS_JOB, Case, cases

pytestmark = pytest.mark.slow

JOB = """
    INSERT INTO control_plane.jobs (job_id, job_type, removes_tenant) VALUES (%(job_id)s, 'any', %(removes_tenant)s)
    ON CONFLICT (job_id) DO UPDATE SET removes_tenant = EXCLUDED.removes_tenant
"""
ELSEWHERE = "00000000-0000-0000-0000-000000000000"


class Guarded:
    """A tenant that was made like any other: the same one until it is removed."""

    def __init__(self, control: ControlPlane, superuser: Connection, registrar: Connection) -> None:
        self.control = control
        self.superuser = superuser
        self.registrar = registrar
        self.names = TenantNames("")

    def sent(self, session: Connection, statement: str, **values: object) -> list[tuple[Any, ...]]:
        with session.cursor() as cursor:
            cursor.execute(statement, {"tenant_id": self.names.tenant_id, **values})
            return cursor.fetchall() if cursor.description else []

    def prepare(self, case: Case) -> Tenant:
        """Set both rows as the case says, and return the tenant as the requester knows it."""
        if not self.names.tenant_id or len(self.on_cluster()) < 4:
            self._make()
        project_id = None if case.holder is REFILL else f"p-{case.holder}"
        self.sent(
            self.control.connection,
            "UPDATE control_plane.tenants SET (state, job_id, project_id, removed_at) ="
            " (%(state)s, %(job_id)s, %(project_id)s, NULL) WHERE tenant_id = %(tenant_id)s",
            state=case.state,
            job_id=case.holder,
            project_id=project_id,
        )
        self.sent(self.control.connection, JOB, job_id=THIS_JOB, removes_tenant=case.removes_tenant)
        self.sent(self.registrar, "DELETE FROM register.tenants WHERE tenant_id = %(tenant_id)s")
        if (row := REGISTERS[case.register]) is not None:
            is_ours, job_id, state = row
            self.sent(
                self.registrar,
                "INSERT INTO register.tenants (tenant_id, control_plane_id, job_id, state)"
                " VALUES (%(tenant_id)s, %(control_plane_id)s, %(job_id)s, %(state)s)",
                control_plane_id=self.control.identity() if is_ours else ELSEWHERE,
                job_id=job_id,
                state=state,
            )
        found = holding.find(self.control, self.names.tenant_id)
        assert found is not None
        return found._replace(job_id=case.asks, project_id=None if case.asks is REFILL else f"p-{case.asks}")

    def _make(self) -> None:
        self.names = TenantNames(new_tenant_id())
        self.control.execute(
            holding.QUERIES["record_making"],
            tenant_id=self.names.tenant_id,
            cluster_id=CLUSTER_ID,
            fingerprint="of the guard's test",
        )
        found = holding.find(self.control, self.names.tenant_id)
        assert found is not None
        making.make_database(found, register.holder_of(self.control, None, None), lambda: None)

    def on_cluster(self) -> list[str]:
        """The names of what exists of the tenant: database, roles and secret."""
        names = [self.names.database, self.names.owner_role, self.names.login_role]
        statement = (
            "SELECT datname::text FROM pg_database WHERE datname = ANY (%(names)s)"
            " UNION ALL SELECT rolname::text FROM pg_roles WHERE rolname = ANY (%(names)s)"
        )
        secrets = secretsmanager_backends[ACCOUNT][REGION].secrets
        kept = [self.names.secret] if self.names.secret in secrets else []
        return sorted([name for (name,) in self.sent(self.superuser, statement, names=names)] + kept)

    def rows(self) -> list[list[tuple[Any, ...]]]:
        """Both complete rows."""
        return [
            self.sent(self.superuser, "SELECT * FROM control_plane.tenants WHERE tenant_id = %(tenant_id)s"),
            self.sent(self.registrar, "SELECT * FROM register.tenants WHERE tenant_id = %(tenant_id)s"),
        ]

    def state(self) -> str:
        statement = "SELECT state FROM control_plane.tenants WHERE tenant_id = %(tenant_id)s"
        ((state,),) = self.sent(self.superuser, statement)
        return str(state)


@pytest.fixture(scope="module")
def guarded(stack: Stack, environment: None) -> Iterator[Guarded]:
    superuser, registrar = stack.postgres.connect("control_plane"), stack.postgres.connect(sessions.REGISTER)
    made = Guarded(control_plane.connect(), superuser, registrar)
    yield made
    (everything,) = (
        case for case in CASES if case.sentence == "refill asks, may_be_active; making for refill; register has no row"
    )
    removing.remove(made.control, made.prepare(everything))
    superuser.close()
    registrar.close()


def remove(guarded: Guarded, tenant: Tenant, case: Case) -> Removal:
    return removing.remove(
        guarded.control,
        tenant,
        must_be_named=case.must_be_named,
        may_be_active=case.may_be_active,
    )


@cases("removed")
def test_its_holder_removes_a_tenant_that_the_register_gives_to_nobody_else(guarded: Guarded, case: Case) -> None:
    removal = remove(guarded, guarded.prepare(case), case)
    assert not removal.refused
    assert len(removal.removed) == 4
    assert guarded.on_cluster() == []
    assert guarded.state() == "removing"
    ((registered, *_),) = guarded.sent(
        guarded.registrar, "SELECT state FROM register.tenants WHERE tenant_id = %(tenant_id)s"
    )
    assert registered == "removing", "a late maker meets it"


@cases("disputed")
def test_a_tenant_that_the_register_gives_to_somebody_else_becomes_disputed(guarded: Guarded, case: Case) -> None:
    tenant = guarded.prepare(case)
    before = guarded.on_cluster(), guarded.rows()[1]
    assert remove(guarded, tenant, case).refused
    assert (guarded.on_cluster(), guarded.rows()[1]) == before
    assert guarded.state() == "disputed"


@cases("untouched")
def test_only_the_holder_of_a_tenant_can_change_it(guarded: Guarded, case: Case) -> None:
    tenant = guarded.prepare(case)
    before = guarded.on_cluster(), guarded.rows()
    with patch.object(register, "lock", side_effect=AssertionError("something was sent to the cluster")):
        removal = remove(guarded, tenant, case)
    assert removal.refused
    assert not removal.removed
    assert (guarded.on_cluster(), guarded.rows()) == before
