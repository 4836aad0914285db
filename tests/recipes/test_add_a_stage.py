"""The recipe "Add a stage", with a suspension that first touches its tenant."""

from pathlib import Path

import pytest

from tests.recipes import touching
from tests.recipes.contributing import recipe
from tests.recipes.touching_files import NAMES as NAMES_OF_STAGE
from tests.recipes.tree import copied

pytestmark = pytest.mark.slow


def test_a_stage_is_the_files_of_its_recipe_and_runs_in_its_job(tmp_path: Path) -> None:
    tree, named = copied(tmp_path), recipe("Add a stage", {**NAMES_OF_STAGE, "TYPE": "suspend_project"})
    touching.add_stage(tree)
    assert tree.changed() == set(named.files)
    tree.check_style(*named.files)
    tree.test(*named.tests)
