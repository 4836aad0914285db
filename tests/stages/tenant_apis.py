"""The tenant API of Supabase Storage according to its source, over HTTP, with its traps, and what such doubles share.

Each is a separate application that authenticates requests, keeps its tenants, and signs in to the tenant database with
the given credentials: a registration that cannot work is refused here as by the real service.
"""

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import psycopg2
import pytest
from flask import Flask, Response, jsonify, request
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey
from typing_extensions import override
from werkzeug.exceptions import NotFound
from werkzeug.serving import WSGIRequestHandler

from local.http_server import HttpServer, listen
from local.stack import Stack
from tests.stages.client_sessions import ClientSessions, NotServed
from tests.stages.jobs import execute

STORAGE_MIGRATIONS = Path(__file__).with_name("storage_migrations.sql")
STORAGE_ADDED_LATER = Path(__file__).with_name("storage_added_later.sql")
Tenants = dict[str, dict[str, Any]]
OTHERS_LATER = """
    UPDATE control_plane.tenants SET look_again_at = now() + interval '1 day'
    WHERE state = 'removing'
"""


class TenantApi(ABC):
    """One service: its tenants, the requests that it got, and the faults that a test sets."""

    no_route: Any = "Not Found"
    """What it answers beside 404 where it has no route: Phoenix's, whose view of errors Realtime and Supavisor keep."""

    proxy: tuple[int, bytes] | None = None
    """What a proxy before the service answers in its place, if it does."""

    suspension = "suspend"
    """The tenant's field that is set while the service does not serve it."""

    def __init__(self, secret: str) -> None:
        self.secret = secret
        self.url = ""
        self.tenants: Tenants = {}
        self.sessions = ClientSessions()
        self.requests: list[tuple[str, str]] = []
        self.migrations_fail = 0
        """How many of the next migrations of a tenant database fail."""
        self.removals_fail = 0
        """How many of the next removals are answered 500, if the service does so."""

    @abstractmethod
    def application(self) -> Flask:
        """Return the service's own routes."""

    @abstractmethod
    def database_of(self, tenant: dict[str, Any]) -> dict[str, Any]:
        """Return how the service signs in to a tenant's database."""

    def serve_client(self, tenant_id: str) -> None:
        """Serve a client of the tenant, with a session in its database. Raise NotServed while it is suspended."""
        tenant = self.tenants[tenant_id]
        if tenant.get(self.suspension):
            raise NotServed(tenant_id)
        self.sessions.open(tenant_id, self.database_of(tenant))

    def migrate(self, connect: dict[str, Any]) -> bool:
        """Sign in to the tenant database, as at the beginning of migrations. Return whether they succeeded."""
        if self.migrations_fail:
            self.migrations_fail -= 1
            return False
        return signs_in(connect)

    @contextmanager
    def serve(self) -> Iterator[str]:
        """Serve the API and yield its base URL."""
        application = self.application()

        def note() -> None:
            self.requests.append((request.method, request.path))

        def answer_in_its_place() -> Response | None:
            return Response(self.proxy[1], self.proxy[0]) if self.proxy is not None else None

        application.before_request_funcs.setdefault(None, [])[:0] = [note, answer_in_its_place]
        application.register_error_handler(NotFound, lambda _: (json.dumps(self.no_route, default=dict), 404))
        server = HttpServer(application, listen("127.0.0.1", 0), WSGIRequestHandler)
        server.start()
        self.url = server.url
        try:
            yield server.url
        finally:
            server.stop()
            self.sessions.end_all()

    def bearer_is_wrong(self) -> bool:
        """Return whether the request lacks our bearer JWT with iat and an exp in the near future."""
        try:
            token = request.headers.get("Authorization", "").removeprefix("Bearer ")
            claims = jwt.decode(token, OctKey.import_key(self.secret), algorithms=["HS256"]).claims
        except (JoseError, ValueError):
            return True
        return not claims.get("iat", 0) - 60 <= time.time() < claims.get("exp", 0) <= time.time() + 600


class StorageApi(TenantApi):
    """Like Storage, upsert with 204 even if the migrations fail; POST only inserts; DELETE is always 204."""

    no_route = MappingProxyType({"message": "Route GET:/tenants/x not found", "error": "Not Found", "statusCode": 404})
    newest = "all-of-it"
    """The name of the last migration of this version of the service."""

    def upgrade(self, version: str = "added-later") -> None:
        """Become a later version, which migrates every tenant whose database lets it in, and tells nobody."""
        self.newest = version
        for tenant in self.tenants.values():
            try:
                with closing(psycopg2.connect(**self.database_of(tenant))) as connection, connection.cursor() as cursor:
                    cursor.execute(STORAGE_ADDED_LATER.read_text())
                    connection.commit()
                    tenant["version"] = version
            except psycopg2.OperationalError:
                continue

    @override
    def database_of(self, tenant: dict[str, Any]) -> dict[str, Any]:
        return {"dsn": tenant["databaseUrl"]}

    @override
    def migrate(self, connect: dict[str, Any]) -> bool:
        """Migrate the tenant database, unless it is migrated."""
        if not super().migrate(connect):
            return False
        with closing(psycopg2.connect(**connect, options="-c search_path=storage,public,extensions")) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("SELECT to_regclass('storage.migrations') IS NOT NULL")
                if cursor.fetchone() != (True,):
                    for statement in STORAGE_MIGRATIONS.read_text().rstrip().split(";\n"):
                        cursor.execute(statement)
        return True

    def index(self) -> Any:
        """With every tenant's secrets, as without the setting that keeps them back."""
        return jsonify([{"id": tenant_id, **tenant} for tenant_id, tenant in self.tenants.items()])

    @override
    def application(self) -> Flask:
        application = Flask("storage")

        @application.before_request
        def authorize() -> Response | None:
            return Response(status=401) if request.headers.get("apikey") != self.secret else None

        application.add_url_rule("/tenants", view_func=self.index)

        @application.put("/tenants/<tenant_id>")
        def put(tenant_id: str) -> Any:
            tenant = request.get_json()
            if missing := [
                name for name in ("anonKey", "databaseUrl", "jwtSecret", "serviceKey") if name not in tenant
            ]:
                return _refused("InvalidRequest", f"body must have required property '{missing[0]}'")
            is_migrated = self.migrate(self.database_of(tenant))
            self.tenants[tenant_id] = tenant | {"version": self.newest if is_migrated else None}
            return Response(status=204)

        @application.post("/tenants/<tenant_id>")
        def post(tenant_id: str) -> Any:
            return (jsonify(error="duplicate key"), 500) if tenant_id in self.tenants else put(tenant_id)

        @application.get("/tenants/<tenant_id>/migrations")
        def migrations(tenant_id: str) -> Any:
            if tenant_id not in self.tenants:
                return jsonify(error="Tenant not found"), 404
            version = self.tenants[tenant_id]["version"]
            status = "COMPLETED" if version == self.newest else None
            return jsonify(isLatest=version == self.newest, migrationsVersion=version, migrationsStatus=status)

        @application.get("/tenants/<tenant_id>/health")
        def health(tenant_id: str) -> Any:
            if tenant_id not in self.tenants:
                return _refused("TenantNotFound", f"Missing tenant config for tenant {tenant_id}")
            return jsonify(healthy=signs_in(self.database_of(self.tenants[tenant_id])))

        @application.delete("/tenants/<tenant_id>")
        def delete(tenant_id: str) -> Any:
            self.tenants.pop(tenant_id, None)
            return Response(status=204)

        return application


def _refused(code: str, message: str) -> Any:
    return jsonify(statusCode="400", code=code, error=code, message=message), 400


def connection_of(settings: dict[str, Any], database: str) -> dict[str, Any]:
    return {
        "host": settings["db_host"],
        "port": settings["db_port"],
        "dbname": settings[database],
        "user": settings["db_user"],
        "password": settings["db_password"],
    }


def signs_in(connect: dict[str, Any]) -> bool:
    """Return whether the credentials open the database."""
    try:
        with closing(psycopg2.connect(**connect)):
            return True
    except psycopg2.OperationalError:
        return False


Api = TypeVar("Api", bound=TenantApi)


@contextmanager
def native_service(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, service: str, adapter: str, kind: type[Api]
) -> Iterator[Api]:
    """Run the service with the native API and point the settings at it.

    A last look that would come due by itself meanwhile, at what another test has removed, would ask the wrong service.
    """
    execute(stack, "control_plane", OTHERS_LATER)
    tokens = stack.client("secretsmanager").get_secret_value(SecretId="provisioner/service-tokens")
    api = kind(str(json.loads(tokens["SecretString"])[service]))
    with api.serve() as url:
        monkeypatch.setenv(f"{service.upper()}_SERVICE_URL", url)
        monkeypatch.setenv(f"{service.upper()}_SERVICE_ADAPTER", adapter)
        yield api
