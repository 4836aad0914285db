"""The recipe "Add a tenant migration", with a column that users may change."""

from pathlib import Path

import pytest

from provisioning.jobs.provision_project import PROVISION_PROJECT
from tests.executions.running import payload_for
from tests.recipes.contributing import recipe
from tests.recipes.running import run_jobs
from tests.recipes.tree import THIS_TREE, Tree, copied

pytestmark = pytest.mark.slow

NAMES = {"NNNN": "0002", "NAME": "user_locale"}
MIGRATION = """-- In which language a user is spoken to; NULL of one who has not said.
ALTER TABLE tenant.users ADD COLUMN locale text;
GRANT UPDATE (locale) ON tenant.users TO authenticated;
"""
TEST = '''"""A user has a locale, which is the user's own to change."""

from contextlib import closing

from local.stack import Stack
from provisioning.tenant import schema
from stages.database import create_database
from stages.schema import create_schema
from tests.stages.jobs import open_job
from tests.stages.test_create_database import secret_of

MAY_CHANGE = "SELECT has_column_privilege(%s, 'tenant.users', 'locale', 'UPDATE')"


def test_a_new_tenant_lets_users_and_no_others_change_a_locale(stack: Stack, project_id: str) -> None:
    job = open_job(project_id)
    job.run(create_database)
    assert job.run(create_schema)["version"] == 2
    with closing(schema.connect(secret_of(stack, job))) as session, session.cursor() as cursor:
        assert schema.current_version(session) == 2
        may = []
        for role in ("anon", "authenticated"):
            cursor.execute(MAY_CHANGE, (role,))
            may += cursor.fetchall()
        assert may == [(False,), (True,)]
'''
UPGRADE = """
import json, pathlib, sys
from contextlib import closing
from local.stack import Stack
from provisioning.aws import secrets
from provisioning.tenant import schema

with Stack(pathlib.Path(sys.argv[1]), fsync=False):
    with closing(schema.connect(secrets.read(sys.argv[2]))) as session:
        print(json.dumps([schema.current_version(session), schema.upgrade(session), schema.current_version(session)]))
"""


def add_migration(tree: Tree) -> None:
    """Add the column to every tenant."""
    tree.write("functions/tenant_schema/0002_user_locale.sql", MIGRATION)
    tree.write("tests/stages/test_user_locale.py", TEST)


def test_a_tenant_migration_is_the_files_of_its_recipe_and_new_tenants_have_it(tmp_path: Path) -> None:
    tree, named = copied(tmp_path), recipe("Add a tenant migration", NAMES)
    add_migration(tree)
    assert tree.changed() == set(named.files)
    tree.check_style(*named.files)
    tree.test(*named.tests)


def test_an_older_tenant_is_brought_to_the_newest_version(tmp_path: Path) -> None:
    tree, state = copied(tmp_path), tmp_path / "state"
    add_migration(tree)
    ((_, result),) = run_jobs(THIS_TREE, state, [(PROVISION_PROJECT.job_type, payload_for("demo-project"))])
    assert tree.run(UPGRADE, state, result["secret_arn"]) == [1, 2, 2]


def test_a_tenant_migration_changes_the_fingerprint_of_the_pool(tmp_path: Path) -> None:
    tree = copied(tmp_path)
    add_migration(tree)
    program = "import json; from provisioning.tenant import schema; print(json.dumps(schema.fingerprint()))"
    before, after = THIS_TREE.run(program), tree.run(program)
    assert (before[:2], after[:2]) == ("1-", "2-")
