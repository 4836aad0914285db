"""The recipe "Add a column to the control plane", with a column for who has opened a job."""

from pathlib import Path

import pytest

from provisioning.jobs.provision_project import PROVISION_PROJECT
from provisioning.jobs.resume_project import RESUME_PROJECT
from provisioning.jobs.suspend_project import SUSPEND_PROJECT
from tests.executions.running import payload_for
from tests.recipes.contributing import recipe
from tests.recipes.running import run_jobs
from tests.recipes.tree import THIS_TREE, Tree, copied

pytestmark = pytest.mark.slow

NAMES = {"NNNN": "0007", "NAME": "opened_by", "THING": "project"}
MIGRATION = """-- Which role has opened the job; NULL of a job that was opened before.
ALTER TABLE control_plane.jobs ADD COLUMN opened_by text;
"""
TEST = '''"""A job says which role has opened it."""

from local.bootstrap import CONTROL_PLANE_OWNER
from local.stack import Stack
from tests.stages.jobs import execute, open_job


def test_a_job_says_which_role_has_opened_it(stack: Stack, project_id: str) -> None:
    job = open_job(project_id)
    opened_by = "SELECT opened_by FROM control_plane.jobs WHERE job_id = %s"
    assert execute(stack, "control_plane", opened_by, job.job_id) == [(CONTROL_PLANE_OWNER,)]
'''


def add_column(tree: Tree) -> None:
    """Add the column, and let new code write it."""
    tree.write("functions/provisioning/control_plane/migrations/0007_opened_by.sql", MIGRATION)
    queries = "functions/stages/project.sql"
    tree.replace(queries, "     success_event)\nVALUES", "     success_event, opened_by)\nVALUES")
    tree.replace(queries, "        %(success_event)s);", "        %(success_event)s, current_user);")
    tree.write("tests/stages/test_opened_by.py", TEST)


def test_a_column_is_the_files_of_its_recipe_and_disturbs_no_reader(tmp_path: Path) -> None:
    tree, named = copied(tmp_path), recipe("Add a column to the control plane", NAMES)
    add_column(tree)
    assert tree.changed() == set(named.files)
    tree.check_style(*named.files)
    tree.test(*named.tests)


def test_old_code_runs_jobs_on_the_new_schema_and_its_rows(tmp_path: Path) -> None:
    tree, state, project_id = copied(tmp_path), tmp_path / "state", "demo-project"
    add_column(tree)
    made = run_jobs(tree, state, [(PROVISION_PROJECT.job_type, payload_for(project_id, "auth"))])
    project = {"project_id": project_id}
    old = run_jobs(THIS_TREE, state, [(SUSPEND_PROJECT.job_type, project), (RESUME_PROJECT.job_type, project)])
    assert [status for status, _ in [*made, *old]] == ["SUCCEEDED"] * 3
