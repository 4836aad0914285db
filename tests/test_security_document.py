"""SECURITY.md claims nothing that no test and no document shows."""

import ast
import re

import pytest

from local.template import REPOSITORY
from tests.isolation.attack_lists import GROUPS, attacks

PAGE = (REPOSITORY / "SECURITY.md").read_text()
CANNOT = [
    row
    for table in re.findall(r"^\| [^|\n]*cannot[^|\n]* \| shown by \|\n\|---\|---\|\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    for row in table.splitlines()
]
TENANTS = {
    heading: [row for row in part.splitlines() if re.match(r"\| (?!a tenant can|---)", row.replace("|---", "| ---"))]
    for heading, part in re.findall(r"^## (Tenant to \w+)\n(.*?)(?=^## )", PAGE, re.MULTILINE | re.DOTALL)
}
"""Every row of what one tenant can and cannot do to others and to the platform."""

TESTS = sorted(set(re.findall(r"\]\((tests/[\w/]+\.py)\)", PAGE)))


def test_every_table_of_what_cannot_be_done_is_read() -> None:
    assert PAGE.count("| shown by |") == 4
    assert len(CANNOT) > 20


@pytest.mark.parametrize("row", CANNOT, ids=lambda row: re.sub(r"[^a-z]+", "_", row.split("|")[1].lower())[:60])
def test_what_cannot_be_done_names_who_shows_it(row: str) -> None:
    claim, shown_by = (cell.strip() for cell in row.strip("|").split(" | "))
    assert claim
    assert re.fullmatch(r"\[[^\]]+\]\((tests|docs)/[\w/.#-]+\)(, \[[^\]]+\]\((tests|docs)/[\w/.#-]+\))*", shown_by)


@pytest.mark.parametrize("row", [row for rows in TENANTS.values() for row in rows], ids=lambda row: row[2:60])
def test_a_row_about_tenants_names_its_group_of_attacks(row: str) -> None:
    assert len(groups_of(row)) == 1
    assert attacks(*groups_of(row)) != []


def test_each_group_of_attacks_belongs_to_one_row() -> None:
    assert list(TENANTS) == ["Tenant to tenant", "Tenant to platform"]
    assert sorted(group for rows in TENANTS.values() for row in rows for group in groups_of(row)) == GROUPS


def groups_of(row: str) -> list[str]:
    return re.findall(r"\]\(tests/isolation/attacks/(\w+)\.sql\)", row)


@pytest.mark.parametrize("file", TESTS)
def test_a_file_that_is_named_has_tests(file: str) -> None:
    tree = ast.parse((REPOSITORY / file).read_text())
    assert any(isinstance(node, ast.FunctionDef) and node.name.startswith("test_") for node in tree.body)


def test_every_part_of_a_page_that_is_named_is_there() -> None:
    for path, part in re.findall(r"\]\((docs/[\w/.]+)#([\w-]+)\)", PAGE):
        headings = re.findall(r"^#+ (.+)$", (REPOSITORY / path).read_text(), re.MULTILINE)
        assert part in {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}, part
