"""What tenants' clients see of Storage and Realtime: the host names the tenant, and a JWT the role.

Storage is read at v1.70.6 (src/http/plugins/tenant-id.ts and jwt.ts), Realtime at 833cf36 (lib/realtime_web/plugs/
assign_tenant.ex and auth_tenant.ex).
"""

import re
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg2
from flask import Flask, jsonify, request
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey
from psycopg2 import sql
from werkzeug.serving import make_server

from tests.stages.tenant_apis import TenantApi

HOST = re.compile(r"([a-z]{20})\.storage\.example\.com")
"""As in REQUEST_X_FORWARDED_HOST_REGEXP."""


@contextmanager
def served_to_clients(application: Flask) -> Iterator[str]:
    """Serve an application under any name, and yield its address."""
    server = make_server("127.0.0.1", 0, application, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def storage(api: TenantApi) -> Flask:
    """GET /bucket, as the role of the token."""
    application = Flask("storage-clients")

    @application.get("/bucket")
    def index() -> Any:
        host = HOST.fullmatch(request.headers.get("X-Forwarded-Host", ""))
        tenant = api.tenants.get(host[1]) if host else None
        if tenant is None:
            return jsonify(statusCode="400", error="TenantNotFound", code="TenantNotFound"), 400
        claims = claims_of(tenant["jwtSecret"])
        if claims is None:
            return jsonify(statusCode="403", error="Unauthorized", code="AccessDenied"), 400
        with closing(psycopg2.connect(tenant["databaseUrl"])) as connection, connection.cursor() as cursor:
            cursor.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(claims["role"])))
            cursor.execute("SELECT id FROM storage.buckets ORDER BY id")
            return jsonify([{"id": bucket} for (bucket,) in cursor.fetchall()])

    return application


def realtime(api: TenantApi) -> Flask:
    """POST /api/broadcast."""
    application = Flask("realtime-clients")

    @application.post("/api/broadcast")
    def broadcast() -> Any:
        tenant = api.tenants.get(request.host.partition(".")[0])
        if tenant is None:
            return jsonify(message="Tenant not found in database"), 401
        return (jsonify(message="Unauthorized"), 401) if claims_of(tenant["jwt_secret"]) is None else ("", 202)

    return application


def claims_of(secret: str) -> dict[str, Any] | None:
    """Return the claims of the request's bearer token, or None if the secret has not signed it."""
    token = request.headers.get("Authorization", "").removeprefix("Bearer ")
    try:
        return dict(jwt.decode(token, OctKey.import_key(secret), algorithms=["HS256"]).claims)
    except (JoseError, ValueError):
        return None
