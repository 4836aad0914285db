"""The operator's commands: list projects and jobs, look one up, examine, deregister, rotate, migrate, add."""

from typing import Annotated

import typer

from cli import completing
from cli.command_line import DEFAULT_STATE, StateDirectory, StateMachine, use_deployment
from cli.output import AsJson, say
from cli.terminal import console
from provisioning.stage import Service


def whose(
    name: Annotated[
        str,
        typer.Argument(
            metavar="TENANT_ID", help="Or the name of its database, role or secret.", autocompletion=completing.tenants
        ),
    ],
    state_dir: StateDirectory = DEFAULT_STATE,
    state_machine: StateMachine = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Show a tenant's project, organization, owner, job and cluster."""
    from cli import lookup_view

    use_deployment(state_dir, state_machine)
    lookup_view.print_owner(name, console(), as_json=as_json)


def doctor(
    state_dir: StateDirectory = DEFAULT_STATE, state_machine: StateMachine = None, *, as_json: AsJson = False
) -> None:
    """Check settings, secrets, databases, services and permissions. Exit code 1: there is something to correct."""
    from cli.doctor import print_findings

    healthy = print_findings(use_deployment(state_dir, state_machine), console(), as_json=as_json)
    raise typer.Exit(0 if healthy else 1)


def rotate(
    secret: Annotated[str, typer.Argument(help="ARN or name.")],
    state_dir: StateDirectory = DEFAULT_STATE,
    state_machine: StateMachine = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Change the password of the control plane's role or a cluster's admin, in the secret and on the server."""
    from cli import deployment as deployments
    from cli import rotation

    if state_machine is None:
        from local.aws_client import make_client
        from local.daemon import connect

        secrets = make_client("secretsmanager", connect(state_dir).endpoint_url)
    else:
        use_deployment(state_dir, state_machine)
        secrets = deployments.client("secretsmanager")
    say(rotation.rotate(secrets, secret), as_json=as_json)


def deregister(
    service: Annotated[Service, typer.Argument(metavar="SERVICE", help=f"One of {', '.join(Service)}.")],
    tenant_id: Annotated[str, typer.Argument(metavar="TENANT_ID")],
    state_dir: StateDirectory = DEFAULT_STATE,
    state_machine: StateMachine = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Remove a service's registration of a tenant that neither the control plane nor a cluster has."""
    from cli import deregistration

    use_deployment(state_dir, state_machine)
    say(deregistration.deregister(service, tenant_id), as_json=as_json)


def migrate(
    state_dir: StateDirectory = DEFAULT_STATE, state_machine: StateMachine = None, *, as_json: AsJson = False
) -> None:
    """Bring the control plane to the newest schema version."""
    from cli import administration

    use_deployment(state_dir, state_machine)
    say(administration.migrate(), as_json=as_json)


def add_cluster(  # noqa: PLR0913 (each is an option)
    cluster_id: Annotated[str, typer.Argument(metavar="CLUSTER", autocompletion=completing.clusters)],
    secret: Annotated[str, typer.Option(help="ARN or name of the admin's secret.")],
    capacity: Annotated[int, typer.Option(min=0, help="Maximum number of databases.")],
    size: Annotated[str, typer.Option(help="The value of database.size in a payload.")] = "db.t3.micro",
    region: Annotated[str, typer.Option()] = "us-east-1",
    state_dir: StateDirectory = DEFAULT_STATE,
    state_machine: StateMachine = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Prepare a server for tenants and record it; repeat it to change its size, region and capacity."""
    from cli import administration

    use_deployment(state_dir, state_machine)
    say(administration.add_cluster(cluster_id, secret, capacity, size=size, region=region), as_json=as_json)


COMMANDS = (whose, doctor, deregister, rotate, migrate)
