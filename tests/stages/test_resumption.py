"""A resumed tenant is as it was before its suspension, byte for byte, and is proven to work."""

from typing import Any
from unittest.mock import Mock

import pytest
from psycopg2 import sql

from provisioning.cluster import acting
from provisioning.errors import FinalizationFailed
from provisioning.jobs.resume_project import RESUME_PROJECT
from provisioning.services import generic
from provisioning.tenant import schema, suspensions
from stages.access import restore_access
from stages.activation import finalize
from stages.services import resume_services
from tests.stages.jobs import Died, execute
from tests.stages.suspending import LET_IN, Tenant, is_out, let_in, opened, repair_before_16, session_of


def test_roles_passwords_grants_and_settings_are_what_they_were(tenant: Tenant, other: Tenant) -> None:
    """With grants by others than the owner, in an order that a suspension does not preserve by itself."""
    let_in(tenant, other, with_option=True)
    names = sql.Identifier(tenant.names.database), sql.Identifier(tenant.names.login_role)
    with session_of(other, tenant) as session, session.cursor() as cursor:
        cursor.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO anon").format(names[0]))
    tenant.run(sql.SQL("GRANT TEMPORARY ON DATABASE {} TO PUBLIC").format(names[0]))
    tenant.run(sql.SQL("GRANT CREATE ON DATABASE {} TO service_role WITH GRANT OPTION").format(names[0]))
    tenant.run(sql.SQL("SET ROLE NONE; ALTER ROLE {} SET work_mem = '8MB'").format(names[1]))
    before = tenant.catalogs()
    tenant.suspend()
    assert tenant.catalogs() != before
    tenant.resume()
    assert tenant.catalogs() == before


def test_a_second_suspension_keeps_what_was_changed_between_the_two(tenant: Tenant, other: Tenant) -> None:
    tenant.suspend()
    tenant.resume()
    let_in(tenant, other)
    before = tenant.catalogs()
    tenant.suspend()
    tenant.resume()
    assert tenant.catalogs() == before


def test_the_issued_credentials_work_again(tenant: Tenant) -> None:
    tenant.run("CREATE TABLE kept AS SELECT 42 AS answer")
    tenant.suspend()
    tenant.resume()
    assert tenant.run("SELECT answer FROM kept") == [(42,)]


def test_the_project_and_its_tenant_are_active(tenant: Tenant) -> None:
    tenant.suspend()
    result = tenant.resume()
    assert (tenant.row("projects", "status"), tenant.row("tenants", "state")) == ("active", "active")
    assert (result["status"], result["logins"]) == ("active", 1)
    assert tenant.registered() == [("active", False)]


def test_a_role_that_was_removed_since_is_not_let_in_again_and_hinders_nobody(tenant: Tenant) -> None:
    names = sql.Identifier(tenant.names.database), sql.Identifier("somebody_else")
    execute(tenant.stack, "postgres", "CREATE ROLE somebody_else")
    tenant.run(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(*names))
    tenant.suspend()
    execute(tenant.stack, "postgres", "DROP ROLE somebody_else")
    tenant.resume()
    assert tenant.run("SELECT 1") == [(1,)]


def test_a_tenant_whose_schema_is_gone_is_not_active_again(tenant: Tenant) -> None:
    tenant.run("DROP SCHEMA tenant CASCADE")
    tenant.suspend()
    job = opened(tenant, tenant.job(RESUME_PROJECT), restore_access, resume_services)
    with pytest.raises(FinalizationFailed, match="schema is at version 0"):
        job.run(finalize)


def test_a_tenant_of_an_older_schema_version_is_resumed_as_it_was(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant.suspend()
    monkeypatch.setattr(schema, "newest_version", lambda: 99)
    assert tenant.resume()["status"] == "active"


def test_a_service_that_does_not_serve_the_tenant_again_is_named(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant.suspend()
    job = opened(tenant, tenant.job(RESUME_PROJECT), restore_access, resume_services)
    monkeypatch.setattr(generic.Generic, "obstacle", lambda _adapter, _tenant_id: "is unknown to the service")
    with pytest.raises(FinalizationFailed, match="auth does not serve"):
        job.run(finalize)


def test_no_secret_is_written_down(tenant: Tenant) -> None:
    tenant.suspend()
    asked = "SELECT suspensions::text FROM control_plane.suspensions WHERE tenant_id = %s"
    ((kept,),) = execute(tenant.stack, "control_plane", asked, tenant.names.tenant_id)
    assert tenant.document["password"] not in kept


def test_a_grant_that_the_server_has_acknowledged_is_put_back(
    tenant: Tenant, other: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Made by a client that was still connected, after the job had recorded that it closes the tenant."""
    real = suspensions.record_closing
    names = sql.Identifier(tenant.names.database), sql.Identifier(other.names.login_role), sql.SQL("")
    with session_of(tenant) as session, session.cursor() as cursor:

        def record(*arguments: Any) -> Any:
            kept = real(*arguments)
            cursor.execute(LET_IN.format(*names))
            return kept

        monkeypatch.setattr(suspensions, "record_closing", record)
        tenant.suspend()
    tenant.resume()
    with session_of(other, tenant) as session:
        assert not is_out(session)


def test_limits_are_put_back_although_a_prepared_transaction_was_rolled_back(tenant: Tenant) -> None:
    """To roll it back the admin has to connect, which the limit prevents."""
    database = sql.Identifier(tenant.names.database)
    with session_of(tenant) as session, session.cursor() as cursor:
        cursor.execute(sql.SQL("ALTER DATABASE {} CONNECTION LIMIT 0").format(database))
        cursor.execute("SET ROLE NONE; BEGIN; ALTER ROLE CURRENT_USER PASSWORD 'another'")
        cursor.execute("PREPARE TRANSACTION 'held'")
    before = tenant.catalogs()
    tenant.suspend()
    opened(tenant, tenant.job(RESUME_PROJECT), restore_access)
    assert tenant.catalogs() == before


def test_an_open_transaction_of_another_tenant_is_in_no_resumptions_way(tenant: Tenant, other: Tenant) -> None:
    """A role that has a privilege but may not grant it only gets a warning, and still holds the lock."""
    tenant.run(sql.SQL("GRANT TEMPORARY ON DATABASE {} TO PUBLIC").format(sql.Identifier(tenant.names.database)))
    tenant.suspend()
    with session_of(other) as session, session.cursor() as cursor:
        cursor.execute("SET ROLE NONE; BEGIN")
        cursor.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO PUBLIC").format(sql.Identifier(tenant.names.database)))
        assert tenant.resume()["status"] == "active"


def test_a_resumption_that_dies_as_another_tenants_login_leaves_nothing_with_it(
    tenant: Tenant, other: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_in(tenant, other, with_option=True)
    with session_of(other, tenant) as session, session.cursor() as cursor:
        cursor.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO anon").format(sql.Identifier(tenant.names.database)))
    before = tenant.catalogs(), other.catalogs()
    tenant.suspend()
    job = opened(tenant, tenant.job(RESUME_PROJECT))
    with monkeypatch.context() as patched:
        patched.setattr(acting, "leaving", Mock(side_effect=Died))
        with pytest.raises(Died):
            job.run(restore_access)
    job.run(restore_access)
    repair_before_16(tenant)
    assert (tenant.catalogs(), other.catalogs()) == before
