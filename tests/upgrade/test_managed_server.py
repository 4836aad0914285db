"""A server whose operators have no superuser, like RDS: its master makes the admin, as docs/operations.md says.

The master is a CREATEROLE CREATEDB role, a member of a role that has predefined roles, and owns `postgres` and
`template1`.
"""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import psycopg2
import pytest
from psycopg2 import sql

from cli.administration import add_cluster
from local.postgres import PostgresServer
from local.stack import Stack
from local.template import REPOSITORY
from provisioning.jobs.resume_project import RESUME_PROJECT
from provisioning.jobs.suspend_project import SUSPEND_PROJECT
from tests.executions.stage_faults import STAGES, Fault, failing
from tests.other_server import from_programs
from tests.upgrade.pg_upgrade import PAGE, findings, query
from tests.upgrade.tenants import ROWS, WORK, as_tenant, provision, tenant_of

pytestmark = pytest.mark.slow
ADMIN = "provisioner_projects"
"""As the page names it."""
SECRET = "provisioner/clusters/managed"
CAPACITY = 7
"""Whose logins cannot take every connection, because nobody may let the admin use those that the server keeps."""
MASTER = """
    CREATE ROLE rds_superuser NOLOGIN;
    CREATE ROLE master LOGIN CREATEROLE CREATEDB PASSWORD 'master';
    ALTER DATABASE postgres OWNER TO master;
    ALTER DATABASE template1 OWNER TO master;
    GRANT pg_monitor, pg_signal_backend, pg_checkpoint TO rds_superuser;
    GRANT rds_superuser TO master;
"""


class Managed(NamedTuple):
    """The stack, whose only cluster is the server, and what cluster add has said about it."""

    stack: Stack
    server: PostgresServer
    version: str
    said: str


def programs(version: str) -> Path:
    """The directory with a version's programs; skip where there are none."""
    found = subprocess.run([REPOSITORY / "scripts" / "postgres", version], capture_output=True, text=True, check=False)
    if found.returncode:
        pytest.skip(f"there is no PostgreSQL {version}: {found.stderr}")
    return Path(found.stdout.strip())


@pytest.fixture(scope="module", params=["15", "16", "17", "18"])
def managed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Managed]:
    served = PostgresServer if request.param == "18" else from_programs(programs(request.param))
    directory = tmp_path_factory.mktemp("managed")
    with (
        served(directory / "server", fsync=False) as server,
        Stack(directory / "stack", time_scale=0.0001, fsync=False) as stack,
    ):
        with closing(server.connect()) as superuser, superuser.cursor() as cursor:
            cursor.execute(MASTER)
        as_master = psycopg2.connect(
            host="127.0.0.1", port=server.port, user="master", password="master", dbname="postgres"
        )
        with closing(as_master) as master, master.cursor() as cursor:
            master.autocommit = True
            for statement in the_masters_statements():
                cursor.execute(statement)
            cursor.execute(sql.SQL("ALTER ROLE {} PASSWORD 'admin'").format(sql.Identifier(ADMIN)))
        kept = {"host": "127.0.0.1", "port": server.port, "dbname": "postgres", "username": ADMIN, "password": "admin"}
        stack.client("secretsmanager").create_secret(Name=SECRET, SecretString=json.dumps(kept))
        query(stack, "DELETE FROM control_plane.clusters", "control_plane")
        with patch.dict(os.environ, {"TENANT_EXTENSIONS": "citext,hstore"}):
            said = add_cluster("managed", SECRET, CAPACITY, size="db.t3.micro", region="us-east-1")
            yield Managed(stack, server, request.param, said)


def the_masters_statements() -> list[str]:
    """What the page has the master run on each cluster."""
    (block,) = re.findall(r"-- on each cluster\n(.*?)```", PAGE, re.DOTALL)
    return [one.strip() for one in block.split(";") if one.strip()]


def test_doctor_finds_nothing_that_is_wrong(managed: Managed) -> None:
    assert managed.said.startswith(f"Cluster managed takes {CAPACITY} databases")
    assert [one for one in findings() if one.subject == "cluster managed"] == []


def test_projects_are_provisioned_suspended_and_resumed(managed: Managed) -> None:
    ended = provision(managed.stack, managed.version)
    assert ended["status"] == "SUCCEEDED", ended["cause"]
    names = tenant_of(managed.stack, ended["project_id"])
    as_tenant(managed.stack, names, WORK)
    for declared in (SUSPEND_PROJECT, RESUME_PROJECT):
        changed = managed.stack.run({"project_id": ended["project_id"]}, job_type=declared.job_type)
        assert changed["status"] == "SUCCEEDED", changed["cause"]
    assert len(as_tenant(managed.stack, names, ROWS)) == 50
    assert [one for one in findings() if one.subject == "cluster managed"] == []


def test_a_job_that_fails_removes_everything(managed: Managed) -> None:
    asked = "SELECT datname FROM pg_database WHERE datname ~ '^tenant_' UNION SELECT rolname FROM pg_roles"
    with closing(managed.server.connect()) as superuser, superuser.cursor() as cursor:
        cursor.execute(asked)
        before = {name for (name,) in cursor.fetchall() if not name.startswith("provisioner_creator_")}
        with failing(managed.stack, STAGES["finalizing"], Fault.UNREACHED):
            failed = provision(managed.stack, managed.version)
        assert (failed["status"], "rolled_back" in failed["cause"]) == ("FAILED", True)
        cursor.execute(asked)
        assert {name for (name,) in cursor.fetchall() if not name.startswith("provisioner_creator_")} == before


def test_no_superuser_has_made_what_there_is(managed: Managed) -> None:
    owners = """
        SELECT DISTINCT pg_get_userbyid(datdba) FROM pg_database
        WHERE datname ~ '^tenant_' AND pg_get_userbyid(datdba) <> datname || '_owner'
            OR datname = 'provisioner_register'
    """
    with closing(managed.server.connect()) as superuser, superuser.cursor() as cursor:
        cursor.execute(owners)
        assert cursor.fetchall() == [(ADMIN,)]
