"""Every exchange with a service ends by its deadline, whatever the service sends and however slowly."""

import functools
import itertools
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioning.errors import ServiceRegistrationFailed
from provisioning.services import client as service_client
from provisioning.services import timed_connections
from provisioning.services.client import ServiceClient
from provisioning.stage import Service
from tests.provisioning.certificate_authority import Authority
from tests.provisioning.dripping_service import CONTINUE, DRIPS, OK, Answer, DrippingService

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

pytestmark = pytest.mark.slow

SECONDS = 0.3
MARGIN_SECONDS = 0.7
"""The machine may be busy; a service that drips does so for ever."""

SECONDS_OF_A_LONG_BODY = 2.0
"""A busy machine takes more than SECONDS for the JSON of a body that no socket's buffer holds."""

FRAGMENTS = [OK, CONTINUE, b"HTTP/1.1 ", b"204", b"X: y\r\n", b"\r\n", b"Content-Length: 5\r\n", b"5\r\n", b" ", b"\0"]


@pytest.fixture(autouse=True)
def _settings(secrets_manager: "SecretsManagerClient", monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    secrets_manager.create_secret(Name="tokens", SecretString=json.dumps({"auth": "token"}))
    monkeypatch.setattr(service_client, "_environment", threading.local())
    monkeypatch.setenv("SERVICE_TOKENS_SECRET_ID", "tokens")
    monkeypatch.setenv("ALLOW_PLAIN_HTTP", "true")
    monkeypatch.setenv("AUTH_SERVICE_URL", "http://127.0.0.1")
    service_client._token(Service.AUTH)
    yield
    if hasattr(service_client._environment, "pool"):
        service_client._environment.pool.clear()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a service's certificate, its key and the CA."""
    authority, directory = Authority("of the services"), tmp_path_factory.mktemp("certificate")
    authority.issue(directory, "127.0.0.1")
    (directory / "ca.crt").write_bytes(authority.certificate.public_bytes(serialization.Encoding.PEM))
    return directory


@pytest.fixture
def tls(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ssl.SSLContext]:
    """A service's context, whose CA is the only one that the functions trust."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "ca.crt"))
    timed_connections.tls_context.cache_clear()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "server.crt", certificate / "server.key")
    yield context
    timed_connections.tls_context.cache_clear()


def ask(url: str, monkeypatch: pytest.MonkeyPatch, seconds: float = SECONDS, body: object = None) -> tuple[int, bytes]:
    monkeypatch.setenv("AUTH_SERVICE_URL", url)
    client = ServiceClient(Service.AUTH, time.monotonic() + seconds)
    return client.request("PUT", "/tenants/t", lambda token: {"Authorization": token}, body=body)


@contextmanager
def failing_in_time(seconds: float = SECONDS) -> Iterator[None]:
    started = time.monotonic()
    with pytest.raises(ServiceRegistrationFailed, match="auth did not answer"):
        yield
    assert time.monotonic() - started < seconds + MARGIN_SECONDS


@pytest.mark.parametrize("drip", DRIPS.values(), ids=DRIPS)
def test_a_service_that_drips_ends_by_the_deadline(monkeypatch: pytest.MonkeyPatch, drip: Answer) -> None:
    with DrippingService(drip).serving() as port, failing_in_time():
        ask(f"http://127.0.0.1:{port}", monkeypatch)


@pytest.mark.parametrize("drip", DRIPS.values(), ids=DRIPS)
def test_a_service_that_drips_over_tls_ends_by_the_deadline(
    monkeypatch: pytest.MonkeyPatch, tls: ssl.SSLContext, drip: Answer
) -> None:
    with DrippingService(drip, tls).serving() as port, failing_in_time():
        ask(f"https://127.0.0.1:{port}", monkeypatch)


@pytest.mark.parametrize("drip", ["interim answers", "headers"])
def test_a_flood_ends_by_the_deadline_too(monkeypatch: pytest.MonkeyPatch, drip: str) -> None:
    with DrippingService(DRIPS[drip], pause=0).serving() as port, failing_in_time():
        ask(f"http://127.0.0.1:{port}", monkeypatch)


@settings(max_examples=25)
@given(st.lists(st.sampled_from(FRAGMENTS), min_size=1, max_size=6))
def test_any_mixture_without_end_ends_by_the_deadline(pieces: list[bytes]) -> None:
    service = DrippingService(lambda: itertools.cycle(pieces))
    with service.serving() as port, pytest.MonkeyPatch.context() as patched:
        started = time.monotonic()
        with suppress(ServiceRegistrationFailed):
            ask(f"http://127.0.0.1:{port}", patched)
        assert time.monotonic() - started < SECONDS + MARGIN_SECONDS


@pytest.mark.parametrize("record", [b"", b"\x16\x03\x03\x40\x00"], ids=["nothing", "a record byte by byte"])
def test_a_tls_handshake_that_stalls_ends_by_the_deadline(
    monkeypatch: pytest.MonkeyPatch, tls: ssl.SSLContext, record: bytes
) -> None:
    def stall() -> Iterator[bytes]:
        return itertools.chain((bytes([byte]) for byte in record), itertools.repeat(b"\x00" if record else b""))

    with DrippingService(stall).serving() as port, failing_in_time():
        ask(f"https://127.0.0.1:{port}", monkeypatch)


@pytest.mark.parametrize("encrypted", [False, True])
def test_a_service_that_reads_nothing_ends_by_the_deadline(
    monkeypatch: pytest.MonkeyPatch, tls: ssl.SSLContext, encrypted: bool
) -> None:
    scheme, context = ("https", tls) if encrypted else ("http", None)
    with DrippingService(DRIPS["nothing"], context).serving() as port, failing_in_time(SECONDS_OF_A_LONG_BODY):
        ask(f"{scheme}://127.0.0.1:{port}", monkeypatch, SECONDS_OF_A_LONG_BODY, body="x" * 8_000_000)


def test_a_name_that_is_not_resolved_ends_by_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    resolved = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: resolved.wait(30) and [])
    with failing_in_time():
        ask("http://auth.internal", monkeypatch)
    resolved.set()


def test_a_name_with_many_addresses_that_take_no_connection_ends_by_the_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with ExitStack() as opened:
        full = opened.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(2):
            waiting = opened.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", full.getsockname())] * 50
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        monkeypatch.setattr(service_client, "CONNECT_TIMEOUT_SECONDS", SECONDS / 3)
        with failing_in_time():
            ask("http://auth.internal", monkeypatch)


def test_a_kept_connection_is_limited_by_each_exchange_in_turn(
    monkeypatch: pytest.MonkeyPatch, tls: ssl.SSLContext
) -> None:
    answers = iter([[OK + b"Content-Length: 2\r\n\r\n{}"], DRIPS["a header"]()])

    def answer() -> Iterator[bytes]:
        return iter(next(answers))

    service = DrippingService(answer, tls)
    with service.serving() as port:
        assert ask(f"https://127.0.0.1:{port}", monkeypatch, seconds=5) == (200, b"{}")
        with failing_in_time():
            ask(f"https://127.0.0.1:{port}", monkeypatch)


def test_a_certificate_of_another_authority_or_another_host_is_refused(
    monkeypatch: pytest.MonkeyPatch, tls: ssl.SSLContext, certificate: Path, tmp_path: Path
) -> None:
    with DrippingService(functools.partial(iter, [OK + b"\r\n"]), tls).serving() as port:
        assert ask(f"https://127.0.0.1:{port}", monkeypatch, seconds=5) == (200, b"")
        with pytest.raises(ServiceRegistrationFailed, match=r"SSLError"):
            ask(f"https://localhost:{port}", monkeypatch, seconds=5)
        Authority("of somebody else").issue(tmp_path, "127.0.0.1")
        timed_connections.tls_context.cache_clear()
        monkeypatch.delenv("SSL_CERT_FILE")
        service_client._environment.pool.clear()
        with pytest.raises(ServiceRegistrationFailed, match=r"SSLError"):
            ask(f"https://127.0.0.1:{port}", monkeypatch, seconds=5)
