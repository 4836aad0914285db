"""Clients of npm, each a small program in programs/, on a fresh tenant of a whole job."""

from pathlib import Path

import pytest

from tests.ecosystem.clients.running import PROGRAMS, Run

pytestmark = pytest.mark.ecosystem


@pytest.mark.parametrize("client", ["node_postgres", "knex", "sequelize", "typeorm", "postgraphile"])
def test_a_client_makes_writes_and_reads_its_tables(url: str, run_node: Run, client: str) -> None:
    run_node(f"{client}.mjs", url)


def test_drizzle_kit_pushes_once_and_pulls_what_it_has_pushed(url: str, run_node: Run, tmp_path: Path) -> None:
    folder = PROGRAMS / "drizzle"
    configuration = ("--config", str(folder / "drizzle.config.mjs"))
    out = tmp_path / "out"
    assert "Changes applied" in run_node("drizzle-kit", url, "push", "--force", *configuration)
    assert "No changes detected" in run_node("drizzle-kit", url, "push", "--force", *configuration)
    run_node("drizzle/queries.mjs", url)
    run_node("drizzle-kit", url, "pull", *configuration, DRIZZLE_OUT=str(out))
    pulled = (out / "schema.ts").read_text()
    assert "pgEnum(\"mood\", ['calm', 'cross'])" in pulled
    assert pulled.count("pgTable(") == 2
    assert "foreignKey(" in pulled


def test_drizzle_kit_pulls_a_fresh_tenant_as_empty(url: str, run_node: Run, tmp_path: Path) -> None:
    configuration = str(PROGRAMS / "drizzle" / "drizzle.config.mjs")
    run_node("drizzle-kit", url, "pull", "--config", configuration, DRIZZLE_OUT=str(tmp_path / "out"))
    assert "pgTable(" not in (tmp_path / "out" / "schema.ts").read_text()
