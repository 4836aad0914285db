"""provision doctor and cluster add tell whether a server's tenants together can stop the platform."""

import re
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from cli import doctor
from cli.administration import add_cluster
from cli.findings import Finding
from local.postgres import MAX_CONNECTIONS
from local.stack import Stack
from provisioning.cluster.connections import Connections
from provisioning.examination import server
from provisioning.tenant.making import CONNECTION_LIMIT
from tests.cli.examining import ADMIN, FINE, NOTIFICATIONS, ORDINARY, changed_cluster, examined, wrong
from tests.cli.mending import mend
from tests.executions.running import execute

pytestmark = pytest.mark.slow


@pytest.fixture
def capacity(stack: Stack) -> Iterator[None]:
    """The cluster's own capacity afterwards."""
    query = "SELECT capacity FROM control_plane.clusters"
    ((before,),) = execute(stack, query, "control_plane")
    yield
    add_cluster("local", ADMIN, before, size="db.t3.micro", region="us-east-1")


@pytest.fixture
def superuser(stack: Stack) -> Iterator[Connection]:
    with closing(stack.postgres.connect()) as opened:
        yield opened


def of_connections() -> list[Finding]:
    return [one for one in examined() if one.remedy and "connections" in one.fact]


def test_connections_are_kept_for_the_admin_of_a_cluster_that_was_added(stack: Stack) -> None:
    (told,) = [one.fact for one in examined() if one.subject == "cluster local"]
    of_tenants = f"{ORDINARY} of {MAX_CONNECTIONS} connections for tenants, of which 8 tenants can take all"
    assert told.endswith(f"; {of_tenants}, 50 kept for the admin")
    assert of_connections() == []


def test_an_admin_that_may_not_use_the_connections_that_are_kept(stack: Stack) -> None:
    execute(stack, "REVOKE pg_use_reserved_connections FROM provisioner_admin")
    (told,) = of_connections()
    assert told.fact == (
        "none of 500 connections is kept for the admin: 8 tenants with 60 each stop every job and every rollback"
    )
    mend(stack, told)
    assert "cluster local" not in wrong()


@pytest.mark.usefixtures("capacity")
def test_adding_a_cluster_lets_its_admin_use_them_only_if_it_may_grant_that(stack: Stack) -> None:
    execute(stack, "REVOKE pg_use_reserved_connections FROM provisioner_admin")
    try:
        said = add_cluster("local", ADMIN, 7, size="db.t3.micro", region="us-east-1")
        # Other tests have left tenants of other control planes in the register.
        assert said.partition(" Its register holds")[0].endswith(
            "databases: PostgreSQL 18 on 127.0.0.1:"
            f"{stack.postgres.port}. It has 447 of 500 connections for tenants, of which 8 tenants can take all,"
            " 0 kept for the admin."
        )
        said = add_cluster("local", ADMIN, 8, size="db.t3.micro", region="us-east-1")
        assert "8 tenants with 60 each stop every job" in said
        assert 'GRANT "pg_use_reserved_connections" TO "provisioner_admin" WITH INHERIT TRUE;' in said
    finally:
        execute(stack, "GRANT pg_use_reserved_connections TO provisioner_admin")


def test_more_databases_than_connections(stack: Stack) -> None:
    with changed_cluster(stack, capacity=ORDINARY + 1):
        (told,) = [one for one in doctor.examine() if "not every tenant can have one" in one.fact]
    assert told.fact == "448 databases share 447 connections, so not every tenant can have one"


@pytest.mark.parametrize(
    ("capacity", "kept", "expected"), [(8, 0, 1), (7, 0, 0), (8, 40, 0), (457, 40, 0), (458, 40, 1), (458, 0, 2)]
)
def test_what_is_wrong_is_decided_by_capacity_and_limit(
    superuser: Connection, capacity: int, kept: int, expected: int
) -> None:
    found = Connections(500, 457, 40, kept)
    assert -(-457 // CONNECTION_LIMIT) == 8
    assert len(list(server.facts_of_connections(superuser, found, capacity))) == expected


def test_the_laptops_server_has_limits(superuser: Connection) -> None:
    found = server.find(superuser)
    assert found == FINE._replace(databases=found.databases, oldest=found.oldest, oldest_age=found.oldest_age)
    assert found.databases > 3
    assert list(server.facts(FINE)) == list(server.facts(found)) == []


@pytest.mark.parametrize(
    ("changed", "fact", "statement"),
    [
        ({"limits_temporary_files": False}, "fill the disk with temporary files", "SET temp_file_limit = '1GB';"),
        ({"limits_slots": False}, "keeps WAL until the disk is full", "SET max_slot_wal_keep_size = '10GB';"),
        ({"notifications": 50}, "50 % full", "pg_stat_activity"),
        ({"vacuums": False}, "autovacuum is off", "SET autovacuum = on;"),
        ({"databases": 601}, "601 databases are more than", "SET autovacuum_naptime = '121s';"),
        ({"oldest_age": 300_000_001}, "tenant_a has not been frozen for 300,000,001 transactions", "VACUUM (FREEZE)"),
    ],
)
def test_what_one_tenant_can_use_up_for_all_is_named_with_what_mends_it(
    stack: Stack, changed: dict[str, Any], fact: str, statement: str
) -> None:
    ((said, remedy),) = server.facts(FINE._replace(**changed))
    assert fact in said
    assert statement in remedy
    # A superuser can run what is printed; a setting of the server's command line wins until its next start.
    for one in re.findall(r"(?:ALTER SYSTEM|SELECT) .*?;", remedy):
        execute(stack, one)
    for setting in re.findall(r"ALTER SYSTEM SET (\w+)", remedy):
        execute(stack, sql.SQL("ALTER SYSTEM RESET {}").format(sql.Identifier(setting)))
        execute(stack, "SELECT pg_reload_conf()")


def test_slots_that_nobody_can_have_keep_nothing() -> None:
    assert list(server.facts(FINE._replace(limits_slots=False, may_have_slots=False))) == []


def test_doctor_looks_at_the_server_of_each_cluster(stack: Stack) -> None:
    execute(stack, "ALTER ROLE provisioner_admin SET temp_file_limit = -1")
    try:
        assert "temporary files" in wrong()["cluster local"].fact
    finally:
        execute(stack, "ALTER ROLE provisioner_admin RESET temp_file_limit")


def test_the_limits_that_do_not_grow_with_the_tenants_are_the_servers_own(superuser: Connection) -> None:
    """As the page has them: nothing in these numbers counts databases."""
    defaults = "SELECT name, boot_val FROM pg_settings WHERE name = ANY (%s) ORDER BY name"
    names = ["autovacuum_freeze_max_age", "max_notify_queue_pages"]
    with superuser.cursor() as cursor:
        cursor.execute(defaults, (names,))
        assert cursor.fetchall() == [(names[0], str(FINE.freeze_age)), (names[1], str(NOTIFICATIONS[0]))]
        cursor.execute("SELECT current_setting('block_size')::integer")
        assert cursor.fetchone() == (NOTIFICATIONS[1],)
