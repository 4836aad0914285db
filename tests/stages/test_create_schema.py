"""Create tenant schema: complete, once, and in versions."""

import shutil
from contextlib import closing
from pathlib import Path
from unittest.mock import patch

import pytest

from local.stack import Stack
from provisioning.aws import secrets
from provisioning.errors import StatementRejected
from provisioning.tenant import schema
from stages.database import create_database, drop_database
from stages.schema import create_schema
from tests.conftest import NewProject
from tests.executions.looking import look
from tests.stages.jobs import Died, StagedJob, at_once, dying, execute, open_job, refilled


def test_the_output_is_the_schema_and_its_version_and_the_control_plane_has_it_too(
    stack: Stack, job: StagedJob
) -> None:
    job.run(create_database)
    output = job.run(create_schema)
    assert (output["schema"], output["version"]) == ("public", schema.newest_version())
    tenant = look(stack, job.project_id).tenant
    assert (tenant["schema_version"], tenant["prepared"]) == (schema.newest_version(), output)


def test_a_second_delivery_returns_what_was_recorded_and_does_nothing(stack: Stack, job: StagedJob) -> None:
    job.run(create_database)
    first, before = job.run(create_schema), look(stack, job.project_id)
    assert job.run(create_schema) == first
    assert look(stack, job.project_id) == before


@pytest.mark.parametrize("after", [False, True], ids=["before the schema", "after the schema"])
def test_after_a_crash_the_next_attempt_finishes(stack: Stack, job: StagedJob, after: bool) -> None:
    job.run(create_database)
    with dying(schema, "upgrade", after=after), pytest.raises(Died):
        job.run(create_schema)
    assert job.run(create_schema)["version"] == schema.newest_version()
    assert look(stack, job.project_id).schema_versions == [schema.newest_version()]


@pytest.fixture
def migrations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The shipped migrations; a test can add more."""
    copied = tmp_path / "tenant_schema"
    shutil.copytree(schema.MIGRATIONS, copied)
    monkeypatch.setattr(schema, "MIGRATIONS", copied)
    return copied


def test_a_failure_in_the_platforms_part_leaves_nothing(stack: Stack, job: StagedJob) -> None:
    job.run(create_database)
    broken = schema.QUERIES["make_schemas"]._replace(text=schema.QUERIES["make_schemas"].text + "SELECT 1 / 0;")
    with patch.dict(schema.QUERIES, {"make_schemas": broken}), pytest.raises(StatementRejected):
        job.run(create_schema)
    schemas = "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' ORDER BY nspname"
    assert execute(stack, job.names.database, schemas) == [("information_schema",), ("public",)]
    assert execute(stack, job.names.database, "SELECT count(*) FROM pg_default_acl") == [(0,)]
    assert job.run(create_schema)["version"] == schema.newest_version()


def upgrade(job: StagedJob) -> int:
    with closing(schema.connect(secrets.read(job.names.secret))) as tenant:
        return schema.upgrade(tenant)


def test_a_live_tenant_is_upgraded_over_its_own_login_by_the_missing_migrations_only(
    stack: Stack, job: StagedJob, migrations: Path
) -> None:
    job.run(create_database)
    job.run(create_schema)
    (migrations / "9998_more.sql").write_text("CREATE TABLE tenant.more ();")
    (migrations / "9999_most.sql").write_text("ALTER TABLE tenant.more ADD COLUMN most text;")
    assert at_once(*[lambda: upgrade(job)] * 2) == [9999, 9999], "two at once wait for each other"
    assert look(stack, job.project_id).schema_versions == [1, 9998, 9999]
    assert upgrade(job) == 9999
    assert look(stack, job.project_id).schema_versions == [1, 9998, 9999]


def test_of_a_tenant_of_the_pool_the_stage_answers_what_the_refill_found(stack: Stack, new_project: NewProject) -> None:
    with refilled(stack):
        job = open_job(new_project())
    prepared = look(stack, job.project_id).tenant["prepared"]
    job.run(create_database)
    assert job.run(create_schema) == prepared
    assert prepared["version"] == schema.newest_version()


def test_the_schema_goes_with_the_database(stack: Stack, job: StagedJob) -> None:
    job.run(create_database)
    job.run(create_schema)
    job.run(drop_database)
    world = look(stack, job.project_id)
    assert (world.databases, world.tables) == ([], [])
    assert {step["stage"] for step in world.steps[job.job_id] if step["status"] == "compensated"} == {
        "creating_database",
        "creating_schema",
    }
