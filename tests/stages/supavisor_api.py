"""The tenant API of Supavisor according to its source, over HTTP, including its traps."""

import time
from typing import Any

from flask import Flask, Response, jsonify, request
from typing_extensions import override

from tests.stages.tenant_apis import TenantApi, connection_of


class SupavisorApi(TenantApi):
    """Like Supavisor, sign in to the database before keeping a new tenant, or answer 400; update one without that, and
    end its pools; show the login's password; DELETE is 404 without a body when absent.

    To verify a database it needs one CA, its own or else the tenant's, which must be one certificate in PEM. A PUT
    leaves a ban as it is.
    """

    suspension = "banned_at"
    global_ca = False
    races = 0
    """How many of the next new tenants are being kept by another request."""

    bans = True
    """Whether it has the route for bans, as since 2.9.0."""

    @override
    def database_of(self, tenant: dict[str, Any]) -> dict[str, Any]:
        (manager,) = [user for user in tenant["users"] if user["is_manager"]]
        return connection_of(tenant | manager, "db_database")

    @override
    def application(self) -> Flask:
        application = Flask("supavisor")

        @application.before_request
        def authorize() -> Response | None:
            return Response(status=403) if self.bearer_is_wrong() else None

        @application.put("/api/tenants/<external_id>")
        def put(external_id: str) -> Any:
            return self.keep(external_id, request.get_json()["tenant"])

        @application.patch("/api/tenants/<external_id>")
        def patch(external_id: str) -> Any:
            if not self.bans:
                return jsonify(self.no_route), 404
            return self.ban(external_id, request.get_json())

        @application.get("/api/tenants/<external_id>")
        def show(external_id: str) -> Any:
            if external_id not in self.tenants:
                return jsonify(error="not found"), 404
            tenant = self.tenants[external_id]
            bans = {field: tenant.get(field) for field in ("banned_at", "ban_reason", "banned_until")}
            return jsonify(data={"external_id": external_id, "users": tenant.get("users", []), **bans})

        @application.delete("/api/tenants/<external_id>")
        def delete(external_id: str) -> Any:
            return Response(status=204 if self.tenants.pop(external_id, None) else 404)

        return application

    def keep(self, external_id: str, tenant: dict[str, Any]) -> Any:
        """Keep the tenant once its database lets the manager in."""
        if not isinstance(tenant["db_port"], int) or not tenant["require_user"]:
            return jsonify(errors={"db_port": ["is invalid"]}), 422
        if problem := self.certificate_problem(tenant):
            return jsonify(error=problem), 400
        if external_id in self.tenants:
            self.tenants[external_id] |= tenant
            self.sessions.end(external_id)
            return jsonify(data={"external_id": external_id}), 200
        database = self.database_of(tenant)
        if not self.migrate(database):
            return jsonify(error=f"Can't connect the user {database['user']}: invalid_password"), 400
        if self.races:
            self.races -= 1
            return jsonify(errors={"external_id": ["has already been taken"]}), 422
        self.tenants[external_id] = tenant
        return jsonify(data={"external_id": external_id}), 201

    def ban(self, external_id: str, ban: dict[str, Any]) -> Any:
        """Ban the tenant and end its pools, or lift its ban."""
        if external_id not in self.tenants:
            return jsonify(error="not found"), 404
        banned = ban["banned"]
        if not isinstance(banned, bool) or (banned and not isinstance(ban.get("ban_reason"), str)):
            return jsonify(errors={"ban_reason": ["can't be blank"]}), 422
        banned_at = time.time() if banned else None
        self.tenants[external_id] |= {"banned_at": banned_at, "ban_reason": ban.get("ban_reason")}
        if banned:
            self.sessions.end(external_id)
        return jsonify(data={"external_id": external_id, "banned_at": banned_at}), 200

    def certificate_problem(self, tenant: dict[str, Any]) -> str | None:
        """Return what is wrong with the CA for verifying the database, or None."""
        certificate = tenant.get("upstream_tls_ca", "")
        if certificate.startswith("-----BEGIN") and certificate.count("-----BEGIN CERTIFICATE-----") != 1:
            return "Invalid 'upstream_tls_ca' certificate, reason: :invalid_certificate"
        if (
            tenant.get("upstream_ssl")
            and tenant.get("upstream_verify") == "peer"
            and not (certificate or self.global_ca)
        ):
            return "Invalid 'upstream_verify' value, 'peer' is not allowed without certificate"
        return None
