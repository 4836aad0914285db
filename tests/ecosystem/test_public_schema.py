"""What people's tools meet with the issued credentials: `public` is the user's, and the platform is off the path.

Each test is a row of the table in docs/tenant-database.md, in the statements that the tools send.
"""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.stages.jobs import StagedJob

VISIBLE = """
    SELECT relname::text FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE pg_table_is_visible(pg_class.oid) AND nspname NOT IN ('pg_catalog', 'extensions')
    UNION ALL
    SELECT proname::text FROM pg_proc JOIN pg_namespace ON pg_namespace.oid = pronamespace
    WHERE pg_function_is_visible(pg_proc.oid) AND nspname NOT IN ('pg_catalog', 'extensions')
"""
MADE = (
    "CREATE TYPE mood AS ENUM ('sad', 'glad')",
    "CREATE TYPE \"public\".\"size\" AS ENUM ('s', 'm')",
    "CREATE TABLE IF NOT EXISTS users (id serial PRIMARY KEY, name text NOT NULL, mood mood)",
    'CREATE TABLE "public"."posts" ("id" serial PRIMARY KEY, "author" integer, "size" "public"."size")',
    'ALTER TABLE "public"."posts" ADD CONSTRAINT "of" FOREIGN KEY ("author") REFERENCES "public"."users"("id")',
    "CREATE VIEW glad AS SELECT name FROM users WHERE mood = 'glad'",
    "CREATE FUNCTION shout(text) RETURNS text LANGUAGE sql AS 'SELECT upper($1)'",
    "CREATE DOMAIN short AS text CHECK (length(VALUE) < 10)",
    "INSERT INTO public.users (name, mood) VALUES ('ada', 'glad')",
)
NAMED = """
    WITH granted (what, owner, acl) AS (
        SELECT nspname::text, nspowner, nspacl FROM pg_namespace
        UNION ALL SELECT relname::text, relowner, relacl FROM pg_class
        UNION ALL SELECT attname::text, relowner, attacl FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
        UNION ALL SELECT proname::text, proowner, proacl FROM pg_proc
        UNION ALL SELECT typname::text, typowner, typacl FROM pg_type
        UNION ALL SELECT lanname::text, lanowner, lanacl FROM pg_language
        UNION ALL SELECT oid::text, lomowner, lomacl FROM pg_largeobject_metadata
        UNION ALL SELECT fdwname::text, fdwowner, fdwacl FROM pg_foreign_data_wrapper
        UNION ALL SELECT srvname::text, srvowner, srvacl FROM pg_foreign_server
        UNION ALL SELECT 'default privileges', defaclrole, defaclacl FROM pg_default_acl
    )
    SELECT what FROM granted, aclexplode(acl) AS one
    WHERE one.grantee <> owner AND pg_get_userbyid(one.grantee) LIKE %(own)s
    UNION ALL
    SELECT polname::text FROM pg_policy, unnest(polroles) AS role WHERE pg_get_userbyid(role) LIKE %(own)s
"""


def rows(connection: Connection, statement: str, values: dict[str, str] | None = None) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall() if cursor.description else []


@pytest.fixture
def client(database_url: str) -> Iterator[Connection]:
    """A client with the URL and nothing else: its settings are the login's."""
    with closing(psycopg2.connect(database_url)) as connection:
        connection.autocommit = True
        yield connection


def test_a_client_works_in_public(client: Connection) -> None:
    assert rows(client, "SELECT current_schema()::text, current_setting('search_path')") == [
        ("public", "public, extensions")
    ]


def test_nothing_of_the_platform_is_on_the_path_of_a_fresh_tenant(client: Connection) -> None:
    assert rows(client, VISIBLE) == []


def test_public_takes_every_kind_of_object_with_and_without_its_name(client: Connection) -> None:
    for statement in MADE:
        rows(client, statement)
    assert rows(client, "SELECT name, shout(name) FROM glad") == [("ada", "ADA")]
    found = rows(client, "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'")
    assert sorted(found) == [("glad",), ("posts",), ("users",)]


def test_a_users_table_of_the_same_name_as_the_platforms_is_its_own(client: Connection) -> None:
    rows(client, "CREATE TABLE IF NOT EXISTS users (id serial PRIMARY KEY)")
    columns = "SELECT attname::text FROM pg_attribute WHERE attrelid = 'users'::regclass AND attnum > 0"
    assert rows(client, columns) == [("id",)]


def test_nothing_in_a_tenant_names_its_own_roles_except_as_owner(job: StagedJob, client: Connection) -> None:
    """A dump of it can be restored into another tenant, whose roles have other names."""
    own = {"own": f"{job.names.database}%"}
    assert rows(client, NAMED, own) == []
    rows(client, "CREATE POLICY one ON tenant.users TO CURRENT_USER")
    rows(client, "CREATE TABLE two (); GRANT SELECT ON two TO SESSION_USER")
    assert sorted(rows(client, NAMED, own)) == [("one",), ("two",)]
