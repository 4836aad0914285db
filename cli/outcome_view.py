"""Print how an execution of any job type ended, and what a tenant's own credentials can see."""

import json
import shlex
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import psycopg2
from rich.console import Console

from cli.output import Rows, show
from cli.terminal import from_here, sam, typed
from local import http_api
from local.access_key import PROFILE
from local.aws_client import REGION, make_client
from local.daemon import RunningStack
from provisioning.identity import TenantNames

TENANT_TABLES = """
    SELECT format('%s.%s', nspname, relname), relrowsecurity,
           (SELECT count(*) FROM pg_policy WHERE polrelid = pg_class.oid)
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE relkind IN ('r', 'p') AND nspname !~ '^(pg_|information_schema$)'
    ORDER BY 1
"""


class TenantTable(NamedTuple):
    """A table that a tenant's own login sees."""

    table: str
    row_level_security: bool
    policies: int


def find_tenant_tables(tenant_id: str, endpoint_url: str) -> tuple[str, list[TenantTable]]:
    """Return the name of a provisioned tenant's login, and the tables that it sees."""
    secrets = make_client("secretsmanager", endpoint_url)
    issued = json.loads(secrets.get_secret_value(SecretId=TenantNames(tenant_id).secret)["SecretString"])
    with (
        closing(
            psycopg2.connect(
                host=issued["host"],
                port=issued["port"],
                dbname=issued["dbname"],
                user=issued["username"],
                password=issued["password"],
                sslmode="disable",
            )
        ) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(TENANT_TABLES)
        return issued["username"], [TenantTable(*row) for row in cursor.fetchall()]


def print_tenant_tables(login: str, tables: Sequence[TenantTable], console: Console) -> None:
    """List the tables that a tenant's login sees."""
    rows = [(one.table, "enabled" if one.row_level_security else "off", one.policies) for one in tables]
    said = f"Tables that {login} sees:"
    show({}, "", said, Rows(("Table", "Row level security", "Policies"), rows), as_json=False, out=console)


def print_how_to_start(stack: RunningStack, event: Path, console: Console, *, as_json: bool = False) -> None:
    """Print the endpoint and the commands that start an execution from any shell."""
    event = from_here(event)
    command = [
        *("aws", "--profile", PROFILE, "stepfunctions", "start-execution"),
        *("--endpoint-url", stack.endpoint_url, "--region", REGION),
        *("--state-machine-arn", stack.state_machine_arn),
        *("--input", f"file://{event}"),
    ]
    credentials = f"AWS_SHARED_CREDENTIALS_FILE={shlex.quote(str(from_here(stack.credentials)))}"
    starting = [f"{typed('provision create --from')} {shlex.quote(str(event))}", f"{credentials} {shlex.join(command)}"]
    document = {**vars(stack), "api": f"{stack.endpoint_url}/v1", "commands": starting}
    show(
        document,
        f"The stack is up: {stack.endpoint_url}",
        "Start an execution with either of:",
        *(f"  {one}" for one in starting),
        f"The HTTP API: {stack.endpoint_url}/v1, signed for {http_api.SERVICE}",
        as_json=as_json,
        out=console,
    )


def print_how_to_invoke(template: Path, event: Path, console: Console, *, as_json: bool = False) -> None:
    """Print the command that runs the first stage in Lambda's container."""
    first = from_here(event.parent / "functions" / "verify_project.json")
    command = shlex.join(
        [
            *(sam(), "local", "invoke", "VerifyProjectFunction"),
            *("--template", str(from_here(template)), "--event", str(first)),
            *("--region", REGION),
        ]
    )
    said = "Run any function in Lambda's container, for example with:"
    show({"template": template, "command": command}, said, f"  {command}", as_json=as_json, out=console)
