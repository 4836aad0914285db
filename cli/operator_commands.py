"""The operator's commands: list projects and jobs, look one up, examine, deregister, rotate, migrate, add."""

from typing import Annotated

import typer

from cli import administration, deregistration, lookup_view, rotation
from cli import deployment as deployments
from cli.command_line import DEFAULT_STATE, StateDirectory, StateMachine, use_deployment
from cli.doctor import print_findings
from cli.output import AsJson
from cli.terminal import console
from local.aws_client import make_client
from local.daemon import connect
from provisioning.stage import Service


def whose(
    name: Annotated[str, typer.Argument(metavar="TENANT_ID", help="Or the name of its database, role or secret.")],
    state_dir: StateDirectory = DEFAULT_STATE,
    state_machine: StateMachine = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Show a tenant's project, organization, owner, job and cluster."""
    use_deployment(state_dir, state_machine)
    lookup_view.print_owner(name, console(), as_json=as_json)


def doctor(state_dir: StateDirectory = DEFAULT_STATE, state_machine: StateMachine = None) -> None:
    """Check settings, secrets, databases, services and permissions. Exit code 1: there is something to correct."""
    healthy = print_findings(use_deployment(state_dir, state_machine), console())
    raise typer.Exit(0 if healthy else 1)


def rotate(
    secret: Annotated[str, typer.Argument(help="ARN or name.")],
    state_dir: StateDirectory = DEFAULT_STATE,
    state_machine: StateMachine = None,
) -> None:
    """Change the password of the control plane's role or a cluster's admin, in the secret and on the server."""
    if state_machine is None:
        secrets = make_client("secretsmanager", connect(state_dir).endpoint_url)
    else:
        use_deployment(state_dir, state_machine)
        secrets = deployments.client("secretsmanager")
    console().print(rotation.rotate(secrets, secret), soft_wrap=True)


def deregister(
    service: Annotated[Service, typer.Argument(metavar="SERVICE", help=f"One of {', '.join(Service)}.")],
    tenant_id: Annotated[str, typer.Argument(metavar="TENANT_ID")],
    state_dir: StateDirectory = DEFAULT_STATE,
    state_machine: StateMachine = None,
) -> None:
    """Remove a service's registration of a tenant that neither the control plane nor a cluster has."""
    use_deployment(state_dir, state_machine)
    console().print(deregistration.deregister(service, tenant_id), soft_wrap=True)


def migrate(state_dir: StateDirectory = DEFAULT_STATE) -> None:
    """Bring the control plane to the newest schema version."""
    connect(state_dir)
    console().print(administration.migrate())


def add_cluster(
    cluster_id: Annotated[str, typer.Argument(metavar="CLUSTER")],
    secret: Annotated[str, typer.Option(help="ARN or name of the admin's secret.")],
    capacity: Annotated[int, typer.Option(min=0, help="Maximum number of databases.")],
    size: Annotated[str, typer.Option(help="The value of database.size in a payload.")] = "db.t3.micro",
    region: Annotated[str, typer.Option()] = "us-east-1",
    state_dir: StateDirectory = DEFAULT_STATE,
    state_machine: StateMachine = None,
) -> None:
    """Prepare a server for tenants and record it; repeat it to change its size, region and capacity."""
    use_deployment(state_dir, state_machine)
    console().print(administration.add_cluster(cluster_id, secret, capacity, size=size, region=region), soft_wrap=True)


COMMANDS = (whose, doctor, deregister, rotate, migrate)
