"""provision url, psql and env: a project's own access to its database, with the caller's rights."""

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
from psycopg2.extensions import parse_dsn

from cli import psql
from cli.app import app
from cli.tenant_access import Access
from local.errors import Unavailable
from local.exit_codes import ExitCode
from local.stack import Stack
from provisioning.jobs.suspend_project import SUSPEND_PROJECT
from tests.cli.pseudo_terminal import PROVISION, environment
from tests.conftest import NewProject
from tests.executions.running import payload_for, run

pytestmark = pytest.mark.slow

FORWARDING_AWS = Path(__file__).with_name("forwarding_aws.py")
WHO = ["--", "-AtXc", "SELECT current_user"]

Asked = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def project(stack: Stack, new_project: NewProject) -> str:
    """A project with a database and a registered service."""
    return str(run(stack, payload_for(new_project(), "storage")).output["project_id"])


@pytest.fixture
def asked(stack: Stack, capsys: pytest.CaptureFixture[str]) -> Asked:
    """Run a command for the stack and return its exit code and what it printed."""

    def command(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            app([*arguments, "--state-dir", str(stack.state_directory)])
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return command


def secret_of(stack: Stack, url: str) -> dict[str, str]:
    tenant = parse_dsn(url)["dbname"].removeprefix("tenant_")
    found = stack.client("secretsmanager").get_secret_value(SecretId=f"provisioner/tenants/{tenant}")
    document: dict[str, str] = json.loads(found["SecretString"])
    return document


def provision(stack: Stack, *arguments: str, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    known = environment(stack.state_directory)
    if path is not None:
        known["PATH"] = f"{path}{os.pathsep}{known['PATH']}"
    return subprocess.run([*PROVISION, *arguments], env=known, capture_output=True, text=True, check=False)


def access_to(**document: object) -> Access:
    known = {"host": "h", "port": 5432, "dbname": "d", "username": "u", "password": "p", "jwt_secret": "j"}
    return Access({"project_id": "shop"}, known | document, is_local=True)


def test_the_connection_string_opens_a_connection(asked: Asked, project: str) -> None:
    code, url, _ = asked("url", project)
    with closing(psycopg2.connect(url.strip())) as session, session.cursor() as cursor:
        cursor.execute("SELECT current_database()")
        assert (code, cursor.fetchone()) == (0, (parse_dsn(url.strip())["dbname"],))


def test_the_password_can_be_left_out(stack: Stack, asked: Asked, project: str) -> None:
    whole, bare = asked("url", project)[1].strip(), asked("url", project, "--no-password")[1].strip()
    password = secret_of(stack, whole)["password"]
    assert (password in whole, password in bare) == (True, False)
    assert parse_dsn(whole) == parse_dsn(bare) | {"password": password}
    assert json.loads(asked("url", project, "--json")[1]) == {"project_id": project, "url": whole}


def test_every_character_of_a_password_arrives() -> None:
    password = "".join(map(chr, range(32, 127))) + "\u6771"
    assert parse_dsn(access_to(password=password).url())["password"] == password
    assert password not in repr(access_to(password=password))


def test_a_deployments_database_is_verified() -> None:
    url = Access({}, dict(access_to(host="a,b").document), is_local=False).url()
    known = parse_dsn(url)
    assert (known["host"], known["port"], known["sslmode"]) == ("a,b", "5432,5432", "verify-full")
    assert Path(known["sslrootcert"]).read_text().startswith("-----BEGIN CERTIFICATE")


def test_psql_runs_at_once_and_as_the_tenant(stack: Stack, project: str) -> None:
    done = provision(stack, "psql", project, *WHO)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("tenant_")


def test_no_secret_is_an_argument_of_psql(stack: Stack, project: str, asked: Asked) -> None:
    password = secret_of(stack, asked("url", project)[1].strip())["password"]
    done = provision(stack, "psql", project, "--", "-X", "-c", r"\! cat /proc/$PPID/cmdline")
    assert ("psql" in done.stdout, password in done.stdout + done.stderr) == (True, False)


def test_the_exit_code_is_psqls(stack: Stack, project: str) -> None:
    assert provision(stack, "psql", project, "--", "-Xc", "SELECT nothing").returncode == 1


def test_the_callers_settings_of_libpq_do_not_lead_elsewhere(
    stack: Stack, project: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PGHOSTADDR", "PGSERVICE", "PGOPTIONS", "PGDATABASE"):
        monkeypatch.setenv(name, "nothing")
    assert provision(stack, "psql", project, *WHO).returncode == 0


def test_a_database_without_a_path_to_it_is_said_within_five_seconds() -> None:
    started = time.monotonic()
    # https://www.rfc-editor.org/rfc/rfc5737: nobody has this address.
    with pytest.raises(Unavailable, match=r"192\.0\.2\.1:5432 does not answer .*provision psql shop --via INSTANCE"):
        psql.run(access_to(host="192.0.2.1"), [])
    assert time.monotonic() - started < 5


def test_psql_of_the_stack_is_used_where_there_is_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert subprocess.run([psql.find(), "--version"], capture_output=True, check=True).stdout.startswith(b"psql")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(Unavailable, match="psql is not installed"):
        psql.find()


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A directory with an AWS CLI that forwards ports as Session Manager does, and its plugin."""
    (tmp_path / "aws").write_text(f'#!/bin/sh\nexec {shlex.join([sys.executable, str(FORWARDING_AWS)])} "$@"\n')
    (tmp_path / "session-manager-plugin").write_text("#!/bin/sh\n")
    for program in tmp_path.iterdir():
        program.chmod(0o755)
    return tmp_path


def test_psql_goes_through_a_port_that_session_manager_forwards(stack: Stack, project: str, programs: Path) -> None:
    done = provision(stack, "psql", project, "--via", "i-0123", *WHO, path=programs)
    assert (done.returncode, done.stdout.startswith("tenant_")) == (0, True), done.stderr
    called = json.loads((programs / "called.json").read_text())
    assert called["arguments"][:6] == [
        *("ssm", "start-session", "--target", "i-0123"),
        *("--document-name", "AWS-StartPortForwardingSessionToRemoteHost"),
    ]
    assert called["parameters"].keys() == {"host", "portNumber", "localPortNumber"}
    assert called["has_credentials"]
    with pytest.raises(ProcessLookupError):
        os.kill(called["pid"], 0)


def test_a_port_that_is_not_forwarded_is_said_with_the_reason(stack: Stack, project: str, programs: Path) -> None:
    done = provision(stack, "psql", project, "--via", "i-gone", *WHO, path=programs)
    assert done.returncode == ExitCode.UNAVAILABLE
    assert "through i-gone: An error occurred (TargetNotConnected)" in done.stderr


def test_a_missing_plugin_is_named(stack: Stack, project: str, programs: Path) -> None:
    (programs / "session-manager-plugin").unlink()
    done = provision(stack, "psql", project, "--via", "i-0123", path=programs)
    assert (done.returncode, "session-manager-plugin is not installed" in done.stderr) == (ExitCode.UNAVAILABLE, True)


def test_a_shell_evaluates_what_env_prints(asked: Asked, project: str) -> None:
    lines = asked("env", project)[1]
    read = "import json, os; print(json.dumps(dict(os.environ)))"
    shell = ["bash", "-c", f"eval {shlex.quote(lines)}; {shlex.join([sys.executable, '-c', read])}"]
    found = json.loads(subprocess.run(shell, capture_output=True, text=True, check=True).stdout)
    wanted = json.loads(asked("env", project, "--json")[1])
    assert {name: found[name] for name in wanted} == wanted
    assert set(wanted) == {"DATABASE_URL", "ANON_JWT", "SERVICE_ROLE_JWT", "STORAGE_URL"}
    assert wanted["DATABASE_URL"] == asked("url", project)[1].strip()


def test_the_tokens_are_those_of_keys(asked: Asked, project: str) -> None:
    found = json.loads(asked("env", project, "--json")[1])
    told = dict(line.split() for line in asked("keys", project, "--jwt")[1].splitlines()[:2])
    assert (told["anon"], told["service_role"]) == (found["ANON_JWT"], found["SERVICE_ROLE_JWT"])


@pytest.mark.parametrize("command", ["url", "env", "psql"])
def test_a_project_without_a_database_is_not_found(asked: Asked, project_id: str, command: str) -> None:
    for name in (project_id, "nobody"):
        code, out, error = asked(command, name)
        assert (code, out, name in error) == (ExitCode.NOT_FOUND, "", True)


def test_psql_of_a_suspended_project_says_how_to_open_it(stack: Stack, asked: Asked, new_project: NewProject) -> None:
    project_id = run(stack, payload_for(new_project())).output["project_id"]
    stack.run({"project_id": project_id}, job_type=SUSPEND_PROJECT.job_type)
    code, _, error = asked("psql", project_id)
    assert (code, f"the project {project_id} is suspended: " in error) == (ExitCode.CONFLICT, True)
