"""psql, pg_dump and pg_restore of PostgreSQL 15 to 18, run by a tenant."""

import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from local.stack import Stack
from tests.ecosystem.clients.running import run_client, url_of

pytestmark = pytest.mark.ecosystem

STOP = ("-v", "ON_ERROR_STOP=1")
# Those of https://www.postgresql.org/docs/15/app-psql.html. \\db+ asks for sizes that PostgreSQL tells no tenant.
DESCRIPTIONS = r"""
\d \d+ \dS \d notes \d+ notes \dA \dAc \dAf \dAo \dAp \db \dc \dC \dconfig \dd \dD \ddp \dE \det \des \deu
\dew \dFd \dFp \dFt \dF \df+ \dg+ \di+ \dl \dL \dm \dn+ \dO \do \dp \dP+ \drds \dRp+ \dRs \ds+ \dt+ \dT+ \du
\dv \dx+ \dX \dy \l+ \sf+ noted \z \encoding \conninfo
"""
COMMANDS = re.findall(r"\\\S+(?: [a-z]+)?", DESCRIPTIONS)
USED = """
CREATE TYPE mood AS ENUM ('calm', 'cross');
CREATE TABLE notes (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, mood mood, parent bigint REFERENCES notes);
INSERT INTO notes (mood, parent) VALUES ('calm', NULL), ('cross', 1);
CREATE INDEX ON notes (mood);
CREATE VIEW calm AS SELECT id FROM notes WHERE mood = 'calm';
CREATE FUNCTION noted() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM public.notes';
ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
CREATE POLICY everybody ON notes FOR SELECT TO anon USING (true);
GRANT SELECT ON notes TO anon;
"""
FOUND = """
SELECT count(*), noted(), (SELECT count(*) FROM calm), (SELECT string_agg(polname, ',') FROM pg_policy
    WHERE polrelid = 'notes'::regclass), has_table_privilege('anon', 'notes', 'SELECT'),
    (SELECT bool_and(relowner = current_user::regrole) FROM pg_class WHERE relnamespace = 'public'::regnamespace)
FROM notes
"""
UNKNOWN_BEFORE_17 = 'ERROR:  unrecognized configuration parameter "transaction_timeout"'
"""What pg_restore since 17 meets on an older server, and goes on."""


@pytest.fixture
def used_url(url: str, postgres_programs: dict[int, Path], tmp_path: Path) -> str:
    """The URL of a tenant with tables of its own."""
    run_client([postgres_programs[18] / "psql", url, "-Xq", *STOP, "-c", USED], url, tmp_path)
    return url


@pytest.fixture
def fitting(stack: Stack, postgres_programs: dict[int, Path]) -> list[Path]:
    """The folders with programs of the server's version or a newer one: psql and pg_dump know no server's future."""
    with closing(stack.postgres.connect()) as connection:
        server = connection.server_version // 10000
    return [folder for version, folder in postgres_programs.items() if version >= server]


def test_psqls_descriptions_meet_no_error(used_url: str, fitting: list[Path], tmp_path: Path) -> None:
    script = tmp_path / "descriptions.sql"
    script.write_text("\n".join(COMMANDS) + "\n")
    assert len(COMMANDS) > 50
    for programs in fitting:
        done = run_client([programs / "psql", used_url, "-X", "-f", script], used_url, tmp_path)
        assert [line for line in done.stderr.splitlines() if "Did not find" not in line] == [], programs
        assert "notes_mood_idx" in done.stdout


def test_a_tenants_own_tables_are_dumped_and_restored_into_another_project(
    used_url: str, provision: Callable[[], dict[str, Any]], fitting: list[Path], tmp_path: Path
) -> None:
    shown = set()
    for programs in fitting:
        other = url_of(provision())
        run_client([programs / "pg_dump", used_url, "-Fc", "--file", "dump"], used_url, tmp_path)
        listed = run_client([programs / "pg_restore", "--list", "dump"], used_url, tmp_path).stdout.splitlines()
        (tmp_path / "listed").write_text("\n".join(line for line in listed if "DEFAULT ACL" not in line))
        restore: list[str | Path] = [
            programs / "pg_restore",
            "--no-owner",
            "--schema=public",
            "--use-list=listed",
        ]
        restored = run_client([*restore, "--dbname", other, "dump"], other, tmp_path, succeeds=None)
        assert set(re.findall("ERROR: .*", restored.stderr)) <= {UNKNOWN_BEFORE_17}
        shown |= {
            run_client([programs / "psql", one, "-XAtc", FOUND], one, tmp_path).stdout for one in (used_url, other)
        }
    assert shown == {"2|2|1|everybody|t|t\n"}
