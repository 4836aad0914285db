"""The commands that show and change which services the running stack registers tenants with."""

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from cli.command_line import DEFAULT_STATE, StateDirectory
from cli.terminal import console, typed
from local import external_services, service_control
from local.daemon import connect
from local.errors import HumanError
from local.external_services import Change, External, Given, change_of
from provisioning.errors import ProvisioningError
from provisioning.identity import new_tenant_id
from provisioning.services import adapter_class
from provisioning.services.addresses import Address
from provisioning.services.client import ServiceClient
from provisioning.stage import Service

SECONDS = 20.0
"""How long a new address has to answer."""

ServiceName = Annotated[Service, typer.Argument(metavar="SERVICE", help=f"One of {', '.join(Service)}.")]

app = typer.Typer(no_args_is_help=True, help="Services outside the running stack, instead of its own.")


@app.command("set")
def use(
    service: ServiceName,
    url: Annotated[str | None, typer.Option(help="Base URL of its tenant API.")] = None,
    adapter: Annotated[str | None, typer.Option(help="Its adapter; a wrong one is answered with the list.")] = None,
    token_file: Annotated[Path | None, typer.Option(help="File with its token, on one line.")] = None,
    state_dir: StateDirectory = DEFAULT_STATE,
) -> None:
    """Use an external service from now on, once it has answered. What is not given stays as it is."""
    stack, before = connect(state_dir), external_services.read(state_dir).get(service)
    change = change_of(service, before, Given(url, adapter, token_file))
    if change.external is not None:
        _try(service, change.external, change.token)
        service_control.send(stack.endpoint_url, service, change)
        said = f"{service} is {change.external.url} now, with the adapter {change.external.adapter}."
        console().print(said + _left_behind(before, change.external), soft_wrap=True)


@app.command()
def reset(service: ServiceName, state_dir: StateDirectory = DEFAULT_STATE) -> None:
    """Use the stack's own service again."""
    stack, before = connect(state_dir), external_services.read(state_dir).get(service)
    service_control.send(stack.endpoint_url, service, Change(None))
    console().print(f"{service} is the stack's own now.{_left_behind(before, None)}", soft_wrap=True)


@app.command("list")
def show(state_dir: StateDirectory = DEFAULT_STATE) -> None:
    """Show where each service is. Never prints a token."""
    connect(state_dir)
    known = external_services.read(state_dir)
    table = Table("Service", "Adapter", "Address", box=None, pad_edge=False, header_style="dim")
    for service in Service:
        external = known.get(service)
        table.add_row(service, *((external.adapter, external.url) if external else ("", "the stack's own")))
    console().print(table)


def _left_behind(before: External | None, after: External | None) -> str:
    """Return what becomes of the tenants that are registered already, when a service is another one from now on."""
    where = [one.url if one is not None else "" for one in (before, after)]
    if where[0] == where[1]:
        return ""
    place = f"at {where[0]}" if where[0] else "with the stack's own"
    return typed(f" Tenants that are registered {place} stay there only: provision doctor names them.")


def _try(service: Service, external: External, token: str | None) -> None:
    """Ask the service about a tenant that does not exist. Raise HumanError unless it answers and takes the token."""
    client = ServiceClient(service, time.monotonic() + SECONDS, Address(external.url, token))
    try:
        adapter_class(external.adapter)(client).exists(new_tenant_id())
    except ProvisioningError as error:
        raise HumanError(f"nothing was changed: {error}, asked at {external.url}") from None
