"""HTTP connections on which an exchange ends by a deadline, whatever the other side sends and however slowly.

A timeout of urllib3 limits one operation of a socket. A byte now and then, interim answers without end and a name with
many addresses outlast it. Here every operation gets what is left until the deadline: the name's resolution, connecting,
the TLS handshake, sending and receiving.
"""

import functools
import math
import socket
import ssl
import threading
import time
from typing import Any

import urllib3
from typing_extensions import override
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError


class _Exchange(threading.local):
    """The exchange of this thread."""

    ends_at = math.inf
    """A monotonic time."""


exchange = _Exchange()


class TimedSocket(socket.socket):
    """A socket whose operations end by the deadline of the exchange. Each raises TimeoutError."""

    @override
    def connect(self, address: Any) -> None:
        limit(self, self.gettimeout())
        super().connect(address)

    @override
    def send(self, *arguments: Any) -> int:
        limit(self)
        return super().send(*arguments)

    @override
    def sendall(self, *arguments: Any) -> None:
        limit(self)
        super().sendall(*arguments)

    @override
    def recv_into(self, *arguments: Any) -> int:
        limit(self)
        return super().recv_into(*arguments)


class TimedTlsSocket(TimedSocket, ssl.SSLSocket):
    """The same with TLS. OpenSSL's handshake has one timeout, which starts when it begins."""

    @override
    def do_handshake(self, block: bool = False) -> None:
        limit(self)
        super().do_handshake(block)


def limit(sock: socket.socket, at_most: float | None = None) -> None:
    """Set the socket's timeout to the time left, or less. Raise TimeoutError if none is left."""
    left = exchange.ends_at - time.monotonic()
    if left <= 0:
        raise TimeoutError("the exchange took too long")
    sock.settimeout(min(left, math.inf if at_most is None else at_most, threading.TIMEOUT_MAX))


class _TimedConnection(HTTPConnection):
    @override
    def _new_conn(self) -> socket.socket:
        try:
            return _connected(self._dns_host, self.port, self.timeout)
        except TimeoutError:
            raise ConnectTimeoutError(self, "connecting took too long") from None
        except OSError as error:
            raise NewConnectionError(self, f"connecting failed ({type(error).__name__})") from None


class _TimedTlsConnection(_TimedConnection, HTTPSConnection):
    @override
    def connect(self) -> None:
        self.ssl_context = tls_context()
        super().connect()


class _HttpPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _TimedConnection


class _HttpsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _TimedTlsConnection


def pool(retries: urllib3.Retry) -> urllib3.PoolManager:
    """Return a pool of such connections."""
    manager = urllib3.PoolManager(retries=retries)
    manager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}
    return manager


@functools.cache
def tls_context() -> ssl.SSLContext:
    """Return the TLS context of timed sockets, which verifies the other side with the system's roots."""
    context = ssl.create_default_context()
    context.sslsocket_class = TimedTlsSocket
    return context


def _connected(host: str, port: int, seconds: float | None) -> TimedSocket:
    """Return a socket that is connected to one of the host's addresses, each tried for that time. Raise OSError."""
    refused = OSError("the name has no address")
    for family, kind, protocol, _, address in _addresses(host, port):
        sock = TimedSocket(family, kind, protocol)
        try:
            sock.settimeout(seconds)
            sock.connect(address)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            sock.close()
            refused = error
        else:
            return sock
    raise refused


def _addresses(host: str, port: int) -> list[tuple[Any, ...]]:
    """Return the host's addresses. Raise TimeoutError at the deadline.

    The resolver has no timeout, so it runs in a thread, which is then abandoned.
    """
    found: list[tuple[Any, ...]] = []

    def resolve() -> None:
        try:
            found.extend(socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError):
            return

    resolving = threading.Thread(target=resolve, daemon=True)
    resolving.start()
    resolving.join(min(max(0.0, exchange.ends_at - time.monotonic()), threading.TIMEOUT_MAX))
    if resolving.is_alive():
        raise TimeoutError("resolving the name took too long")
    return found
