"""A tenant's dump of each version of PostgreSQL, restored into a tenant on each, as docs/tenant-database.md says."""

import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from cli.administration import add_cluster
from local.stack import Stack
from stages.database import create_database
from stages.schema import create_schema
from tests.ecosystem.clients.running import postgres_programs
from tests.ecosystem.test_backups import BEFORE_17, DUMP, RESTORE, USE, contents, run, send, url
from tests.other_server import from_programs
from tests.stages.jobs import StagedJob, lambda_environment, open_job
from tests.upgrade.tenants import new_project
from tests.upgrade.test_managed_server import programs

pytestmark = pytest.mark.slow
VERSIONS = (15, 16, 17, 18)
OF_THE_STACK = 18
EXTENSIONS = "citext,pg_trgm"
"""Those that every server has."""
SLOTS = 8
"""Tenants that a server takes."""

WITHOUT_VECTOR = "-e 'DEFAULT ACL' -e 'EXTENSION - vector' -e 'EXTENSION vector'"
"""As the page says."""

TenantOn = Callable[[int, str], StagedJob]


@pytest.fixture(scope="module")
def tenant_on(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TenantOn]:
    """Return the tenant of that purpose on the server of that version, made when it is first asked for."""
    directory = tmp_path_factory.mktemp("versions")
    with ExitStack() as opened:
        stack = opened.enter_context(Stack(directory / "stack", time_scale=0.0001, fsync=False))
        opened.enter_context(lambda_environment())
        for version in VERSIONS:
            if version != OF_THE_STACK:
                served = from_programs(programs(str(version)))
                add(stack, str(version), opened.enter_context(served(directory / str(version), fsync=False)))

        @cache
        def made(version: int, purpose: str) -> StagedJob:
            job = open_job(new_project(stack), "auth", database={"version": str(version)})
            extensions = f"{EXTENSIONS},vector" if purpose == "with vector" else EXTENSIONS
            with patch.dict(os.environ, {"TENANT_EXTENSIONS": extensions}):
                job.run(create_database)
                job.run(create_schema)
            if purpose == "source":
                send(job, *USE, f"INSERT INTO tenant.users (email) VALUES ('ada@{version}.example.org')")
            return job

        yield made


def add(stack: Stack, version: str, server: Any) -> None:
    """Add a server to the stack's clusters, with its superuser as the admin."""
    secret = f"provisioner/clusters/{version}"
    kept = {"host": "127.0.0.1", "port": server.port, "dbname": "postgres", "username": "postgres"}
    kept["password"] = server._password.read_text()
    stack.client("secretsmanager").create_secret(Name=secret, SecretString=json.dumps(kept))
    add_cluster(version, secret, SLOTS, size="db.t3.micro", region="us-east-1")


def restoring(program: int, target: int) -> str:
    """The page's lines for these programs and this server."""
    if target >= 17 or program < 17:
        return RESTORE
    lines, count = re.subn(r"^pg_restore --exit-on-error .*\n", lambda _: BEFORE_17, RESTORE, flags=re.MULTILINE)
    assert count == 1
    return lines


def comparable(job: StagedJob) -> list[str]:
    """Every right and every row of a tenant, apart from what a version of PostgreSQL or of an extension adds."""
    rows = [re.sub("^(\\('extension', '[a-z_]+'), '[0-9.]+'", r"\1", str(row)) for row in contents(job)]
    # Since 17 all privileges of a table are one more, MAINTAIN.
    return sorted(row.replace("arwdDxtm/", "arwdDxt/") for row in rows if "....pg.dropped." not in row)


@pytest.mark.parametrize("target", VERSIONS)
@pytest.mark.parametrize("source", VERSIONS)
def test_a_dump_of_each_version_restores_every_row_and_right_on_each(
    tenant_on: TenantOn, tmp_path: Path, source: int, target: int
) -> None:
    dumped, restored = tenant_on(source, "source"), tenant_on(target, "target")
    before = comparable(dumped)
    assert any(f"ada@{source}.example.org" in row for row in before)
    tried = {version: folder for version, folder in postgres_programs().items() if version >= source}
    assert 18 in tried
    for version, folder in tried.items():
        run(DUMP, folder, tmp_path, FROM=url(dumped))
        send(restored, "CREATE TABLE of_the_target AS SELECT 1 AS lost", "TRUNCATE tenant.users")
        run(restoring(version, target), folder, tmp_path, TO=url(restored))
        assert comparable(restored) == before, f"with the programs of {version}"


@pytest.mark.parametrize(
    ("purpose", "statement", "error", "remedy"),
    [
        (
            "maintained",
            "GRANT MAINTAIN ON tenant.users TO anon",
            'unrecognized privilege type "maintain"',
            "REVOKE MAINTAIN ON tenant.users FROM anon",
        ),
        (
            "virtual",
            "CREATE TABLE two (a int, b int GENERATED ALWAYS AS (a) VIRTUAL)",
            "syntax error at or near",
            "ALTER TABLE two DROP b, ADD b int GENERATED ALWAYS AS (a) STORED",
        ),
    ],
)
def test_what_the_older_server_does_not_know_stops_it_until_changed(
    tenant_on: TenantOn, tmp_path: Path, purpose: str, statement: str, error: str, remedy: str
) -> None:
    dumped, restored, newest = tenant_on(18, purpose), tenant_on(15, "target"), postgres_programs()[18]
    send(dumped, statement)
    run(DUMP, newest, tmp_path, FROM=url(dumped))
    with pytest.raises(AssertionError, match=error):
        run(restoring(18, 15), newest, tmp_path, TO=url(restored))
    send(dumped, remedy)
    run(DUMP, newest, tmp_path, FROM=url(dumped))
    run(restoring(18, 15), newest, tmp_path, TO=url(restored))
    assert comparable(restored) == comparable(dumped)


def test_an_extension_that_the_older_server_lacks_is_left_out_by_hand(tenant_on: TenantOn, tmp_path: Path) -> None:
    dumped, restored, newest = tenant_on(18, "with vector"), tenant_on(15, "target"), postgres_programs()[18]
    run(DUMP, newest, tmp_path, FROM=url(dumped))
    with pytest.raises(AssertionError, match='extension "vector" is not available'):
        run(restoring(18, 15), newest, tmp_path, TO=url(restored))
    run(restoring(18, 15).replace("'DEFAULT ACL'", WITHOUT_VECTOR), newest, tmp_path, TO=url(restored))
    before, after = {*comparable(dumped)}, {*comparable(restored)}
    assert after <= before
    # What an extension consists of belongs to the superuser.
    lost = [row for row in before - after if not row.endswith("'postgres')")]
    assert [row.partition(", 'TENANT")[0] for row in lost] == ["('extension', 'vector'"]


def test_older_programs_refuse_a_newer_server_and_a_newer_dump(tenant_on: TenantOn, tmp_path: Path) -> None:
    found, dumped, restored = postgres_programs(), tenant_on(18, "source"), tenant_on(18, "target")
    with pytest.raises(AssertionError, match="aborting because of server version mismatch"):
        run(DUMP, found[15], tmp_path, FROM=url(dumped))
    run(DUMP, found[18], tmp_path, FROM=url(dumped))
    with pytest.raises(AssertionError, match=r"unsupported version \(1\.16\) in file header"):
        run(RESTORE, found[15], tmp_path, TO=url(restored))


@pytest.mark.parametrize("target", [15, 16])
def test_without_the_lines_for_it_newer_programs_stop_before_17(
    tenant_on: TenantOn, tmp_path: Path, target: int
) -> None:
    newest = postgres_programs()[18]
    run(DUMP, newest, tmp_path, FROM=url(tenant_on(15, "source")))
    with pytest.raises(AssertionError, match='unrecognized configuration parameter "transaction_timeout"'):
        run(RESTORE, newest, tmp_path, TO=url(tenant_on(target, "target")))
