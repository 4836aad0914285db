"""The tenant API of Supavisor as its source has it, over HTTP, traps included."""

from typing import Any

from flask import Flask, Response, jsonify, request
from typing_extensions import override

from tests.stages.tenant_apis import TenantApi, connection_of


class SupavisorApi(TenantApi):
    """Signs in to the database before it keeps anything, 400 when it cannot; DELETE is 404 when absent.

    To verify a database it needs one CA, its own or else the tenant's, which must be one certificate in PEM.
    """

    global_ca = False

    @override
    def application(self) -> Flask:
        application = Flask("supavisor")

        @application.before_request
        def authorize() -> Response | None:
            return Response(status=403) if self.bearer_is_wrong() else None

        @application.put("/api/tenants/<external_id>")
        def put(external_id: str) -> Any:
            tenant = request.get_json()["tenant"]
            if not isinstance(tenant["db_port"], int) or not tenant["require_user"]:
                return jsonify(errors={"db_port": ["is invalid"]}), 422
            if problem := self.certificate_problem(tenant):
                return jsonify(error=problem), 400
            (manager,) = [user for user in tenant["users"] if user["is_manager"]]
            if not self.migrate(connection_of(tenant | manager, "db_database")):
                return jsonify(error=f"Can't connect the user {manager['db_user']}: invalid_password"), 400
            status = 200 if external_id in self.tenants else 201
            self.tenants[external_id] = tenant
            return jsonify(data={"external_id": external_id}), status

        @application.get("/api/tenants/<external_id>")
        def show(external_id: str) -> Any:
            found = external_id in self.tenants
            return jsonify(data={"external_id": external_id} if found else None), 200 if found else 404

        @application.delete("/api/tenants/<external_id>")
        def delete(external_id: str) -> Any:
            return Response(status=204 if self.tenants.pop(external_id, None) else 404)

        return application

    def certificate_problem(self, tenant: dict[str, Any]) -> str | None:
        """Says what is wrong with the CA that the database is to be verified against, or None."""
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
