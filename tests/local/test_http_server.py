import http.client
import socket
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from werkzeug.serving import WSGIRequestHandler

from local.http_server import LARGEST_KEPT_BYTES, HttpServer, listen


class Application:
    """Answer with the request's body, or as the path demands."""

    def __init__(self) -> None:
        self.asked, self.goes_on = threading.Event(), threading.Event()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/fails":
            raise ZeroDivisionError
        if path == "/waits":
            self.asked.set()
            self.goes_on.wait(10)
        if path == "/unread":
            start_response("413 Content Too Large", [])
            return [b"too large"]
        if path == "/nothing":
            start_response("204 No Content", [])
            return []
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"got ", environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or -1))]


@pytest.fixture
def application() -> Application:
    return Application()


@pytest.fixture
def server(application: Application) -> Iterator[HttpServer]:
    running = HttpServer(application, listen("127.0.0.1", 0), WSGIRequestHandler)
    running.start()
    yield running
    application.goes_on.set()
    running.stop()


@pytest.fixture
def connection(server: HttpServer) -> Iterator[http.client.HTTPConnection]:
    connected = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connected.connect()
    yield connected
    connected.close()


def ask(
    connection: http.client.HTTPConnection, path: str, body: Any = None, method: str = "PUT", **headers: str
) -> tuple[int, bytes, str | None]:
    """Return the status, the body, and the Connection header."""
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    return answer.status, answer.read(), answer.headers.get("Connection")


def test_requests_share_a_connection(connection: http.client.HTTPConnection) -> None:
    own_end = connection.sock.getsockname()
    for path, body, expected in [
        ("/", b"one", (200, b"got one", None)),
        ("/nothing", b"", (204, b"", None)),
        ("/", b"two", (200, b"got two", None)),
    ]:
        assert ask(connection, path, body) == expected
        assert connection.sock.getsockname() == own_end


def test_an_error_of_the_application_ends_neither_the_server_nor_the_connection(
    connection: http.client.HTTPConnection,
) -> None:
    assert ask(connection, "/fails", b"x") == (500, b"", None)
    assert ask(connection, "/", b"next") == (200, b"got next", None)


def test_what_an_application_leaves_unread_is_no_request(connection: http.client.HTTPConnection) -> None:
    assert ask(connection, "/unread", b"GET /fails HTTP/1.1\r\n\r\n") == (413, b"too large", None)
    assert ask(connection, "/", b"next") == (200, b"got next", None)


def test_a_large_request_is_refused_unread_and_ends_its_connection(connection: http.client.HTTPConnection) -> None:
    assert ask(connection, "/unread", b"x" * (LARGEST_KEPT_BYTES + 1)) == (413, b"too large", "close")


def test_a_request_without_a_length_is_served_and_ends_its_connection(connection: http.client.HTTPConnection) -> None:
    assert ask(connection, "/", iter([b"in ", b"parts"])) == (200, b"got in parts", "close")


def test_a_head_request_is_answered_without_a_body(connection: http.client.HTTPConnection) -> None:
    connection.request("HEAD", "/")
    answer = connection.getresponse()
    assert (answer.read(), answer.headers["Content-Length"]) == (b"", "4")
    assert ask(connection, "/", b"next") == (200, b"got next", None)


def test_a_client_that_wants_the_end_of_the_connection_gets_it(connection: http.client.HTTPConnection) -> None:
    assert ask(connection, "/", b"last", Connection="close") == (200, b"got last", "close")


def test_a_client_that_waits_to_be_told_to_go_on_is_told(server: HttpServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connected:
        connected.sendall(b"PUT / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n")
        connected.sendall(b"Expect: 100-continue\r\nConnection: close\r\n\r\n")
        assert connected.recv(1000).startswith(b"HTTP/1.1 100 ")
        connected.sendall(b"body")
        assert connected.makefile("rb").read().endswith(b"got body")


def test_a_stopped_server_serves_no_more_over_a_connection_that_it_kept(
    server: HttpServer, connection: http.client.HTTPConnection
) -> None:
    assert ask(connection, "/", b"one") == (200, b"got one", None)
    server.stop()
    connection.auto_open = False
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        ask(connection, "/", b"two")


def test_a_request_that_is_being_served_has_its_answer_when_the_server_stops(
    server: HttpServer, connection: http.client.HTTPConnection, application: Application
) -> None:
    with ThreadPoolExecutor(1) as caller:
        answer = caller.submit(ask, connection, "/waits", b"x")
        assert application.asked.wait(10)
        server.stop()
        application.goes_on.set()
        assert answer.result() == (200, b"got x", "close")
