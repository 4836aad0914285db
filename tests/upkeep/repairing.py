"""Two tenants that are registered with a Storage, whose later version adds a table, and the rounds of upkeep."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from local.stack import Stack
from provisioning.ledger.runner import Output
from tests.conftest import NewProject
from tests.stages.jobs import Context, execute
from tests.stages.suspending import Tenant, live_tenant
from tests.stages.tenant_apis import StorageApi, native_service
from upkeep.reconcile import reconcile

DUE = """
    UPDATE control_plane.service_registrations SET looked_at = NULL WHERE looked_at IS DISTINCT FROM 'infinity'
"""


@pytest.fixture
def storage(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[StorageApi]:
    with native_service(stack, monkeypatch, "storage", "supabase-storage", StorageApi) as served:
        yield served


@pytest.fixture
def tenants(stack: Stack, new_project: NewProject, storage: StorageApi) -> list[Tenant]:
    """Two tenants, besides which no other has a turn: those of other tests have registered with other doubles."""
    execute(stack, "control_plane", "UPDATE control_plane.service_registrations SET looked_at = 'infinity'")
    return [live_tenant(stack, new_project(), "storage") for _ in range(2)]


def come_round(stack: Stack) -> Output:
    """Make it the turn of both, and reconcile."""
    execute(stack, "control_plane", DUE)
    return reconcile({}, Context())


def told(answer: Output, kind: str) -> list[str]:
    return [one for one in answer[kind] if one.startswith("storage of")]


def repaired(tenant: Tenant, tables: int = 1) -> str:
    return f"storage of {tenant.names.tenant_id}: {tables} tables opened to service_role"


def reads(tenant: Tenant) -> bool:
    """Whether the service's role reads a row of the table that the later version has added."""
    tenant.run("INSERT INTO storage.buckets (id) VALUES ('b') ON CONFLICT DO NOTHING")
    tenant.run("INSERT INTO storage.vectors (bucket_id) SELECT 'b' WHERE NOT EXISTS (SELECT FROM storage.vectors)")
    with closing(tenant.connect(options="-c role=service_role")) as session, session.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM storage.vectors")
        return cursor.fetchone() == (1,)


def policies(tenant: Tenant, schema: str) -> set[tuple[str, str]]:
    asked = "SELECT tablename::text, policyname::text FROM pg_policies WHERE schemaname = %s"
    return set(tenant.run(asked, schema))
