"""Imports run one way among the modules of the functions, and among the packages of provisioning."""

import ast
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.test_layout import module, sources


def needed(nodes: Iterable[ast.AST]) -> set[str]:
    """The modules of the functions that these statements import."""
    own = {module(one) for layer in ("api", "stages", "upkeep", "provisioning") for one in sources(layer)}
    found = set()
    for node in nodes:
        if isinstance(node, ast.ImportFrom):
            # A name of a package is a module of its own, or else something that the package's __init__ defines.
            found |= {name if (name := f"{node.module}.{one.name}") in own else str(node.module) for one in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found & own


def needed_at_import(source: Path) -> set[str]:
    """The modules of the functions that a module needs during its own import."""
    return needed(ast.parse(source.read_text()).body)


def part(name: str) -> str:
    """The package of provisioning that a module belongs to; a module beside the packages is its own part."""
    return ".".join(name.split(".")[:2])


def parts_needed(texts: dict[str, str]) -> dict[str, set[str]]:
    """What the parts of provisioning import from each other, including types and late imports."""
    found: dict[str, set[str]] = {part(name): set() for name in texts}
    for name, text in texts.items():
        found[part(name)] |= {part(one) for one in needed(ast.walk(ast.parse(text)))} - {part(name), "provisioning"}
    return found


def circle(needs: dict[str, set[str]]) -> list[str]:
    """The modules that form circles; none if they can be ordered."""
    left = dict(needs)
    while ready := [name for name, needed in left.items() if not needed & left.keys()]:
        for name in ready:
            del left[name]
    return sorted(left)


def test_no_module_of_the_functions_is_needed_by_what_it_needs() -> None:
    files = [source for layer in ("api", "stages", "upkeep", "provisioning") for source in sources(layer)]
    assert circle({module(source): needed_at_import(source) for source in files}) == []


def test_the_check_of_circles_sees_one() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}, "e": set()}) == ["a", "b", "c", "d"]
    assert circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def test_no_package_of_provisioning_imports_one_that_imports_it() -> None:
    texts = {module(source): source.read_text() for source in sources("provisioning")}
    assert circle(parts_needed(texts)) == []


@pytest.mark.parametrize(
    "text",
    [
        "from provisioning.ledger import runner",
        "from provisioning import ledger",
        "import provisioning.ledger.runner",
        "def late():\n    from provisioning.ledger.runner import run_stage",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from provisioning.ledger.job import Job",
    ],
)
def test_the_check_of_packages_sees_an_import_wherever_it_stands(text: str) -> None:
    texts = {"provisioning.tenant.pool": text, "provisioning.ledger.witness": "from provisioning.tenant import pool"}
    assert circle(parts_needed(texts)) == ["provisioning.ledger", "provisioning.tenant"]
    assert circle(parts_needed(texts | {"provisioning.tenant.pool": "from provisioning.tenant import schema"})) == []
