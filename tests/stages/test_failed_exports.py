"""An export that fails leaves no object, no upload, no login and no secret, and no cut dump becomes an object."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psycopg2
import pytest
from botocore.exceptions import ClientError

from provisioning.aws import objects, secrets
from provisioning.errors import ExportFailed, ExportRefused, JobClosed, RollbackFailed
from provisioning.exports import contents, login
from stages.activation import finalize
from stages.export import export_database, remove_export
from tests.stages.exporting import NOTHING, begun, exported, kept_of, left, names_of
from tests.stages.jobs import Died, dying, execute, lambda_environment
from tests.stages.suspending import Tenant

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("script", "error", "said"),
    [
        ("head -c 100000 /dev/zero; exit 1", ExportFailed, "exit code 1"),
        ("head -c 100000 /dev/zero; kill -9 $$", ExportFailed, "exit code -9"),
        (
            "echo 'pg_dump: error: query failed: ERROR:  permission denied for table secret_plans' >&2; exit 1",
            ExportRefused,
            "permission denied for table secret_plans",
        ),
        (
            "echo 'ERROR:  canceling statement due to statement timeout' >&2; exit 1",
            ExportFailed,
            "a lock on a table of the tenant held up pg_dump for 30 s",
        ),
    ],
)
def test_a_cut_dump_never_becomes_an_object(
    tenant: Tenant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, error: type[Exception], said: str
) -> None:
    program = tmp_path / "pg_dump"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PG_DUMP", str(program))
    completed: list[str] = []
    monkeypatch.setattr(objects.Upload, "complete", lambda upload: completed.append(upload.key))
    job = begun(tenant)
    with pytest.raises(error, match=said):
        job.run(export_database)
    assert completed == []
    assert left(tenant) == NOTHING, "the attempt itself has removed what it made"


@pytest.mark.parametrize(
    "operation", ["create_multipart_upload", "upload_part", "complete_multipart_upload", "put_object"]
)
def test_a_failed_request_leaves_nothing_and_the_next_attempt_succeeds(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    class Client:
        def __init__(self, real: Any) -> None:
            self._real = real

        def __getattr__(self, name: str) -> Any:
            return fail if name == operation else getattr(self._real, name)

    def fail(**_: object) -> None:
        raise ClientError({"Error": {"Code": "SlowDown", "Message": "a-secret"}}, operation)

    real, job = objects._client(), begun(tenant)
    with monkeypatch.context() as failing:
        failing.setattr(objects, "_client", lambda: Client(real))
        with pytest.raises(ExportFailed, match=r"^S3 answered SlowDown to "):
            job.run(export_database)
    assert left(tenant) == NOTHING
    job.run(export_database)
    made = job.run(finalize)
    assert left(tenant) == kept_of(made)


def test_a_lost_answer_to_the_last_request_counts_as_what_it_was(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """botocore asks again, and S3 then knows no such upload."""
    real = objects.Upload.complete

    def twice(upload: objects.Upload) -> None:
        real(upload)
        real(upload)

    monkeypatch.setattr(objects.Upload, "complete", twice)
    made = exported(tenant)
    assert left(tenant) == kept_of(made)


def test_an_upload_that_was_aborted_becomes_no_object(tenant: Tenant) -> None:
    upload = objects.Upload(f"{tenant.names.tenant_id}/of-a-test/1.dump")
    upload.add(b"part")
    upload.abort()
    with pytest.raises(ExportFailed):
        upload.complete()
    with pytest.raises(ExportFailed):
        upload.add(b"part")
    assert left(tenant) == NOTHING


def test_an_attempt_whose_job_was_rolled_back_meanwhile_leaves_nothing(tenant: Tenant) -> None:
    job, real = begun(tenant), objects.put

    def rolled_back_before(key: str, body: bytes) -> None:
        with lambda_environment():
            execute(
                tenant.stack,
                "control_plane",
                "UPDATE control_plane.jobs SET rollback_started_at = now() WHERE job_id = %s",
                job.job_id,
            )
        real(key, body)

    with patch.object(objects, "put", rolled_back_before), pytest.raises(JobClosed):
        job.run(export_database)
    assert left(tenant) == NOTHING


def test_a_login_that_the_tenant_has_named_is_removed_all_the_same(tenant: Tenant, other: Tenant) -> None:
    """By grants, policies and default privileges, in its own database and in another's."""
    job, real = begun(tenant), login.make

    def named(*arguments: Any) -> Any:
        document = real(*arguments)
        role = document["username"]
        for one in (tenant, other):
            one.run(f"""
                CREATE TABLE public.pinned (id integer);
                GRANT ALL ON public.pinned TO {role} WITH GRANT OPTION;
                CREATE POLICY for_it ON public.pinned TO {role} USING (true);
                ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO {role};
                GRANT CREATE ON SCHEMA public TO {role}
            """)
        return document

    with patch.object(login, "make", named):
        job.run(export_database)
    made = job.run(finalize)
    assert left(tenant) == kept_of(made)


def test_a_session_of_the_login_that_is_left_ends_with_it(tenant: Tenant) -> None:
    job, real, opened = begun(tenant), login.make, list[Any]()

    def entered(*arguments: Any) -> Any:
        document = real(*arguments)
        opened.append(contents.connect(document, 60))
        return document

    with patch.object(login, "make", entered):
        job.run(export_database)
    with closing(opened[0]) as session, pytest.raises(psycopg2.OperationalError):
        session.cursor().execute("SELECT 1")


def test_a_login_that_cannot_be_removed_is_named_and_closed(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    job = begun(tenant)
    with lambda_environment(), dying(login, "make", after=True), pytest.raises(Died):
        job.run(export_database)
    document = secrets.read(names_of(job).secret)
    real: Callable[..., Any] = login._Work.send

    def held_up(work: Any, *names: str, **values: object) -> None:
        if "drop_login" in names:
            raise psycopg2.errors.DependentObjectsStillExist
        real(work, *names, **values)

    monkeypatch.setattr(login._Work, "send", held_up)
    with pytest.raises(RollbackFailed, match=r"^the login of the export is held up by"):
        job.run(remove_export)
    with pytest.raises(psycopg2.OperationalError):
        contents.connect(document, 10)
