"""sslmode=verify-full against a real server: the right CA and the right host, and nothing else."""

import socket
import socketserver
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import psycopg2
import pytest
from cryptography.hazmat.primitives import serialization
from typing_extensions import override

from local.postgres import PostgresServer
from provisioning import postgres
from tests import shipped
from tests.provisioning.certificate_authority import Authority

SSL_REQUEST = struct.pack("!ii", 8, 80877103)
BUNDLE = shipped.FUNCTIONS / "provisioning" / "rds_certificates.pem"


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority("the right one")


class EncryptedPostgres(socketserver.ThreadingTCPServer):
    """PostgreSQL behind TLS, as its protocol starts it: the wheel's server is built without TLS."""

    daemon_threads = True

    def __init__(self, address: str, certificate: Path, server: PostgresServer) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate / "server.crt", certificate / "server.key")
        self.postgres = server
        super().__init__((address, 0), Encrypting)


class Encrypting(socketserver.BaseRequestHandler):
    server: EncryptedPostgres

    @override
    def handle(self) -> None:
        assert self.request.recv(8) == SSL_REQUEST
        self.request.sendall(b"S")
        try:
            client = self.server.context.wrap_socket(self.request, server_side=True)
        except (ssl.SSLError, ConnectionError):
            return  # the client did not like the certificate
        with client, socket.create_connection(("127.0.0.1", self.server.postgres.port)) as real:
            answers = threading.Thread(target=passing, args=(real, client), daemon=True)
            answers.start()
            passing(client, real)


def passing(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    with PostgresServer(tmp_path_factory.mktemp("tls"), fsync=False) as running:
        yield running


@pytest.fixture(scope="module")
def ports(server: PostgresServer, authority: Authority) -> Iterator[dict[str, int]]:
    """The ports of that server on two addresses, both with a certificate for the first."""
    authority.issue(server.directory, "127.0.0.1")
    with ExitStack() as opened:
        found = {}
        for address in ("127.0.0.1", "127.0.0.2"):
            encrypted = opened.enter_context(EncryptedPostgres(address, server.directory, server))
            threading.Thread(target=encrypted.serve_forever, args=(0.01,), daemon=True).start()
            opened.callback(encrypted.shutdown)
            found[address] = encrypted.server_address[1]
        yield found


Connects = Callable[[str, str, str], bool]


@pytest.fixture
def connects(server: PostgresServer, ports: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> Connects:
    """Return whether the functions' own connect() succeeds, encrypted, for a host, a mode and a file of CAs."""
    password = (server.directory / "superuser.password").read_text()

    def attempt(host: str, mode: str, root: str) -> bool:
        monkeypatch.setenv("DATABASE_SSL_MODE", mode)
        monkeypatch.setenv("DATABASE_SSL_ROOT_CERT", root)
        document = {"host": host, "port": ports[host], "dbname": "postgres", "username": "postgres"}
        try:
            connection = postgres.connect(document | {"password": password}, statement_timeout_seconds=5)
        except psycopg2.OperationalError:
            return False
        with closing(connection), connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            return bool(connection.info.ssl_in_use)

    return attempt


@pytest.fixture
def root(authority: Authority, tmp_path: Path) -> str:
    return written(authority, tmp_path)


def written(authority: Authority, folder: Path) -> str:
    path = folder / "root.crt"
    path.write_bytes(authority.certificate.public_bytes(serialization.Encoding.PEM))
    return str(path)


def test_the_right_authority_and_the_right_host_are_trusted(connects: Connects, root: str) -> None:
    assert connects("127.0.0.1", "verify-full", root)


def test_a_certificate_for_another_host_is_refused(connects: Connects, root: str) -> None:
    assert not connects("127.0.0.2", "verify-full", root)
    assert connects("127.0.0.2", "verify-ca", root), "what verify-ca would let pass"


def test_another_authority_is_refused(connects: Connects, tmp_path: Path) -> None:
    assert not connects("127.0.0.1", "verify-full", written(Authority("the right one"), tmp_path))


def test_rdss_own_authorities_do_not_vouch_for_this_server(connects: Connects) -> None:
    assert not connects("127.0.0.1", "verify-full", str(BUNDLE))


def test_a_missing_bundle_is_an_error_and_not_blind_trust(connects: Connects, tmp_path: Path) -> None:
    assert not connects("127.0.0.1", "verify-full", str(tmp_path / "none.pem"))


def test_without_any_setting_the_server_is_verified(connects: Connects) -> None:
    assert not connects("127.0.0.1", "", "")


def test_the_bundle_that_ships_is_where_the_template_says() -> None:
    default = shipped.template()["Parameters"]["DatabaseSslRootCert"]["Default"]
    assert shipped.FUNCTIONS / Path(default).relative_to("/var/task") == BUNDLE
