"""The command `provision`."""

import typer

from cli import (
    access_commands,
    export_commands,
    jobs,
    key_commands,
    laptop,
    looking_commands,
    operator_commands,
    organization_commands,
    planning_commands,
    projects,
    protection_commands,
    service_commands,
)
from cli.command_line import OneLineErrors

app = OneLineErrors(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Provision projects on a stack on this machine, and operate a deployment.",
)
projects.register(app)
app.command()(key_commands.keys)
protection_commands.register(app)
export_commands.register(app)
access_commands.register(app)
planning_commands.register(app)
jobs.register(app)
looking_commands.register(app)
laptop.register(app)
for command in operator_commands.COMMANDS:
    app.command()(command)

tenant_schema = typer.Typer(no_args_is_help=True, help="The platform's own schema for every tenant.")
tenant_schema.command("check")(laptop.check_schema)
app.add_typer(tenant_schema, name="schema")
cluster = typer.Typer(no_args_is_help=True, help="PostgreSQL servers for tenants' databases.")
cluster.command("add")(operator_commands.add_cluster)
app.add_typer(cluster, name="cluster")
app.add_typer(service_commands.app, name="service")
app.add_typer(organization_commands.app, name="organization")

if __name__ == "__main__":
    app()
