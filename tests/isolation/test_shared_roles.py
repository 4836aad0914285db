"""What a tenant sets for a role that all tenants share is reset and reported each minute, and harms no job.

A tenant that repeats it keeps it in force: tests/provisioning/test_reset_shared_roles.py has that.
"""

import re
from collections.abc import Iterator
from contextlib import closing

import pytest
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from cli import doctor
from cli.findings import Finding
from local.stack import Stack
from local.template import REPOSITORY
from provisioning.cluster import creators
from provisioning.tenant import schema
from tests.cli.mending import mend
from tests.conftest import NewProject
from tests.executions.running import execute, payload_for, run
from tests.isolation.conftest import Tenant, query
from tests.stages.jobs import lambda_environment, look_again

SETTINGS = {
    "statement_timeout": "1ms",
    "search_path": "nowhere",
    "default_transaction_read_only": "on",
    "row_security": "off",
    "role": "service_role",
}


@pytest.fixture(autouse=True)
def nothing_left(stack: Stack) -> Iterator[None]:
    """No shared role has a setting or a password afterwards."""
    yield
    with closing(stack.postgres.connect()) as superuser, superuser.cursor() as cursor:
        for role in map(sql.Identifier, creators.SHARED_ROLES):
            cursor.execute(sql.SQL("ALTER ROLE {} RESET ALL; ALTER ROLE {} PASSWORD NULL").format(role, role))


@pytest.fixture
def hostile(attacker: Tenant) -> Iterator[Connection]:
    """A session whose tenant has set everything for every shared role, and a password."""
    with closing(attacker.connect()) as session:
        for role in map(sql.Identifier, creators.SHARED_ROLES):
            query(session, sql.SQL("SET ROLE {}").format(role))
            for name, value in SETTINGS.items():
                query(
                    session, sql.SQL("ALTER ROLE {} SET {} = {}").format(role, sql.Identifier(name), sql.Literal(value))
                )
            query(session, sql.SQL("ALTER ROLE {} PASSWORD 'known'").format(role))
        yield session


def kept(stack: Stack) -> list[tuple[str, ...]]:
    """The settings and passwords of the shared roles."""
    return execute(
        stack,
        "SELECT rolname FROM pg_authid LEFT JOIN pg_db_role_setting ON setrole = pg_authid.oid"
        " WHERE rolname IN ('anon', 'authenticated', 'service_role')"
        " AND (setconfig IS NOT NULL OR rolpassword IS NOT NULL)",
    )


def found() -> list[Finding]:
    return [one for one in doctor.examine() if "has settings" in one.fact]


@pytest.mark.usefixtures("hostile")
def test_reconcile_resets_what_a_tenant_has_set_and_reports_it(stack: Stack) -> None:
    assert kept(stack)
    with lambda_environment():
        reset = [one for one in look_again(stack)["repaired"] if one.startswith("setting ")]
    assert reset == [f"setting {name} of {role}" for role in sorted(creators.SHARED_ROLES) for name in sorted(SETTINGS)]
    assert kept(stack) == []


@pytest.mark.usefixtures("hostile")
def test_doctor_names_what_a_tenant_has_set_and_what_mends_it(stack: Stack) -> None:
    told = found()
    assert [one.fact.partition(",")[0] for one in told] == sorted(creators.SHARED_ROLES)
    assert not any(value in f"{one.fact} {one.remedy}" for one in told for value in ("1ms", "nowhere"))
    for one in told:
        mend(stack, one)
    assert found() == []


@pytest.mark.usefixtures("hostile")
def test_a_session_that_becomes_a_shared_role_keeps_its_own_settings(victim: Tenant) -> None:
    with closing(victim.connect()) as session:
        before = {name: query(session, "SELECT current_setting(%s)", name) for name in SETTINGS if name != "role"}
        query(session, "SET ROLE anon")
        assert {name: query(session, "SELECT current_setting(%s)", name) for name in before} == before


def test_the_platforms_session_acts_as_the_owner_whatever_its_login_has_set(attacker: Tenant) -> None:
    database, owner = sql.Identifier(attacker.names.database), sql.Identifier(attacker.names.owner_role)
    change = sql.SQL("ALTER ROLE CURRENT_USER IN DATABASE {} SET role = {}")
    with closing(attacker.connect()) as session:
        query(session, "SET ROLE NONE")
        try:
            query(session, change.format(database, sql.Identifier("anon")))
            with closing(schema.connect(attacker.secret)) as own:
                assert query(own, "SELECT current_user::text") == [(attacker.names.owner_role,)]
                assert schema.current_version(own) == schema.newest_version()
        finally:
            query(session, change.format(database, owner))


@pytest.mark.usefixtures("hostile")
def test_a_job_succeeds_whatever_a_tenant_has_set(stack: Stack, new_project: NewProject) -> None:
    assert run(stack, payload_for(new_project())).status == "SUCCEEDED"


def test_an_open_transaction_of_a_tenant_delays_no_reset(stack: Stack, hostile: Connection) -> None:
    query(hostile, "BEGIN; ALTER ROLE CURRENT_USER SET work_mem = '1MB'")
    with lambda_environment():
        look_again(stack)
    assert kept(stack) == []


def test_a_setting_of_an_extension_stays_until_a_superuser_runs_what_doctor_prints(
    stack: Stack, attacker: Tenant
) -> None:
    if execute(stack, "SELECT count(*) FROM pg_available_extensions WHERE name = 'vector'") == [(0,)]:
        pytest.skip("this server has no extension whose settings a tenant may make")
    with closing(attacker.connect()) as session:
        query(session, "SET ROLE anon; SELECT '[1]'::extensions.vector")
        query(session, "ALTER ROLE anon SET hnsw.ef_search = 1")
        with lambda_environment():
            assert "setting hnsw.ef_search of anon" not in look_again(stack)["repaired"]
        (told,) = found()
        mend(stack, told)
        assert found() == []


def test_the_page_says_how_long_a_setting_lasts() -> None:
    reconcile = (REPOSITORY / "template.yaml").read_text().partition("Handler: upkeep.reconcile.reconcile")[2]
    assert re.search(r"Schedule: (.+)", reconcile)[1] == "rate(1 minute)"  # type: ignore[index]
    assert "until Reconcile resets it, once a minute" in " ".join((REPOSITORY / "SECURITY.md").read_text().split())
