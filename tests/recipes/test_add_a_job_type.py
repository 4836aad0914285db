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


def test_a_job_type_is_the_files_of_its_recipe_and_runs(tmp_path: Path) -> None:
    tree, named = copied(tmp_path), recipe("Add a job type", NAMES)
    stages = [recipe("Add a stage", {**NAMES, "HANDLER": handler}) for handler in ("touch_tenant", "finish_touching")]
    files = {*named.files, *(file for stage in stages for file in stage.files)}
    touching.add_job_type(tree)
    assert tree.changed() == files
    assert [file for file in files if file.startswith(OF_EVERY_TYPE)] == []
    tree.check_style(*files)
    tests = dict.fromkeys([*named.tests, *stages[0].tests])
    tree.test(*tests)
