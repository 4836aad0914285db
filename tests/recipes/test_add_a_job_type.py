"""The recipe "Add a job type", with a type that touches a project: it opens in active, and leaves it active."""

from pathlib import Path

import pytest

from tests.recipes import touching
from tests.recipes.contributing import recipe
from tests.recipes.touching_files import NAMES as NAMES_OF_STAGE
from tests.recipes.tree import copied

pytestmark = pytest.mark.slow

NAMES = {**NAMES_OF_STAGE, "TYPE": "touch_project"}
OF_EVERY_TYPE = ("cli/", "console/", "local/", "functions/provisioning/ledger/")
CONTRADICTED = (
    "tests/test_job_types.py::test_its_statuses_lead_from_one_to_the_next[touch_project]",
    "tests/test_job_types.py::test_no_job_opens_while_another_runs_and_no_two_types_share_that_status",
)
"""Tests that fail for a type that leaves its project unchanged, or shares its running status with another type."""


def test_a_job_type_is_the_files_of_its_recipe_and_runs(tmp_path: Path) -> None:
    tree, named = copied(tmp_path), recipe("Add a job type", NAMES)
    stages = [recipe("Add a stage", {**NAMES, "HANDLER": handler}) for handler in ("touch_tenant", "finish_touching")]
    files = {*named.files, *(file for stage in stages for file in stage.files)}
    touching.add_job_type(tree)
    assert tree.changed() == files
    assert [file for file in files if file.startswith(OF_EVERY_TYPE)] == []
    tree.check_style(*files)
    tests = dict.fromkeys([*named.tests, *stages[0].tests])
    tree.test(*tests, *(f"--deselect={test}" for test in CONTRADICTED))
