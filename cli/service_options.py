"""The options that name external services, made from the list of services: some for each."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from provisioning.stage import Service

if TYPE_CHECKING:
    from local.external_services import Given

PANEL = "External services, instead of the stack's own"


def with_services(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of every service. It gets what they say as `services`."""
    signature = inspect.signature(command, eval_str=True)
    own = [one for one in signature.parameters.values() if one.name != "services"]

    def run(**values: Any) -> None:
        command(services=_given(values), **{one.name: values[one.name] for one in own})

    options = [one for service in Service for one in _options(service)]
    run.__signature__ = signature.replace(parameters=[*own, *options])  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in [*own, *options]}
    run.__name__, run.__doc__ = command.__name__, command.__doc__
    return run


def arguments(services: "Mapping[Service, Given]") -> list[str]:
    """Return the arguments that say the same to another process."""
    said = []
    for service, given in services.items():
        for field, value in vars(given).items():
            said += [_option(service, field), str(value)] if value is not None else []
    return said


def _options(service: Service) -> Iterator[inspect.Parameter]:
    fields: dict[str, tuple[type, str]] = {
        "url": (str, "Base URL of its tenant API."),
        "adapter": (str, "Its adapter; a wrong one is answered with the list."),
        "token_file": (Path, "File with the token of its tenant API, on one line."),
        "public_url": (str, "Where tenants' clients reach it, with {tenant_id}."),
    }
    for field, (kind, said) in fields.items():
        option = typer.Option(_option(service, field), help=said, rich_help_panel=PANEL, show_default=False)
        yield inspect.Parameter(
            f"{service}_{field}",
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[kind | None, option],
        )


def _option(service: Service, field: str) -> str:
    return f"--{service}-{field.replace('_', '-')}"


def _given(values: Mapping[str, Any]) -> "dict[Service, Given]":
    from local.external_services import Given

    fields = vars(Given())
    found = {service: Given(**{field: values[f"{service}_{field}"] for field in fields}) for service in Service}
    return {service: given for service, given in found.items() if given != Given()}
