"""docs/operations.md says what is so: its commands for an account are held against AWS's description of its API."""

import io
import json
import re
import shlex
from contextlib import closing
from pathlib import Path
from typing import Any

import botocore.session
import psycopg2
import pytest
from botocore import xform_name
from psycopg2.extensions import connection as Connection  # noqa: N812
from rich.console import Console
from typer.main import get_command

from cli import api_target, project_view
from cli.app import app
from local.postgres import PostgresServer
from local.stack import Stack
from local.template import REPOSITORY
from provisioning import errors
from provisioning.cluster import creators
from provisioning.cluster.preparation import FIRST_CREATORS, prepare_cluster
from provisioning.cluster.session import REGISTER
from provisioning.jobs.registry import DECLARATIONS
from stages import failure
from tests import shipped
from tests.executions.running import execute

PAGE = (REPOSITORY / "docs" / "operations.md").read_text()
FENCES = re.findall(r"^ *```(\w+)\n(.*?)^ *```$", PAGE, re.MULTILINE | re.DOTALL)
ENDS_OF_THE_STATE_MACHINE = {"StageTimedOut", "StageCrashed", "StateMachineFault", "UnknownError", "FailureNotRecorded"}


def blocks(language: str) -> list[str]:
    return [text for found, text in FENCES if found == language]


def lines(language: str) -> list[str]:
    return [line.strip() for text in blocks(language) for line in text.splitlines()]


def aws_commands() -> list[str]:
    return [line for line in lines("sh") if line.startswith("aws ")]


def test_the_roles_of_the_page_are_enough_to_prepare_a_cluster(tmp_path: Path) -> None:
    server = PostgresServer(tmp_path / "postgres", port=0, fsync=False)
    server.start()
    try:
        # As RDS's master user: no superuser, and the owner of the maintenance databases.
        with closing(server.connect()) as superuser, superuser.cursor() as cursor:
            cursor.execute("CREATE ROLE master LOGIN CREATEROLE CREATEDB PASSWORD 'master'")
            cursor.execute("ALTER DATABASE postgres OWNER TO master")
            cursor.execute("ALTER DATABASE template1 OWNER TO master")
        with closing(login(server, "postgres", "master")) as master, master.cursor() as cursor:
            statements = blocks("sql")[0]
            for statement in re.sub(r"^ *--.*$", "", statements, flags=re.MULTILINE).split(";")[:-1]:
                cursor.execute(statement)
            cursor.execute("ALTER ROLE provisioner_projects PASSWORD 'provisioner_projects'")
        for _ in range(2):
            prepare_cluster(lambda dbname: login(server, dbname, "provisioner_projects"), "provisioner_projects")
        with closing(login(server, REGISTER, "provisioner_projects")) as admin, admin.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM register.creators WHERE tenants = 0")
            assert cursor.fetchone() == (FIRST_CREATORS,)
            cursor.execute(
                "SELECT count(*) FROM pg_roles WHERE starts_with(rolname, %s) AND NOT rolcanlogin", (creators.PREFIX,)
            )
            assert cursor.fetchone() == (FIRST_CREATORS,)
    finally:
        server.stop()


def login(server: PostgresServer, dbname: str, user: str) -> Connection:
    """Log in as a role of this test, whose password is its name."""
    connection: Connection = psycopg2.connect(
        host="127.0.0.1", port=server.port, dbname=dbname, user=user, password=user
    )
    connection.autocommit = True
    return connection


@pytest.mark.parametrize("command", aws_commands())
def test_every_command_of_aws_exists_with_its_options(command: str) -> None:
    _, service, operation, *words = shlex.split(command)
    model = botocore.session.get_session().get_service_model(service)
    names = {xform_name(name, "-"): name for name in model.operation_names}
    shape = model.operation_model(names[operation]).input_shape
    assert shape is not None
    switches = {xform_name(name, "-") for name, one in shape.members.items() if one.type_name == "boolean"}
    off = {f"--no-{switch}": f"--{switch}" for switch in switches}
    options = {off.get(word, word) for word in words if word.startswith("--")}
    assert options <= {f"--{xform_name(name, '-')}" for name in shape.members}
    assert {f"--{xform_name(name, '-')}" for name in shape.required_members} <= options


@pytest.mark.parametrize("command", [line for line in lines("sh") if line.startswith("provision ")])
def test_every_command_of_ours_for_an_account_takes_its_options(command: str) -> None:
    parser: Any = get_command(app)
    words = shlex.split(command)[1:]
    while hasattr(parser, "commands"):
        parser = parser.commands[words.pop(0)]
    parameters = parser.make_context(parser.name, words).params
    given = {name: parameters.get(name) for name in ("state_machine", "endpoint")}
    assert {"$STATE_MACHINE", "$HTTP_API_ADDRESS"} & set(given.values())


def test_what_no_test_has_run_says_so() -> None:
    needs = {text.split("\n")[0].strip() for text in blocks("sh")}
    run = ("tests/upgrade/test_pg_upgrade.py", "tests/cli/test_upgraded_cluster.py")
    assert needs == {"# Needs an account", *(f"# On the server's machine ({file})" for file in run)}
    assert {language for language, _ in FENCES} == {"console", "sh", "sql", "text"}


def test_show_prints_what_the_page_shows(stack: Stack, project_id: str) -> None:
    (shown,) = blocks("text")
    payload = json.loads((REPOSITORY / "events" / "provision_project.json").read_text())
    stack.run(payload | {"project_id": project_id, "organization_id": "org-test", "owner_id": "user-test"})
    printed = Console(file=io.StringIO(), width=200, record=True)
    api = api_target.find(stack.state_directory, None)
    project_view.print_project(api, api.project(project_id), printed)
    assert labels(printed.export_text()) == labels(shown)


def labels(text: str) -> list[str]:
    return [re.split(r"\s{2,}", line)[0] for line in text.splitlines()]


def test_the_statements_for_the_control_plane_run(stack: Stack) -> None:
    statements = [text for text in blocks("sql") if "control_plane." in text]
    assert len(statements) == 2
    for statement in statements:
        execute(stack, f"BEGIN; {statement} ROLLBACK", "control_plane")


def test_every_error_that_an_execution_ends_with_is_in_the_table() -> None:
    named = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\|[^|]*\|", PAGE, re.MULTILINE))))
    known = {one.__name__ for parent in errors.ProvisioningError.__subclasses__() for one in parent.__subclasses__()}
    assert known | ENDS_OF_THE_STATE_MACHINE | {failure.EXECUTION_STOPPED} <= named


def test_every_alarm_is_in_the_table() -> None:
    of_a_type = re.compile("|".join(f"^{shipped.resource_stem(job_type)}" for job_type in DECLARATIONS))
    alarms = {of_a_type.sub("", name) for name in shipped.resources("AWS::CloudWatch::Alarm")}
    assert alarms == {of_a_type.sub("", name) for name in re.findall(r"`(\w+Alarm)`", PAGE)}


def test_every_parameter_and_output_that_is_named_is_there() -> None:
    template = shipped.template()
    outputs = {f"{shipped.resource_stem(job_type)}StateMachineArn" for job_type in DECLARATIONS}
    assert outputs == {name for name in template["Outputs"] if name.endswith("StateMachineArn")}
    assert {"MaximumParallelJobs", "Revision"} <= set(template["Parameters"])
