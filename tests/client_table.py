"""The table of docs/clients.md: which clients were tried. `.venv/bin/python -m tests.client_table` writes it.

A version is the one that the clients' locks pin; what a client does is in the test that its row names.
"""

import json
import re
import tomllib
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests import shipped

PAGE = shipped.ROOT / "docs" / "clients.md"
FOLDER = shipped.ROOT / "tests" / "ecosystem" / "clients"
BEGIN = "<!-- the locks of the clients, by python -m tests.client_table -->"
END = "<!-- end of the locks of the clients -->"


class Row(NamedTuple):
    """A client: its packages of PyPI or npm, what is run, how it ends, and the test that runs it."""

    client: str
    packages: tuple[str, ...]
    run: str
    result: str
    test: str


PYTHON, NPM = "test_python_clients.py", "test_npm_clients.py"
POOLER, PROGRAMS = "test_pgbouncer.py", "test_postgres_programs.py"
DRIVER = "test_a_client_makes_writes_and_reads_its_tables"
ROWS = (
    Row(
        "psycopg 3",
        ("psycopg", "psycopg-pool"),
        "a pool that sends `DISCARD ALL`, prepared statements, a pipeline, `COPY`, `LISTEN`",
        "works",
        f"{PYTHON}::{DRIVER}",
    ),
    Row("asyncpg", ("asyncpg",), "a pool with its reset, arrays of an enum, `COPY`", "works", f"{PYTHON}::{DRIVER}"),
    Row("pg8000", ("pg8000",), "both of its interfaces", "works", f"{PYTHON}::{DRIVER}"),
    Row(
        "SQLAlchemy",
        ("sqlalchemy", "psycopg2-binary"),
        "reflection of a fresh tenant, `create_all`, `drop_all`, by psycopg, psycopg2, pg8000 and asyncpg",
        "works; a fresh tenant reflects as empty",
        f"{PYTHON}::{DRIVER}",
    ),
    Row(
        "Alembic",
        ("alembic",),
        "`init`, `revision --autogenerate`, `upgrade`, `check`, `downgrade`",
        "works; it proposes to drop nothing",
        f"{PYTHON}::test_alembic_proposes_to_drop_nothing_and_comes_and_goes",
    ),
    Row(
        "Django",
        ("django",),
        "`makemigrations`, `migrate`, `inspectdb`, and `test` in a second project",
        "works; `test` with `--keepdb`",
        f"{PYTHON}::test_djangos_tests_run_in_a_second_project",
    ),
    Row("node-postgres", ("pg",), "named statements, `LISTEN`", "works", f"{NPM}::{DRIVER}"),
    Row("postgres.js", ("postgres",), "a pool, arrays, `NOTIFY`", "works", f"{NPM}::{DRIVER}"),
    Row(
        "Drizzle",
        ("drizzle-kit", "drizzle-orm"),
        "`push` twice with an enum and a foreign key, `pull`, queries",
        "works; the second push has nothing to do",
        f"{NPM}::test_drizzle_kit_pushes_once_and_pulls_what_it_has_pushed",
    ),
    Row("Knex", ("knex",), "migrations up and down with an enum and a foreign key", "works", f"{NPM}::{DRIVER}"),
    Row("Sequelize", ("sequelize",), "`sync` with an enum: plain, `alter`, `force`", "works", f"{NPM}::{DRIVER}"),
    Row(
        "TypeORM",
        ("typeorm",),
        "`synchronize` twice with an entity `users`",
        'works; with `uuidExtension: "pgcrypto"` where the server has no uuid-ossp',
        f"{NPM}::{DRIVER}",
    ),
    Row(
        "PostGraphile",
        ("postgraphile",),
        "the schema `public`, a mutation and queries as `authenticated` with a policy",
        "works",
        f"{NPM}::{DRIVER}",
    ),
    Row(
        "pgbouncer 1.18 (Debian 12)",
        (),
        "session and transaction mode, one `*` entry, two tenants",
        "works; in transaction mode without prepared statements",
        f"{POOLER}::test_clients_in_python_work_behind_it",
    ),
    Row(
        "pgbouncer 1.24 (Debian 13)",
        (),
        "the same, with prepared statements in transaction mode, and passwords by `auth_query`",
        "works",
        f"{POOLER}::test_since_119_a_role_without_rights_looks_passwords_up",
    ),
    Row(
        "psql 15, 16, 17, 18",
        (),
        "the `\\d` family against servers of its version and older ones",
        "works",
        f"{PROGRAMS}::test_psqls_descriptions_meet_no_error",
    ),
    Row(
        "pg_dump and pg_restore 15, 16, 17, 18",
        (),
        "a tenant's own tables into a second project, with `--schema=public` and without the `DEFAULT ACL` of its list",
        "works",
        f"{PROGRAMS}::test_a_tenants_own_tables_are_dumped_and_restored_into_another_project",
    ),
)
NOT_TRIED = (
    "Prisma (its native engine is a download; that of 6.19 in WebAssembly fails on any database here)",
    "storage-js (no Storage runs in the tests; 2.119.0 passed by hand on 2026-11-28: docs/services.md)",
    "PostGraphile 5 (needs Node.js 22 and 400 MB; 5.1.5 with `makeV4Preset` passed by hand on 22.23.3, 2026-11-28)",
)
PARTS = {"psycopg2-binary", "pgserver", "reflect-metadata"}
"""Packages that a client above needs, which are no clients."""


def declared() -> set[str]:
    """Return the packages that the project asks for as clients."""
    group = tomllib.loads((shipped.ROOT / "pyproject.toml").read_text())["dependency-groups"]["ecosystem"]
    npm = json.loads((FOLDER / "package.json").read_text())["dependencies"]
    return {canonicalize_name(Requirement(text).name) for text in group} | set(npm)


def pinned() -> dict[str, str]:
    """Return the versions that the locks of the clients pin."""
    lock = (shipped.ROOT / "requirements-ecosystem.lock").read_text()
    python = dict(re.findall(r"^([a-z0-9-]+)(?:\[[a-z,-]+\])?==([^\s;]+)", lock, re.MULTILINE))
    packages = json.loads((FOLDER / "package-lock.json").read_text())["packages"]
    npm = {name: packages[f"node_modules/{name}"]["version"] for name in packages[""]["dependencies"]}
    return python | npm


def table() -> str:
    """Return the table, and the line of what the tests do not run."""
    versions = pinned()
    rows = ["| client | version | what is run | result |", "|---|---|---|---|"]
    for row in ROWS:
        version = ", ".join(f"{name} {versions[name]}" for name in row.packages) or "as named"
        file, _, _ = row.test.partition("::")
        rows.append(
            f"| {row.client} | {version} | {row.run} ([test](../tests/ecosystem/clients/{file})) | {row.result} |"
        )
    return "\n".join([*rows, "", f"Not run by it: {'; '.join(NOT_TRIED)}."])


def page_with(text: str) -> str:
    """Return the page with this table."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{rest.partition(END)[2]}"


def where(row: Row) -> tuple[Path, str]:
    """Return the file of a row's test, and the name of the test."""
    file, _, name = row.test.partition("::")
    return FOLDER / file, name


if __name__ == "__main__":
    PAGE.write_text(page_with(table()))
