"""The rights that PostgreSQL on RDS grants are sufficient: no handler ever connects as a superuser."""

from psycopg2 import sql

from local.bootstrap import ADMIN, CONTROL_PLANE_OWNER
from local.stack import Stack
from tests.executions.running import execute, payload_for, run

POWERS = """
    SELECT rolcanlogin, rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls
    FROM pg_roles WHERE rolname = {}
"""


def test_the_clusters_admin_has_createrole_createdb_replication_and_no_more(
    stack: Stack,
) -> None:
    assert execute(stack, sql.SQL(POWERS).format(sql.Literal(ADMIN))) == [(True, False, True, True, True, False)]


def test_the_control_planes_role_owns_its_database_and_is_nothing_more(stack: Stack) -> None:
    powers = execute(stack, sql.SQL(POWERS).format(sql.Literal(CONTROL_PLANE_OWNER)))
    assert powers == [(True, False, False, False, False, False)]


def test_both_may_use_the_connections_that_are_kept_and_no_other_role_that_may_more(stack: Stack) -> None:
    predefined = execute(
        stack,
        "SELECT DISTINCT member::regrole::text, roleid::regrole::text FROM pg_auth_members"
        f" WHERE member IN ('{ADMIN}'::regrole, '{CONTROL_PLANE_OWNER}'::regrole)"
        " AND (roleid::regrole::text LIKE 'pg\\_%' OR roleid IN (SELECT oid FROM pg_roles WHERE rolsuper)) ORDER BY 1",
    )
    keeps_connections = int(stack.postgres.major_version()) >= 16
    both = (CONTROL_PLANE_OWNER, ADMIN) if keeps_connections else ()
    assert predefined == [(role, "pg_use_reserved_connections") for role in both]


def test_the_credentials_that_the_functions_are_given_are_theirs(stack: Stack) -> None:
    assert run(stack, payload_for("no-such-project")).error == "ProjectNotFound"
    secrets = stack.client("secretsmanager")
    names = [secret["Name"] for secret in secrets.list_secrets()["SecretList"]]
    documents = [secrets.get_secret_value(SecretId=name)["SecretString"] for name in names]
    assert not any('"username": "postgres"' in document for document in documents)
