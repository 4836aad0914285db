"""The commands that show and change which services the running stack registers tenants with."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.command_line import DEFAULT_STATE, StateDirectory
from cli.output import AsJson, Rows, say
from cli.output import show as show_data
from cli.terminal import typed
from provisioning.stage import Service

if TYPE_CHECKING:
    from local.external_services import External

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
    *,
    as_json: AsJson = False,
) -> None:
    """Use an external service from now on, once it has answered. What is not given stays as it is."""
    from cli import service_check
    from local import external_services, service_control
    from local.daemon import connect
    from local.external_services import Given, change_of

    stack, before = connect(state_dir), external_services.read(state_dir).get(service)
    change = change_of(service, before, Given(url, adapter, token_file, public_url))
    service_check.ask(service, change, "nothing was changed")
    service_control.send(stack.endpoint_url, service, change)
    said = "the stack's own"
    if change.external is not None:
        said = f"{change.external.url} now, with the adapter {change.external.adapter}"
    say(f"{service} is {said}.{_left_behind(before, change.external)}", as_json=as_json)


@app.command()
def reset(service: ServiceName, state_dir: StateDirectory = DEFAULT_STATE, *, as_json: AsJson = False) -> None:
    """Use the stack's own service again."""
    from local import external_services, service_control
    from local.daemon import connect
    from local.external_services import Change

    stack, before = connect(state_dir), external_services.read(state_dir).get(service)
    service_control.send(stack.endpoint_url, service, Change(None))
    say(f"{service} is the stack's own now.{_left_behind(before, None)}", as_json=as_json)


@app.command("list")
def show(state_dir: StateDirectory = DEFAULT_STATE, *, as_json: AsJson = False) -> None:
    """Show where each service is. Never prints a token."""
    from local import external_services, state

    state.running(state_dir)
    known = external_services.read(state_dir)
    found = [{"service": str(service), **_fields(known.get(service))} for service in Service]
    rows = [(one["service"], one["adapter"], one["url"] or "the stack's own", one["public_url"]) for one in found]
    show_data({"services": found}, Rows(("Service", "Adapter", "Address", "For clients"), rows), as_json=as_json)


def _fields(external: "External | None") -> dict[str, str | None]:
    if external is None:
        return {"adapter": None, "url": None, "public_url": None}
    return {"adapter": external.adapter, "url": external.url, "public_url": external.public_url or None}


def _left_behind(before: "External | None", after: "External | None") -> str:
    """Return what becomes of the tenants that are registered already, when a service is another one from now on."""
    where = [one.url if one is not None else "" for one in (before, after)]
    if where[0] == where[1]:
        return ""
    place = f"at {where[0]}" if where[0] else "with the stack's own"
    return typed(f" Tenants that are registered {place} stay there only: provision doctor names them.")
