"""Jobs are started by the registry's handlers, and no program outside functions/ knows the job types."""

import ast
import re
from pathlib import Path

import pytest

from provisioning.jobs.provision_project import PROVISION_PROJECT
from provisioning.jobs.registry import DECLARATIONS
from tests import shipped

LAYERS = ("cli", "console", "local")
SOURCES = sorted(source for layer in LAYERS for source in (shipped.ROOT / layer).rglob("*.py"))
STARTS_WHAT_NO_HANDLER_DOES = {
    "local/starting.py": "texts that are no payload, for tests",
    "local/stack.py": "asks it",
    "local/executions.py": "moto",
}


def names(source: Path) -> set[str]:
    """The names that a module's code uses, and its string literals other than docstrings."""
    nodes = list(ast.walk(ast.parse(source.read_text())))
    found = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    return found | {node.id for node in nodes if isinstance(node, ast.Name)}


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: str(source.relative_to(shipped.ROOT)))
def test_no_program_starts_an_execution_past_the_registry(source: Path) -> None:
    if str(source.relative_to(shipped.ROOT)) not in STARTS_WHAT_NO_HANDLER_DOES:
        assert "start_execution" not in names(source)


@pytest.mark.parametrize("job_type", [one for one in DECLARATIONS if one != PROVISION_PROJECT.job_type])
def test_no_program_names_a_job_type_but_the_one_that_provisions(job_type: str) -> None:
    named = re.compile(rf"\b({job_type}|{job_type.upper()}|{job_type.replace('_', '-')})\b")
    files = [*SOURCES, *(shipped.ROOT / "console").rglob("*.html")]
    assert [file for file in files if named.search(file.read_text())] == []
