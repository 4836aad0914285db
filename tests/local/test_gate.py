"""No web page reaches an HTTP server of the stack, whatever its site does with names and headers."""

import http.client
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3
from werkzeug.serving import WSGIRequestHandler

from local import state
from local.aws import LocalAws
from local.http_server import HttpServer, listen
from local.services import RegistrationServices
from local.template import read_template
from tests.local.conftest import DEFINITION, TEMPLATE, Start
from tests.local.signing import signed


@pytest.fixture(scope="module", params=["aws", "services"])
def port(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of each HTTP server of the stack; the console has a guard of its own."""
    directory = tmp_path_factory.mktemp("state")
    server: LocalAws | RegistrationServices
    if request.param == "aws":
        (directory / "template.yaml").write_text(TEMPLATE)
        (directory / "machine.asl.yaml").write_text(DEFINITION)
        server = LocalAws(read_template(directory / "template.yaml"), directory, fsync=False)
    else:
        server = RegistrationServices(directory / "registrations.sqlite3", {"auth": "token"})
    server.start()
    yield server.port
    server.stop()


def ask(port: int, method: str = "POST", path: str = "/", **headers: str | None) -> http.client.HTTPResponse:
    """The answer to a request with exactly these headers; the Host is the server's own unless it is None or given."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name, values in ({"host": f"127.0.0.1:{port}"} | headers).items():
        for value in values.split("\n") if values is not None else ():
            connection.putheader(name.replace("_", "-"), value.encode())
    connection.putheader("Content-Length", "0")
    connection.endheaders()
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://127.0.0.1:8084", "http://localhost", "null", "chrome-extension://abc"]
)
@pytest.mark.parametrize("method", ["POST", "GET", "OPTIONS", "PUT"])
def test_a_page_of_any_origin_is_refused(port: int, origin: str, method: str) -> None:
    answer = ask(port, method, "/moto-api/reset", origin=origin, content_type="text/plain")
    assert answer.status == 403
    assert [name for name in answer.headers if name.lower().startswith("access-control-")] == []


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:80", "169.254.169.254", "[::2]", "1.2.3.4"])
def test_a_foreign_host_is_refused(port: int, host: str) -> None:
    assert ask(port, host=host).status == 403


@pytest.mark.parametrize("host", [None, "", "[", "[::1", "a b", "user@127.0.0.1", "127.0.0.1:x", "127.0.0.1\nevil"])
def test_a_malformed_host_is_a_bad_request(port: int, host: str | None) -> None:
    assert ask(port, host=host).status == 400


@pytest.mark.parametrize("origin", ["", "//[", "http://[", "http://a\nhttp://b", "http://a/b"])
def test_a_malformed_origin_is_a_bad_request(port: int, origin: str) -> None:
    assert ask(port, origin=origin).status == 400


@pytest.mark.parametrize("site", ["cross-site", "same-site", "same-origin", "", "None", "other"])
def test_a_request_that_a_browser_marks_as_a_pages_is_refused(port: int, site: str) -> None:
    assert ask(port, "GET", sec_fetch_site=site, sec_fetch_mode="no-cors").status == 403


@pytest.mark.parametrize("host", ["127.0.0.1:8083", "localhost:1", "LOCALHOST", "[::1]:8083", "host.docker.internal:1"])
def test_the_names_of_this_machine_are_let_in(host: str) -> None:
    assert answered("127.0.0.1", host=host) == 200


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])  # noqa: S104 (all addresses are what this is about)
def test_the_address_that_means_all_is_not_a_name_of_this_machine(address: str) -> None:
    assert answered(address, host="0.0.0.0:80") == 403


def test_what_no_page_has_sent_is_let_in() -> None:
    assert answered("127.0.0.1", sec_fetch_site="none") == 200


def answered(address: str, **headers: str) -> int:
    """The status of the answer of a server that listens on an address."""

    def answer(_environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        start_response("200 OK", [])
        return []

    server = HttpServer(answer, listen(address, 0), WSGIRequestHandler)
    server.start()
    try:
        return ask(server.port, **headers).status
    finally:
        server.stop()


def test_moto_itself_sends_no_cors_headers(started: Start) -> None:
    with started() as aws:
        headers = signed(aws, b"{}", {"X-Amz-Target": "secretsmanager.ListSecrets"})
        answer = urllib3.request("POST", aws.endpoint_url, headers=headers, body=b"{}", retries=False)
        assert answer.status == 200
        assert [name for name in answer.headers if name.lower().startswith("access-control-")] == []


def modes(directory: Path) -> dict[str, str]:
    """The mode of everything in a state directory, except for the database's own files."""
    found = [path for path in directory.rglob("*") if state.DATABASE not in path.relative_to(directory).parts]
    return {str(path.relative_to(directory)): oct(stat.S_IMODE(path.stat().st_mode)) for path in found}


def test_a_directory_that_was_open_to_others_is_closed(tmp_path: Path) -> None:
    directory, outside = tmp_path / "state", tmp_path / "outside"
    (directory / "secrets").mkdir(parents=True)
    outside.write_text("not ours")
    outside.chmod(0o644)
    for name in ("stack.json", "lambda.log", "secrets/a.json", "lock"):
        (directory / name).write_text("x")
        (directory / name).chmod(0o644)
    (directory / "link").symlink_to(outside)
    for path in (directory, directory / "secrets"):
        path.chmod(0o777)
    state.prepare(directory)
    assert stat.S_IMODE(directory.stat().st_mode) & 0o066 == 0
    (directory / "link").unlink()
    assert set(modes(directory).values()) <= {"0o600", "0o700", "0o701"}
    assert stat.S_IMODE(outside.stat().st_mode) == 0o644
