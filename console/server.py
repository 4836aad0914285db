"""Serve the console over HTTP: on loopback to this machine only, elsewhere to holders of the token."""

import socket
from collections.abc import Callable

import uvicorn
from starlette.applications import Starlette
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp

from console.errors import ConsoleError
from console.guard import Guard
from console.routes import routes
from console.setting import Setting
from provisioning.jobs.registry import validate_required_handlers


def serve(setting: Setting, host: str, port: int, token: str | None, ready: Callable[[str], None]) -> None:
    """Serve until interrupted, and call ready with the address. Raise ConsoleError if the port is taken.

    Port 0 chooses a free one.
    """
    validate_required_handlers()
    listening = _listen(host, port)
    shown_host = f"[{host}]" if ":" in host else host
    address = f"http://{shown_host}:{listening.getsockname()[1]}/"
    ready(f"{address}?token={token}" if token else address)
    config = uvicorn.Config(application(setting, token), log_level="warning", timeout_graceful_shutdown=1)
    uvicorn.Server(config).run(sockets=[listening])


def application(setting: Setting, token: str | None) -> ASGIApp:
    """Return the whole console. Streams of events pass uncompressed, so that each arrives at once."""
    pages, errors = routes(setting)
    return GZipMiddleware(Guard(Starlette(routes=pages, exception_handlers=errors), token))


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        # From here on clients that know the address may connect, and wait until the server accepts them.
        listening.listen()
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not a host's name"
        raise ConsoleError(f"cannot listen on {host}:{port}: {reason}") from error
    return listening
