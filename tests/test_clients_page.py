"""The table of docs/clients.md names what is pinned and what is run."""

import re

import pytest

from tests import client_table, shipped


def test_the_table_is_what_the_locks_pin() -> None:
    assert client_table.PAGE.read_text() == client_table.page_with(client_table.table()), "python -m tests.client_table"


def test_every_client_that_is_installed_has_a_row() -> None:
    named = {name for row in client_table.ROWS for name in row.packages}
    assert client_table.declared() - client_table.PARTS == named - client_table.PARTS


@pytest.mark.parametrize("row", client_table.ROWS, ids=[row.client for row in client_table.ROWS])
def test_a_row_names_a_test_that_make_test_ecosystem_runs(row: client_table.Row) -> None:
    file, name = client_table.where(row)
    assert re.search(rf"^def {name}\(", file.read_text(), re.MULTILINE)
    assert "pytest.mark.ecosystem" in file.read_text()


def test_no_client_ships() -> None:
    packaged = (shipped.FUNCTIONS / "requirements.txt").read_text()
    assert not {name for name in client_table.declared() - {"psycopg2-binary"} if f"\n{name}==" in packaged}
