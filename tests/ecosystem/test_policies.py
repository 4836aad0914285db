"""Policies as Supabase's documentation writes them: https://supabase.com/docs/guides/database/postgres/row-level-security."""

import json
import uuid
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

TABLE = """
    CREATE TABLE profiles (id uuid PRIMARY KEY, user_id uuid, avatar_url text);
    ALTER TABLE profiles ENABLE ROW LEVEL SECURITY;
    CREATE POLICY "User can see their own profile only." ON profiles FOR SELECT
        USING ((SELECT auth.uid()) = user_id);
    CREATE POLICY "Users can create a profile." ON profiles FOR INSERT TO authenticated
        WITH CHECK ((SELECT auth.uid()) = user_id);
    CREATE POLICY "Users can update their own profile." ON profiles FOR UPDATE TO authenticated
        USING ((SELECT auth.uid()) = user_id) WITH CHECK ((SELECT auth.uid()) = user_id);
    CREATE TABLE teams (team text);
    INSERT INTO teams VALUES ('red'), ('blue');
    ALTER TABLE teams ENABLE ROW LEVEL SECURITY;
    CREATE POLICY "By the claims of the app." ON teams
        USING (team = ((SELECT auth.jwt()) -> 'app_metadata' ->> 'team') AND auth.role() = 'authenticated');
"""
ADA, BOB = str(uuid.uuid4()), str(uuid.uuid4())


@pytest.fixture
def client(database_url: str) -> Iterator[Connection]:
    with closing(psycopg2.connect(database_url)) as connection:
        with connection, connection.cursor() as cursor:
            cursor.execute(TABLE)
        yield connection


def request(
    client: Connection, statement: str, claims: dict[str, Any] | None, role: str = "authenticated"
) -> list[Any]:
    """A request of PostgREST: one transaction, under a role and, if it has a token, with its claims."""
    with client, client.cursor() as cursor:
        cursor.execute("SELECT set_config('role', %s, true)", (role,))
        if claims is not None:
            cursor.execute("SELECT set_config('request.jwt.claims', %s, true)", (json.dumps({"role": role} | claims),))
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def test_a_user_makes_and_sees_only_its_own_rows(client: Connection) -> None:
    for user in (ADA, BOB):
        request(client, f"INSERT INTO profiles VALUES (gen_random_uuid(), '{user}')", {"sub": user})
    assert request(client, "SELECT user_id::text FROM profiles", {"sub": ADA}) == [(ADA,)]
    assert request(client, "SELECT user_id FROM profiles", {}) == []
    with pytest.raises(psycopg2.errors.InsufficientPrivilege, match="row-level security"):
        request(client, f"INSERT INTO profiles VALUES (gen_random_uuid(), '{BOB}')", {"sub": ADA})


def test_a_policy_reads_other_claims(client: Connection) -> None:
    assert request(client, "SELECT team FROM teams", {"app_metadata": {"team": "red"}}) == [("red",)]
    assert request(client, "SELECT team FROM teams", {"app_metadata": {"team": "red"}}, "service_role") == []


@pytest.mark.parametrize("role", ["anon", "authenticated", "service_role"])
def test_each_shared_role_may_ask_and_finds_nothing_without_a_token(client: Connection, role: str) -> None:
    asked = "SELECT auth.uid(), auth.role(), auth.jwt()"
    nothing = [(None, None, None)]
    assert request(client, asked, None, role) == nothing
    assert request(client, asked, {"sub": ADA}, role) == [(ADA, role, {"role": role, "sub": ADA})]
    # SET LOCAL leaves '' behind, not NULL.
    assert request(client, asked, None, role) == nothing
