"""How the options of a start differ from those with which a stack runs already."""

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from local import external_services, state
from local.postgres import LOOPBACK
from provisioning.stage import Service


class Given(NamedTuple):
    """The options of a start; the port is None if the last one is to be used."""

    port: int | None
    time_scale: float
    containers: bool
    services: Sequence[str]
    """Names and values of the options about external services, in turn."""


def what_differs(state_directory: Path, given: Given) -> str:
    """Return which options differ from the running stack's and how to apply them; nothing if none does."""
    if not (found := list(_differences(state_directory, given))):
        return ""
    options = shlex.join(_arguments(given))
    again = f"provision up{' ' * bool(options)}{options}"
    return f", with other options: {', '.join(found)}. To apply yours: provision down, then {again}"


def _differences(state_directory: Path, given: Given) -> Iterator[str]:
    known = state.read(state_directory) or {}
    if given.port and given.port != known["ports"]["aws"]:
        yield f"--port {known['ports']['aws']}"
    if given.time_scale != (scale := float(known.get("time_scale", 1.0))):
        yield f"--time-scale {scale:g}"
    for_containers = urlsplit(str(known["endpoint_url"])).hostname != LOOPBACK
    if given.containers != for_containers:
        yield "--containers" if for_containers else "no --containers"
    external = external_services.read(state_directory)
    for name, value in zip(given.services[::2], given.services[1::2], strict=True):
        service, _, field = name.removeprefix("--").partition("-")
        # A token cannot be compared without reading both.
        attribute = field.replace("-", "_")
        now = getattr(external.get(Service(service)), attribute, None) if attribute != "token_file" else None
        if now != value:
            yield f"{name} {now}" if now else f"no {name}" if attribute != "token_file" else f"{name} of the last start"


def _arguments(given: Given) -> list[str]:
    return [
        *(["--port", str(given.port)] if given.port is not None else []),
        *(["--time-scale", f"{given.time_scale:g}"] if given.time_scale != 1.0 else []),
        *(["--containers"] if given.containers else []),
        *given.services,
    ]
