"""A service that answers byte by byte, over plain TCP or TLS: each pause is shorter than every timeout of a socket."""

import itertools
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

from typing_extensions import override

PAUSE_SECONDS = 0.02
OK = b"HTTP/1.1 200 OK\r\n"
LENGTH = OK + b"Content-Length: 9999\r\n\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

Pieces = Iterable[bytes]
Answer = Callable[[], Pieces]


def bytewise(text: bytes, before: bytes = b"") -> Answer:
    """Send a beginning at once and then a text byte by byte, again and again."""
    return lambda: itertools.chain([before], itertools.cycle(bytes([byte]) for byte in text))


DRIPS: dict[str, Answer] = {
    "a status line": bytewise(b"H"),
    "a header": bytewise(b"x", OK + b"X-Header: "),
    "headers": bytewise(b"X-Header: x\r\n", OK),
    "interim answers": lambda: itertools.repeat(CONTINUE),
    "an interim answer": bytewise(CONTINUE),
    "a body": bytewise(b" ", LENGTH),
    "a body that ends with the connection": bytewise(b" ", OK + b"\r\n"),
    "chunks": bytewise(b"1\r\n \r\n", CHUNKED),
    "a chunk": bytewise(b" ", CHUNKED + b"fff\r\n"),
    "a chunk's size": bytewise(b"0", CHUNKED),
    "trailers": bytewise(b"X: x\r\n", CHUNKED + b"0\r\n"),
    "nothing": lambda: itertools.repeat(b""),
}


class DrippingService:
    """Answer every request with the same pieces, until nobody reads or it is stopped."""

    def __init__(self, answer: Answer, context: ssl.SSLContext | None = None, pause: float = PAUSE_SECONDS) -> None:
        service, self.ended, self.connections = self, threading.Event(), 0

        class Handler(socketserver.BaseRequestHandler):
            @override
            def handle(self) -> None:
                service.connections += 1
                with suppress(OSError):
                    client = context.wrap_socket(self.request, server_side=True) if context else self.request
                    with client:
                        client.recv(65536)
                        for piece in answer():
                            client.sendall(piece)
                            if service.ended.wait(pause):
                                return

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])

    @contextmanager
    def serving(self) -> Iterator[int]:
        """Serve, and yield the port."""
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield self.port
        finally:
            self.ended.set()
            self._server.shutdown()
            self._server.server_close()
