"""A registration service whose answers a test sets, over real HTTP on loopback."""

import json
import socket
import struct
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import NamedTuple, Self

from typing_extensions import override

DRIP_SECONDS = 0.05
MEBIBYTE = 1024 * 1024


class Request(NamedTuple):
    """A request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class ProgrammableService:
    """Apply the next configured behaviour to each request; the last one is repeated."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.ended = threading.Event()
        self._behaviours: list[Behaviour] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def url(self) -> str:
        """The service's base URL."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def will(self, *behaviours: "Behaviour") -> None:
        """Set how the next requests are answered."""
        self._behaviours = list(behaviours)

    def handle(self, connection: BaseHTTPRequestHandler) -> None:
        """Keep the request and behave."""
        body = connection.rfile.read(int(connection.headers.get("Content-Length", "0")))
        self.requests.append(Request(connection.command, connection.path, dict(connection.headers), body))
        behave = self._behaviours.pop(0) if len(self._behaviours) > 1 else self._behaviours[0]
        try:
            behave(self, connection)
        except OSError:
            connection.close_connection = True

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.ended.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                service.handle(self)

            do_PUT = do_DELETE = do_PATCH = do_POST = do_GET  # noqa: N815 (http.server's names)

            @override
            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler


Behaviour = Callable[[ProgrammableService, BaseHTTPRequestHandler], None]


def answer(status: int, body: object = b"", headers: dict[str, str] | None = None) -> Behaviour:
    """Answer at once; what is not bytes is sent as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()

    def behave(_: ProgrammableService, connection: BaseHTTPRequestHandler) -> None:
        _begin(connection, status, {"Content-Length": str(len(content))} | (headers or {}))
        connection.wfile.write(content)

    return behave


def hang(service: ProgrammableService, connection: BaseHTTPRequestHandler) -> None:
    """Take the request and never answer."""
    service.ended.wait()
    connection.close_connection = True


def reset(_: ProgrammableService, connection: BaseHTTPRequestHandler) -> None:
    """Take the request and reset the connection."""
    connection.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.rfile.close()
    connection.wfile.close()
    connection.connection.close()
    connection.close_connection = True


def cut_off(_: ProgrammableService, connection: BaseHTTPRequestHandler) -> None:
    """Promise a longer body than it sends."""
    _begin(connection, 200, {"Content-Length": "1000"})
    connection.wfile.write(b'{"endpoint": ')
    connection.close_connection = True


def drip(seconds: float) -> Behaviour:
    """Send one byte at a time, each within every read timeout, until nobody reads or the time is over."""

    def behave(service: ProgrammableService, connection: BaseHTTPRequestHandler) -> None:
        _begin(connection, 200, {"Content-Length": "1000000"})
        deadline = time.monotonic() + seconds
        while not service.ended.wait(DRIP_SECONDS) and time.monotonic() < deadline:
            connection.wfile.write(b" ")
        connection.close_connection = True

    return behave


def drip_headers(service: ProgrammableService, connection: BaseHTTPRequestHandler) -> None:
    """Send a header byte by byte, each within every read timeout, until nobody reads."""
    connection.wfile.write(b"HTTP/1.1 200 OK\r\nX-Header: ")
    _repeat(b"x", service, connection)


def continue_forever(service: ProgrammableService, connection: BaseHTTPRequestHandler) -> None:
    """Send interim answers, each within every read timeout, until nobody reads."""
    _repeat(b"HTTP/1.1 100 Continue\r\n\r\n", service, connection)


def endless(status: int, seconds: float = 60.0) -> Behaviour:
    """Send a body without end, until nobody reads or the time is over."""

    def behave(service: ProgrammableService, connection: BaseHTTPRequestHandler) -> None:
        _begin(connection, status, {"Transfer-Encoding": "chunked"})
        deadline = time.monotonic() + seconds
        while not service.ended.wait(DRIP_SECONDS) and time.monotonic() < deadline:
            connection.wfile.write(f"{MEBIBYTE:x}\r\n".encode() + b" " * MEBIBYTE + b"\r\n")
        connection.close_connection = True

    return behave


def _repeat(sent: bytes, service: ProgrammableService, connection: BaseHTTPRequestHandler) -> None:
    connection.close_connection = True
    while not service.ended.wait(DRIP_SECONDS):
        connection.wfile.write(sent)


def _begin(connection: BaseHTTPRequestHandler, status: int, headers: dict[str, str]) -> None:
    connection.send_response(status)
    for name, value in headers.items():
        connection.send_header(name, value)
    connection.end_headers()
