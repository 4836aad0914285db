"""An export that a test takes from stage to stage, and everything that it may have made anywhere."""

import json
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from moto.s3.models import s3_backends
from moto.secretsmanager.models import secretsmanager_backends

from local.aws import ACCOUNT
from local.aws_client import REGION
from local.exports import EXPORTS
from local.postgres import programs
from local.stack import Stack
from provisioning.exports.names import ExportNames
from provisioning.jobs.export_project import EXPORT_PROJECT
from provisioning.ledger.runner import Output
from stages.activation import finalize
from stages.export import export_database, remove_export
from tests.stages.jobs import Died, StagedJob, dying, execute, lambda_environment
from tests.stages.suspending import Tenant

LOGINS = "SELECT rolname::text FROM pg_roles WHERE rolname LIKE %s"
CONNECT = "SELECT datacl::text FROM pg_database WHERE datname = %s"
UNKNOWN_BEFORE_17 = 'ERROR:  unrecognized configuration parameter "transaction_timeout"'


class Left(NamedTuple):
    """What is left of exports of one tenant: nothing, but the two objects of each that has succeeded."""

    objects: list[str]
    uploads: list[str]
    logins: list[str]
    secrets: list[str]


NOTHING = Left([], [], [], [])


def begun(tenant: Tenant) -> StagedJob:
    """An export that was opened."""
    job = tenant.job(EXPORT_PROJECT)
    job.verify()
    return job


def exported(tenant: Tenant) -> Output:
    """Export a project, stage by stage, and return the job's result."""
    job = begun(tenant)
    job.run(export_database)
    return job.run(finalize)


def killed(job: StagedJob, owner: Any, attribute: str, *, after: bool) -> None:
    """Let the process of an attempt die at a step."""
    with lambda_environment(), dying(owner, attribute, after=after), pytest.raises(Died):
        job.run(export_database)


def kept_of(made: Mapping[str, Any]) -> Left:
    """What is left of an export that has succeeded, if nothing but its two objects is."""
    return NOTHING._replace(objects=sorted([made["dump"], made["manifest"]]))


def undone(job: StagedJob) -> str:
    """Roll an export back, and return how it was closed."""
    job.run(remove_export)
    return str(job.record_failure({"exporting_database": {"Error": "ExportFailed", "Cause": "{}"}})["outcome"])


def left(tenant: Tenant) -> Left:
    """Read from moto's memory and from the server's catalogs what is left."""
    bucket = s3_backends[ACCOUNT]["aws"].buckets[EXPORTS]
    own = f"{tenant.names.tenant_id}/"
    objects = [one["Key"] for one in listed(tenant.stack, own)]
    uploads = [one.key_name for one in bucket.multiparts.values() if one.key_name.startswith(own)]
    logins = [one for (one,) in execute(tenant.stack, "postgres", LOGINS, f"{tenant.names.database}\\_export\\_%")]
    kept: list[Any] = list(secretsmanager_backends[ACCOUNT][REGION].secrets.values())
    prefix = f"{tenant.names.secret}/exports/"
    secrets = [one.name for one in kept if one.name.startswith(prefix)]
    return Left(sorted(objects), uploads, logins, secrets)


def listed(stack: Stack, prefix: str) -> list[dict[str, Any]]:
    """The objects that S3 lists: those behind a delete marker are not among them."""
    found: list[dict[str, Any]] = stack.client("s3").list_objects_v2(Bucket=EXPORTS, Prefix=prefix).get("Contents", [])
    return found


def read(stack: Stack, key: str) -> bytes:
    """The content of an object."""
    content: bytes = stack.client("s3").get_object(Bucket=EXPORTS, Key=key)["Body"].read()
    return content


def manifest_of(stack: Stack, result: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest beside a dump."""
    document: dict[str, Any] = json.loads(read(stack, result["manifest"]))
    return document


def names_of(job: StagedJob) -> ExportNames:
    """The names of what a job makes."""
    return ExportNames(job.names, job.job_id)


def restore(stack: Stack, dump: bytes, file: Path, database: str) -> str:
    """Restore a dump into an empty database, with the pg_restore of the wheel, and return what it says against it.

    What the server has for every tenant is not in a dump: the schema of extensions is. A server before 17 lacks the one
    setting that pg_restore sends to every server.
    """
    is_older = int(stack.postgres.major_version()) < 17
    file.write_bytes(dump)
    environment = {"PGPASSWORD": (stack.state_directory / "postgres" / "superuser.password").read_text()}
    command = [str(programs() / "pg_restore"), "--host=127.0.0.1", f"--port={stack.postgres.port}"]
    command += [] if is_older else ["--exit-on-error"]
    command += ["--username=postgres", f"--dbname={database}", str(file)]
    done = subprocess.run(command, env=environment | os.environ, capture_output=True, text=True, check=False)
    errors = re.findall("ERROR: .*", done.stderr)
    return "" if is_older and errors == [UNKNOWN_BEFORE_17] else done.stderr
