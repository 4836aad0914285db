"""A threaded HTTP server for a WSGI application behind the gate, on an address that is verified to be free."""

import io
import socket
import threading
import traceback
from contextlib import suppress
from http import HTTPStatus
from typing import Any, cast

from typing_extensions import override
from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler
from werkzeug.test import run_wsgi_app

from local.errors import Conflict
from local.gate import Gate

LARGEST_KEPT_BYTES = 8 * 1024 * 1024
"""The largest request after which a connection is kept: more than AWS's own limits for what is served here."""

_WITHOUT_BODY = {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}


def listen(address: str, port: int) -> socket.socket:
    """Bind and return a listening socket; port 0 chooses a free one. Raise HumanError if the port is taken."""
    listener = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise Conflict(f"port {port} of {address} is taken: stop what listens there, or choose another") from error
    return listener


class HttpServer:
    """Serve an application from start() to stop(), each connection on its own thread, one request after the other.

    The application sees no request of a web page: see local/gate.py.
    """

    def __init__(self, application: Any, listener: socket.socket, handler: type[WSGIRequestHandler]) -> None:
        self.address: str = listener.getsockname()[0]
        self.port: int = listener.getsockname()[1]
        keeping = type("KeepingRequestHandler", (_Keeping, handler), {})
        # The server duplicates the descriptor; werkzeug's own binding would end the process if the port is taken.
        with listener:
            gated = Gate(application, self.address)
            self._server = _Server(self.address, self.port, gated, handler=keeping, fd=listener.fileno())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True, name="http")

    @property
    def url(self) -> str:
        """The server's address, without a slash at the end."""
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"http://{host}:{self.port}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop accepting; requests in flight end by themselves, and their connections with them."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()
        self._server.hear_no_more()


class _Server(ThreadedWSGIServer):
    """A server that tracks its open connections: their threads would otherwise outlive it."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.stopped = False
        self._open: set[socket.socket] = set()

    def hear_no_more(self) -> None:
        """Stop reading from open connections; answers are still sent."""
        self.stopped = True
        for connection in list(self._open):
            with suppress(OSError):  # it has ended by itself
                connection.shutdown(socket.SHUT_RD)

    @override
    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    @override
    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)


class _Keeping(WSGIRequestHandler):
    """Keep the connection for the next request, which werkzeug's own handler never does.

    A new connection, and a thread for it, cost both sides more than most requests to this server.
    """

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    @override
    def run_wsgi(self) -> None:
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not length.isdecimal() or int(length) > LARGEST_KEPT_BYTES:
            # The application may leave a part of such a request unread, which would be taken for the next one.
            super().run_wsgi()
            return
        body = self.rfile.read(int(length))
        if len(body) < int(length) or cast("_Server", self.server).stopped:
            self.close_connection = True
            return
        self._answer(*self._run(self.make_environ() | {"wsgi.input": io.BytesIO(body)}))

    @override
    def log_request(self, *_: Any) -> None:
        """Log nothing: nobody reads it."""

    def _run(self, environ: dict[str, Any]) -> tuple[int, list[tuple[str, str]], bytes]:
        try:
            content, status, headers = run_wsgi_app(self.server.app, environ, buffered=True)
        except Exception:  # noqa: BLE001 (the client gets an error, whatever it is, and the connection stays)
            self.server.log("error", "Error on request:\n%s", traceback.format_exc())
            return HTTPStatus.INTERNAL_SERVER_ERROR, [], b""
        return int(status.split(" ", 1)[0]), list(headers), b"".join(content)

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if status not in _WITHOUT_BODY and all(name.lower() != "content-length" for name, _ in headers):
            self.send_header("Content-Length", str(len(body)))
        if self.close_connection or cast("_Server", self.server).stopped:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
