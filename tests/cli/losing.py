"""A connection that is lost after the request has reached the stack, and before its answer reaches the caller."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit


@contextmanager
def losing_answers(endpoint_url: str, count: int) -> Iterator[str]:
    """Yield an address that passes requests on to an endpoint, one a connection, and loses that many answers."""
    to = urlsplit(endpoint_url)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            lost = 0
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                with client, socket.create_connection((str(to.hostname), int(to.port or 0))) as stack:
                    stack.sendall(_request(client))
                    stack.shutdown(socket.SHUT_WR)
                    answer = b"".join(iter(lambda: stack.recv(65536), b""))
                    if lost < count:
                        lost += 1
                    else:
                        client.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
        finally:
            with suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            thread.join()


def _request(client: socket.socket) -> bytes:
    """Return a whole request, which its client is told to end the connection after."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += client.recv(65536)
    head, _, body = received.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    length = next((int(line.split(b":")[1]) for line in lines if line.lower().startswith(b"content-length:")), 0)
    while len(body) < length:
        body += client.recv(65536)
    return b"\r\n".join([*lines, b"Connection: close"]) + b"\r\n\r\n" + body
