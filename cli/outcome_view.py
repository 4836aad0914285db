"""Print how an execution of any job type ended, and what a tenant's own credentials can see."""

import json
import shlex
from contextlib import closing
from datetime import datetime
from pathlib import Path

import psycopg2
from rich.console import Console
from rich.table import Table

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


def print_tenant_tables(tenant_id: str, endpoint_url: str, console: Console) -> None:
    """List the tables of a provisioned tenant over a connection with the credentials in its secret."""
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
        rows = cursor.fetchall()
    table = Table("Table", "Row level security", "Policies", box=None, pad_edge=False, header_style="dim")
    for name, is_enabled, policies in rows:
        table.add_row(name, "enabled" if is_enabled else "off", str(policies))
    console.print(f"\nTables that {issued['username']} sees:", soft_wrap=True)
    console.print(table)


def print_how_to_start(stack: RunningStack, event: Path, console: Console) -> None:
    """Print the endpoint and the command that starts an execution from any shell."""
    event = from_here(event)
    command = [
        *("aws", "--profile", PROFILE, "stepfunctions", "start-execution"),
        *("--endpoint-url", stack.endpoint_url, "--region", REGION),
        *("--state-machine-arn", stack.state_machine_arn),
        *("--input", f"file://{event}"),
    ]
    credentials = f"AWS_SHARED_CREDENTIALS_FILE={shlex.quote(str(from_here(stack.credentials)))}"
    console.print(f"The stack is up: {stack.endpoint_url}", soft_wrap=True)
    console.print("Start an execution with either of:")
    console.print(f"  {typed('provision create --from')} {shlex.quote(str(event))}", soft_wrap=True)
    console.print(f"  {credentials} {shlex.join(command)}", soft_wrap=True)
    console.print(f"The HTTP API: {stack.endpoint_url}/v1, signed for {http_api.SERVICE}", soft_wrap=True)


def print_how_to_invoke(template: Path, event: Path, console: Console) -> None:
    """Print the command that runs the first stage in Lambda's container."""
    first = from_here(event.parent / "functions" / "verify_project.json")
    command = [
        *(sam(), "local", "invoke", "VerifyProjectFunction"),
        *("--template", str(from_here(template)), "--event", str(first)),
        *("--region", REGION),
    ]
    console.print("Run any function in Lambda's container, for example with:")
    console.print(f"  {shlex.join(command)}", soft_wrap=True)


def clock_time(moment: datetime) -> str:
    """Return the local time of day, to the millisecond."""
    return moment.astimezone().strftime("%H:%M:%S.%f")[:-3]
