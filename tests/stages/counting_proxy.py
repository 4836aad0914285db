"""A proxy between the handlers and PostgreSQL that counts the queries, so that no round trip is missed."""

import socket
import struct
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from provisioning import postgres

TAGGED_HEADER = 5
UNTAGGED_HEADER = 4
ENCRYPTION_REQUESTS = {80877103, 80877104}
"""SSLRequest and GSSENCRequest (PostgreSQL's documentation, "Message Formats"): a start-up message follows them."""


class CountingProxy:
    """Forward connections to one server and count the queries of each, under the name it was opened with."""

    def __init__(self, host: str, port: int) -> None:
        self._server = host, port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.queries: Counter[str] = Counter()

    def accept(self, name: str) -> None:
        """Forward the next connection, in the background."""
        threading.Thread(target=self._forward, args=(name,), daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _forward(self, name: str) -> None:
        client, _ = self._listener.accept()
        server = socket.create_connection(self._server)
        for side in (client, server):
            side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=_pump, args=(server, client), daemon=True).start()
        started, unread = False, b""
        while data := _received(client):
            unread += data
            while message := _message(unread, started):
                unread = unread[len(message) :]
                if not started:
                    started = struct.unpack_from("!I", message, UNTAGGED_HEADER)[0] not in ENCRYPTION_REQUESTS
                elif message[:1] == b"Q":
                    self.queries[name] += 1
            server.sendall(data)
        server.close()


def _message(data: bytes, tagged: bool) -> bytes:
    """Return the first message of the data, or nothing while it is incomplete."""
    header = TAGGED_HEADER if tagged else UNTAGGED_HEADER
    if len(data) < header:
        return b""
    length = struct.unpack_from("!I", data, header - 4)[0] + header - UNTAGGED_HEADER
    return data[:length] if len(data) >= length else b""


def _pump(source: socket.socket, target: socket.socket) -> None:
    while data := _received(source):
        try:
            target.sendall(data)
        except OSError:
            return
    target.close()


def _received(side: socket.socket) -> bytes:
    try:
        return side.recv(65536)
    except OSError:
        return b""


@contextmanager
def counted_queries(host: str, port: int) -> Iterator[Counter[str]]:
    """Send every connection that the functions open through a proxy, and yield its count of queries per database."""
    real, proxy = postgres.connect, CountingProxy(host, port)

    def connect(document: Mapping[str, Any], *, dbname: str | None = None, **options: Any) -> Any:
        proxy.accept(dbname or document["dbname"])
        return real({**document, "host": "127.0.0.1", "port": proxy.port}, dbname=dbname, **options)

    try:
        with patch.object(postgres, "connect", connect):
            yield proxy.queries
    finally:
        proxy.close()
