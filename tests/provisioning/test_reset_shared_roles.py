"""What tenants have set for the roles that they share is reset, on servers before and since 16."""

from collections.abc import Iterator
from contextlib import closing

import psycopg2
import pytest
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from local.postgres import PostgresServer
from provisioning.aws import secrets
from provisioning.cluster import creators, shared_roles
from provisioning.cluster.preparation import prepare_cluster
from provisioning.identity import Tenant
from provisioning.tenant import schema
from tests.provisioning.conftest import secrets_manager
from tests.provisioning.odd_cluster import ADMIN, server, tenant

__all__ = ["secrets_manager", "server", "tenant"]
pytestmark = pytest.mark.slow


@pytest.fixture
def as_anon(tenant: Tenant) -> Iterator[Connection]:
    """A tenant's session that has become anon."""
    with closing(schema.connect(secrets.read(tenant.names.secret))) as opened, opened.cursor() as cursor:
        cursor.execute("SET ROLE anon")
        yield opened


def naming(statement: str, name: str) -> sql.Composed:
    """Compose a statement with an identifier in it."""
    return sql.SQL(statement).format(sql.Identifier(name))


def send(session: Connection, *statements: str | sql.Composable) -> None:
    with session.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def settings(server: PostgresServer) -> list[tuple[str, list[str]]]:
    with closing(server.connect()) as superuser, superuser.cursor() as cursor:
        cursor.execute(
            "SELECT setrole::regrole::text, setconfig FROM pg_db_role_setting WHERE setrole = ANY (%s)",
            (oids(superuser),),
        )
        return cursor.fetchall()


def oids(superuser: Connection) -> list[int]:
    with superuser.cursor() as cursor:
        cursor.execute("SELECT oid FROM pg_roles WHERE rolname = ANY (%s)", (list(creators.SHARED_ROLES),))
        return [oid for (oid,) in cursor.fetchall()]


def passwords(server: PostgresServer) -> list[str]:
    with closing(server.connect()) as superuser, superuser.cursor() as cursor:
        cursor.execute(
            "SELECT rolname FROM pg_authid WHERE oid = ANY (%s) AND rolpassword IS NOT NULL", (oids(superuser),)
        )
        return [role for (role,) in cursor.fetchall()]


def test_settings_are_reset_and_named_without_their_values(
    server: PostgresServer, tenant: Tenant, as_anon: Connection
) -> None:
    send(as_anon, "ALTER ROLE anon SET statement_timeout = '1ms'", "ALTER ROLE anon SET search_path = nowhere")
    send(as_anon, "ALTER ROLE anon IN DATABASE provisioner_register SET row_security = off")
    send(as_anon, "SET ROLE service_role", "ALTER ROLE service_role SET default_transaction_read_only = on")
    assert shared_roles.reset(tenant.cluster) == [
        "setting search_path of anon",
        "setting statement_timeout of anon",
        "setting default_transaction_read_only of service_role",
        "setting row_security of anon in provisioner_register",
    ]
    assert settings(server) == []
    assert shared_roles.reset(tenant.cluster) == []


def test_passwords_are_reset(server: PostgresServer, tenant: Tenant, as_anon: Connection) -> None:
    for role in creators.SHARED_ROLES:
        send(as_anon, naming("SET ROLE {}", role), naming("ALTER ROLE {} PASSWORD 'known'", role))
    assert sorted(passwords(server)) == sorted(creators.SHARED_ROLES)
    shared_roles.reset(tenant.cluster)
    assert passwords(server) == []


def test_a_setting_of_a_language_is_reset_too(server: PostgresServer, tenant: Tenant, as_anon: Connection) -> None:
    send(as_anon, "DO LANGUAGE plpgsql 'BEGIN END'", "ALTER ROLE anon SET plpgsql.extra_warnings = 'all'")
    assert shared_roles.reset(tenant.cluster) == ["setting plpgsql.extra_warnings of anon"]
    assert settings(server) == []


def test_what_a_superuser_has_set_stays_and_is_not_called_reset(server: PostgresServer, tenant: Tenant) -> None:
    with closing(server.connect()) as superuser:
        send(superuser, "ALTER ROLE anon SET log_statement = 'all'", "ALTER ROLE anon SET work_mem = '8MB'")
        try:
            assert shared_roles.reset(tenant.cluster) == ["setting work_mem of anon"]
            assert settings(server) == [("anon", ["log_statement=all"])]
            assert shared_roles.reset(tenant.cluster) == []
        finally:
            send(superuser, "ALTER ROLE anon RESET ALL")


def test_what_a_tenant_sets_again_is_reported_too(tenant: Tenant, as_anon: Connection) -> None:
    send(as_anon, "ALTER ROLE anon SET statement_timeout = '1ms'", "ALTER ROLE anon SET work_mem = '1MB'")
    find, looks = shared_roles.find_settings, list[Connection]()

    def find_repeated(session: Connection) -> list[shared_roles.Setting]:
        if looks:
            send(as_anon, "ALTER ROLE anon SET statement_timeout = '1ms'")
        looks.append(session)
        return find(session)

    with pytest.MonkeyPatch.context() as patching:
        patching.setattr(shared_roles, "find_settings", find_repeated)
        assert shared_roles.reset(tenant.cluster) == [
            "setting statement_timeout of anon, set again",
            "setting work_mem of anon",
        ]
    assert shared_roles.reset(tenant.cluster) == ["setting statement_timeout of anon"]


def test_preparing_a_cluster_resets_them(server: PostgresServer, as_anon: Connection) -> None:
    send(as_anon, "ALTER ROLE anon SET statement_timeout = '1ms'", "ALTER ROLE anon PASSWORD 'known'")
    prepare_cluster(server.connect, ADMIN)
    assert (settings(server), passwords(server)) == ([], [])


def test_a_database_that_was_dropped_since_is_passed_over(tenant: Tenant, as_anon: Connection) -> None:
    send(as_anon, "ALTER ROLE anon SET work_mem = '1MB'")
    gone = shared_roles.Setting("anon", "tenant_that_is_gone", ["work_mem"])
    looked = [[gone, *shared_roles.find_settings(as_anon)], []]
    with pytest.MonkeyPatch.context() as patching:
        patching.setattr(shared_roles, "find_settings", lambda _: looked.pop(0))
        assert "setting work_mem of anon" in shared_roles.reset(tenant.cluster)
    assert shared_roles.find_settings(as_anon) == []


def test_of_many_settings_the_first_are_named_and_all_are_reset(
    server: PostgresServer, tenant: Tenant, as_anon: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_roles, "AT_ONCE", 2)
    for database in ("postgres", "template1", "provisioner_register"):
        send(as_anon, naming("ALTER ROLE anon IN DATABASE {} SET work_mem = '1MB'", database))
    with as_anon.cursor() as cursor:
        cursor.execute("SELECT name FROM pg_settings WHERE context = 'user' AND vartype = 'bool' LIMIT 30")
        names = [name for (name,) in cursor.fetchall()]
    send(as_anon, *(naming("ALTER ROLE anon SET {} = on", name) for name in names))
    named = [f"setting {name} of anon" for name in sorted(names)]
    assert shared_roles.reset(tenant.cluster) == [*named[:20], "and 13 others"]
    assert settings(server) == []


def test_one_of_its_own_members_cannot_give_a_shared_role_a_power(as_anon: Connection) -> None:
    for change in ("LOGIN", "BYPASSRLS", "INHERIT", "CONNECTION LIMIT 1", "VALID UNTIL 'infinity'", "RENAME TO b"):
        with pytest.raises((psycopg2.errors.InsufficientPrivilege, psycopg2.errors.FeatureNotSupported)):
            send(as_anon, sql.SQL("ALTER ROLE anon {}").format(sql.SQL(change)))
