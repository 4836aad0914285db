"""No replication slot outlives a suspension, and none of another database goes with it."""

from contextlib import closing, nullcontext

import pytest
from psycopg2 import sql

from provisioning.errors import InsufficientPermissions
from tests.stages.jobs import execute
from tests.stages.suspending import Tenant, inside
from tests.stages.test_replication_slots import streaming

CAN_LOG_IN = "SELECT rolcanlogin FROM pg_roles WHERE rolname = %s"


def test_replication_slots_of_the_database_go_and_no_others(tenant: Tenant, other: Tenant) -> None:
    for one in (tenant, other):
        with closing(one.stack.postgres.connect(one.names.database)) as superuser, superuser.cursor() as cursor:
            cursor.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", (f"s_{one.names.tenant_id}",))
    assert tenant.suspend()["slots"] == 1
    left = "SELECT database::text FROM pg_replication_slots WHERE slot_name ~ %s"
    found = [execute(tenant.stack, "postgres", left, one.names.tenant_id) for one in (tenant, other)]
    assert found == [[], [(other.names.database,)]]
    execute(tenant.stack, "postgres", "SELECT pg_drop_replication_slot(%s)", f"s_{other.names.tenant_id}")


def test_a_slot_that_is_in_use_is_dropped_and_its_reader_is_ended(tenant: Tenant) -> None:
    slot = f"changes_{tenant.names.tenant_id}"
    with streaming(tenant.stack, tenant.made_by, slot):
        assert len(inside(tenant)) == 1
        assert tenant.suspend()["slots"] == 1
        assert inside(tenant) == []
    assert execute(tenant.stack, "postgres", "SELECT 1 FROM pg_replication_slots WHERE slot_name = %s", slot) == []


def test_a_login_with_replication_is_closed_since_16_and_before_it_only_a_superuser_may(tenant: Tenant) -> None:
    login = sql.Identifier(tenant.names.login_role)
    execute(tenant.stack, "postgres", sql.SQL("ALTER ROLE {} REPLICATION").format(login))
    may_close = int(tenant.stack.postgres.major_version()) >= 16
    refused = pytest.raises(InsufficientPermissions, match="must be superuser to alter replication roles")
    with nullcontext() if may_close else refused:
        tenant.suspend()
    assert execute(tenant.stack, "postgres", CAN_LOG_IN, tenant.names.login_role) == [(not may_close,)]
