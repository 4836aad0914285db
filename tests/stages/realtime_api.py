"""The tenant API of Supabase Realtime according to its source, over HTTP, including its traps."""

from typing import Any

from flask import Flask, Response, jsonify, request
from typing_extensions import override

from tests.stages.tenant_apis import TenantApi, connection_of

SETTINGS = ("region", "db_host", "db_port", "db_name", "db_user", "db_password")


class RealtimeApi(TenantApi):
    """Like Realtime, keep the row before migrating; answer 200 to a repeated PUT without migrating; remove the row
    before finding that the tenant cannot be stopped; fail on a PUT of an unknown tenant without its extensions; start
    the migrations of an unhealthy tenant when asked about its health.
    """

    races = 0
    """How many of the next new tenants are being kept by another request."""

    nodes_lost = 0
    """How many of the next new tenants are kept, while the node that should migrate them does not answer."""

    unsettled = 0
    """How many questions about a new tenant's health come before its migrations are counted."""

    put_ends_sessions = True
    """Whether a PUT that changes `suspend` ends the tenant's sessions, as it does since July 2025."""

    @override
    def database_of(self, tenant: dict[str, Any]) -> dict[str, Any]:
        return connection_of(tenant["extensions"][0]["settings"], "db_name")

    @override
    def application(self) -> Flask:
        application = Flask("realtime")

        @application.before_request
        def authorize() -> Response | None:
            return Response(status=403) if self.bearer_is_wrong() else None

        @application.put("/api/tenants/<external_id>")
        def put(external_id: str) -> Any:
            keep = self.update if external_id in self.tenants else self.create
            return keep(external_id, request.get_json()["tenant"])

        @application.get("/api/tenants")
        def index() -> Any:
            return jsonify(data=[{"external_id": one, "name": one, "extensions": []} for one in self.tenants])

        @application.get("/api/tenants/<external_id>")
        def show(external_id: str) -> Any:
            found = external_id in self.tenants
            return (jsonify(data={"external_id": external_id}), 200) if found else (jsonify(message="not found"), 404)

        @application.get("/api/tenants/<external_id>/health")
        def health(external_id: str) -> Any:
            if external_id not in self.tenants:
                return jsonify(message="not found"), 404
            return jsonify(data={"healthy": self.is_healthy(external_id), "db_connected": False})

        @application.post("/api/tenants/<external_id>/reload")
        def reload(external_id: str) -> Any:
            self.sessions.end(external_id)
            return Response(status=204) if external_id in self.tenants else (jsonify(message="not found"), 404)

        @application.delete("/api/tenants/<external_id>")
        def delete(external_id: str) -> Any:
            return Response(status=self.remove(external_id))

        return application

    def create(self, external_id: str, tenant: dict[str, Any]) -> Any:
        """Keep the row, then migrate the tenant's database."""
        if "extensions" not in tenant:
            return Response(status=500)
        if problem := _problem(tenant):
            return jsonify(errors={"extensions": [problem]}), 422
        if self.races:
            self.races -= 1
            return jsonify(errors={"external_id": ["has already been taken"]}), 422
        self.tenants[external_id] = tenant | {"healthy": False}
        if self.nodes_lost:
            self.nodes_lost -= 1
            return jsonify(message="Unknown error"), 422
        if not self.migrate(self.database_of(tenant)):
            return jsonify(message="Unauthorized"), 401
        self.tenants[external_id]["healthy"] = not self.unsettled
        return jsonify(data={"external_id": external_id}), 201

    def is_healthy(self, external_id: str) -> bool:
        """Return whether the tenant's migrations are counted, and start those of one for which they are not."""
        tenant = self.tenants[external_id]
        found = bool(tenant["healthy"])
        if not found:
            self.unsettled = max(0, self.unsettled - 1)
            tenant["healthy"] = not self.unsettled and self.migrate(self.database_of(tenant))
        return found

    def update(self, external_id: str, tenant: dict[str, Any]) -> Any:
        """Change the named fields, and end the tenant's sessions if `suspend` changes."""
        before = self.tenants[external_id].get("suspend", False)
        self.tenants[external_id] |= tenant
        if self.put_ends_sessions and tenant.get("suspend", before) != before:
            self.sessions.end(external_id)
        return jsonify(data={"external_id": external_id}), 200

    def remove(self, external_id: str) -> int:
        """Remove the row, and return the status of the answer."""
        if self.tenants.pop(external_id, None) and self.removals_fail:
            self.removals_fail -= 1
            return 500
        return 204


def _problem(tenant: dict[str, Any]) -> str | None:
    """Return what Realtime does not accept in a new tenant, or None."""
    if not tenant.get("jwt_secret") or not tenant.get("extensions"):
        return "can't be blank"
    settings = tenant["extensions"][0]["settings"]
    missing = [name for name in SETTINGS if not isinstance(settings.get(name), str)]
    return f"{missing[0]} is invalid" if missing else None
