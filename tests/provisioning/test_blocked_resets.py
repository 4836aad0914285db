"""No transaction and no tenant that repeats its changes keeps the settings of shared roles from being reset."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from local.postgres import PostgresServer
from provisioning import postgres
from provisioning.cluster import shared_roles
from provisioning.cluster.blocking import Admin
from provisioning.identity import Tenant
from tests.provisioning.conftest import secrets_manager
from tests.provisioning.odd_cluster import server, tenant
from tests.provisioning.test_reset_shared_roles import as_anon, passwords, send, settings

__all__ = ["as_anon", "secrets_manager", "server", "tenant"]
pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    "statement", ["ALTER ROLE anon SET work_mem = '2MB'", "ALTER ROLE anon RESET ALL", "ALTER ROLE anon PASSWORD 'x'"]
)
def test_an_open_transaction_of_a_tenant_that_changes_one_is_ended(
    server: PostgresServer, tenant: Tenant, as_anon: Connection, statement: str
) -> None:
    send(as_anon, "ALTER ROLE anon SET work_mem = '1MB'", "BEGIN", statement)
    assert shared_roles.reset(tenant.cluster) == ["setting work_mem of anon"]
    assert (settings(server), passwords(server)) == ([], [])
    with pytest.raises(psycopg2.OperationalError):
        send(as_anon, "COMMIT")


def test_a_prepared_transaction_of_a_tenant_that_changes_one_is_rolled_back(
    server: PostgresServer, tenant: Tenant, as_anon: Connection
) -> None:
    send(as_anon, "ALTER ROLE anon SET work_mem = '1MB'", "BEGIN", "ALTER ROLE anon SET work_mem = '2MB'")
    send(as_anon, "PREPARE TRANSACTION 'it''s in the way'")
    assert shared_roles.reset(tenant.cluster) == ["setting work_mem of anon"]
    assert settings(server) == []
    with as_anon.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_xacts")
        assert cursor.fetchone() == (0,)


@pytest.mark.parametrize(
    ("statement", "left"),
    [
        ("ALTER ROLE anon SET work_mem = '2MB'", [("anon", ["work_mem=1MB"])]),
        ("ALTER ROLE anon PASSWORD 'x'", []),
    ],
)
def test_an_open_transaction_of_somebody_else_is_named_and_holds_up_only_its_own(
    server: PostgresServer, tenant: Tenant, statement: str, left: list[tuple[str, list[str]]]
) -> None:
    with closing(server.connect()) as superuser:
        send(superuser, "ALTER ROLE anon SET work_mem = '1MB'", "ALTER ROLE service_role SET work_mem = '1MB'")
        send(superuser, "BEGIN", statement)
        with pytest.raises(postgres.Busy, match="keeps the roles that tenants share from being reset"):
            shared_roles.reset(tenant.cluster)
        assert settings(server) == left
        send(superuser, "COMMIT")
    shared_roles.reset(tenant.cluster)
    assert (settings(server), passwords(server)) == ([], [])


def test_what_is_held_up_is_tried_again(server: PostgresServer, tenant: Tenant) -> None:
    attempt = Admin.attempt

    with closing(server.connect()) as superuser, pytest.MonkeyPatch.context() as patching:

        def then_out_of_the_way(admin: Admin, act: Callable[[Connection], object]) -> bool:
            done = attempt(admin, act)
            if not done:
                send(superuser, "COMMIT")
            return done

        patching.setattr(Admin, "attempt", then_out_of_the_way)
        send(superuser, "ALTER ROLE anon SET work_mem = '1MB'", "BEGIN", "ALTER ROLE anon SET work_mem = '2MB'")
        assert shared_roles.reset(tenant.cluster) == ["setting work_mem of anon"]
    assert settings(server) == []


def test_no_tenant_that_repeats_its_changes_keeps_them_from_being_reset(
    server: PostgresServer, tenant: Tenant, as_anon: Connection
) -> None:
    send(as_anon, "ALTER ROLE anon SET statement_timeout = '1ms'", "ALTER ROLE anon SET work_mem = '1MB'")
    ended = threading.Event()

    def repeat() -> None:
        while not ended.is_set():
            send(as_anon, "ALTER ROLE anon PASSWORD 'x'", "ALTER ROLE anon SET work_mem = '1MB'")

    with ThreadPoolExecutor(1) as others:
        repeated = others.submit(repeat)
        try:
            reset = shared_roles.reset(tenant.cluster)
        finally:
            ended.set()
        with suppress(psycopg2.Error):
            repeated.result()
    assert {name.removesuffix(", set again") for name in reset} == {
        "setting statement_timeout of anon",
        "setting work_mem of anon",
    }
    shared_roles.reset(tenant.cluster)
    assert (settings(server), passwords(server)) == ([], [])
