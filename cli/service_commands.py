"""The commands that show and change which services the running stack registers tenants with."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from cli.command_line import DEFAULT_STATE, StateDirectory
from cli.doctor_services import what_is_wrong
from cli.terminal import console, typed
from local import external_services, service_control
from local.daemon import connect
from local.errors import HumanError, Unusable
from local.external_services import Change, External, Given, change_of
from provisioning.errors import ProvisioningError
from provisioning.services.addresses import Address
from provisioning.stage import Service

ServiceName = Annotated[Service, typer.Argument(metavar="SERVICE", help=f"One of {', '.join(Service)}.")]

app = typer.Typer(no_args_is_help=True, help="Services outside the running stack, instead of its own.")


@app.command("set")
def use(
    service: ServiceName,
    url: Annotated[str | None, typer.Option(help="Base URL of its tenant API.")] = None,
    adapter: Annotated[str | None, typer.Option(help="Its adapter; a wrong one is answered with the list.")] = None,
    token_file: Annotated[Path | None, typer.Option(help="File with its token, on one line.")] = None,
    public_url: Annotated[str | None, typer.Option(help="Where tenants' clients reach it, with {tenant_id}.")] = None,
    state_dir: StateDirectory = DEFAULT_STATE,
) -> None:
    """Use an external service from now on, once it has answered. What is not given stays as it is."""
    stack, before = connect(state_dir), external_services.read(state_dir).get(service)
    change = change_of(service, before, Given(url, adapter, token_file, public_url))
    if change.external is not None:
        _try(service, change, "nothing was changed")
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
    table = Table("Service", "Adapter", "Address", "For clients", box=None, pad_edge=False, header_style="dim")
    for service in Service:
        external = known.get(service)
        shown = (external.adapter, external.url, external.public_url) if external else ("", "the stack's own", "")
        table.add_row(service, *shown)
    console().print(table)


def _left_behind(before: External | None, after: External | None) -> str:
    """Return what becomes of the tenants that are registered already, when a service is another one from now on."""
    where = [one.url if one is not None else "" for one in (before, after)]
    if where[0] == where[1]:
        return ""
    place = f"at {where[0]}" if where[0] else "with the stack's own"
    return typed(f" Tenants that are registered {place} stay there only: provision doctor names them.")


def check(state_directory: Path, given: Mapping[Service, Given]) -> None:
    """Ask each service that the options of a start name. Raise HumanError for the first that cannot be used.

    Services of the last start that no option names are not asked: doctor says what is wrong with them.
    """
    for service, change in external_services.changes_of(state_directory, given).items():
        _try(service, change, "the stack was not started")


def _try(service: Service, change: Change, otherwise: str) -> None:
    """Ask the service about a tenant that does not exist. Raise HumanError unless it answers and takes the token."""
    if (external := change.external) is None:
        return
    try:
        wrong = what_is_wrong(service, external.adapter, Address(external.url, change.token))
    except ProvisioningError as error:
        raise HumanError(f"{otherwise}: {error}, asked at {external.url}") from error
    if wrong is not None:
        raise Unusable(f"{otherwise}: {wrong.subject} {wrong.fact}, asked at {external.url}: {wrong.remedy}")
