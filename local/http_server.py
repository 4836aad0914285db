"""A threaded HTTP server for a WSGI application, on an address that was really free."""

import socket
import threading
from typing import Any, cast

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from local.errors import HumanError


def listen(address: str, port: int) -> socket.socket:
    """Binds and returns a listening socket; port 0 takes a free one. Raises HumanError when the port is taken."""
    listener = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise HumanError(f"port {port} of {address} is taken: stop what listens there, or choose another") from error
    return listener


class HttpServer:
    """Serves an application from start() to stop(), each request on its own thread."""

    def __init__(self, application: Any, listener: socket.socket, handler: type[WSGIRequestHandler]) -> None:
        self.address: str = listener.getsockname()[0]
        self.port: int = listener.getsockname()[1]
        quiet = type("QuietRequestHandler", (handler,), {"log_request": lambda *_: None})
        # The server duplicates the descriptor; werkzeug's own binding would end the process when the port is taken.
        with listener:
            self._server: BaseWSGIServer = make_server(
                self.address, self.port, application, threaded=True, request_handler=quiet, fd=listener.fileno()
            )
        cast("Any", self._server).daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True, name="http")

    @property
    def url(self) -> str:
        """The server's address, without a slash at the end."""
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"http://{host}:{self.port}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stops accepting; requests that are being served end by themselves."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()
