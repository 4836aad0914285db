"""The `supavisor` adapter: the tenant API of supabase/supavisor, the connection pooler.

Read in lib/supavisor_web/controllers/tenant_controller.ex at 05745167181b9e246b787758588ba52e7fc9fd30 and
lib/supavisor/helpers.ex at 0337fb59677a5d4e9d78d8297378fff9246e2b52.

    PUT    {base}/api/tenants/{external_id}   201 new, 200 changed, 400 when it could not sign in to the database
    GET    {base}/api/tenants/{external_id}   200, or 404
    DELETE {base}/api/tenants/{external_id}   204, or 404 when absent

A wrong token is answered 403. It signs in to the database before it keeps anything, so a tenant that it keeps is ready.
It answers 400 {"error": "Can't connect the user ..."} both to a wrong password and if the database does not answer:
that is retried. To an unusable or missing certificate it answers 400 {"error": "Invalid 'upstream_...' ..."}: that is
final.

It checks the database's certificate against one CA, its GLOBAL_UPSTREAM_CA_PATH or else the tenant's, and takes no
bundle. The configured root certificate is sent if it is a single one: a bundle does not show which CA a server has.

The ban was read in tenant_controller.ex and lib/supavisor/tenants.ex at 03e5cc5697904df3b98b2e4a587bbbd5bc054157:

    PATCH  {base}/api/tenants/{external_id}   200 with {"banned": ..., "ban_reason": ...}, 404 when absent, 422 invalid

A ban refuses the tenant's clients until it is lifted, and tells the pools on every node to end; the answer does not
wait for that. A repeated one dates the ban again and ends nothing more. Neither asks the tenant's database. A PUT
leaves a ban as it is. GET has `banned_at`, null without a ban. Versions before 2.9.0 lack the route, added in
850fa34e80443739f1639ef49850f18aebaea39e, and answer 404 to it as to an absent tenant.

It has no list of its tenants: lib/supavisor_web/router.ex has no route for it at that commit, though the controller has
an action.
"""

from collections.abc import Mapping
from pathlib import Path

from typing_extensions import override

from provisioning import configuration
from provisioning.errors import Misconfigured, ServiceRegistrationFailed, ServiceRejectedRegistration
from provisioning.services import json_web_token
from provisioning.services.adapter import UNKNOWN, Adapter, Registration, ServiceTenant, tls_enforced
from provisioning.stage import Service

POOL_SIZE = 20
"""Of the tenant's limit of 60 connections; the rest is for direct connections and other services."""

BAN_REASON = "project suspended"
"""What the tenant's clients are told."""

UNUSABLE_CERTIFICATE = b"Invalid 'upstream_"
BEGIN_CERTIFICATE = "-----BEGIN CERTIFICATE-----"


class Supavisor(Adapter):
    """Register tenants with Supavisor. The service's token is its API_JWT_SECRET."""

    serves = (Service.POOLER,)
    absent = ("error", "not found")

    tenants_path = "/api/tenants"
    unauthorized = 403

    @override
    def register(self, tenant: ServiceTenant) -> Registration:
        status, body = self._send("PUT", self._path(tenant.external_id), {"tenant": _description(tenant)})
        if status == 400:
            if UNUSABLE_CERTIFICATE in body:
                raise ServiceRejectedRegistration(f"{self.service} has no CA for the database's certificate")
            raise ServiceRegistrationFailed(f"{self.service} could not sign in to the tenant database")
        if status not in (200, 201):
            raise self.client.refusal(status)
        return self._registered(tenant)

    @override
    def deregister(self, tenant_id: str) -> bool:
        status, _ = self._send("DELETE", self._path(tenant_id))
        if status not in (204, 404):
            raise self.client.refusal(status)
        return status == 204

    @override
    def exists(self, tenant_id: str) -> bool:
        return self._find(tenant_id) is not None

    @override
    def obstacle(self, tenant_id: str) -> str:
        """Only a ban keeps a tenant that exists from being served."""
        answer = self._find(tenant_id)
        if answer is None:
            return UNKNOWN
        data = self.client.document(answer).get("data")
        if not isinstance(data, dict):
            return "it does not describe the tenant"
        return "" if data.get("banned_at") is None else "it bans the tenant"

    @override
    def suspend(self, tenant_id: str) -> bool:
        return self._record_ban(tenant_id, {"banned": True, "ban_reason": BAN_REASON})

    @override
    def resume(self, tenant_id: str) -> bool:
        return self._record_ban(tenant_id, {"banned": False})

    def _find(self, tenant_id: str) -> bytes | None:
        status, body = self._send("GET", self._path(tenant_id))
        if status not in (200, 404):
            raise self.client.refusal(status)
        return body if status == 200 else None

    def _record_ban(self, tenant_id: str, ban: Mapping[str, object]) -> bool:
        status, _ = self._send("PATCH", self._path(tenant_id), ban)
        if status not in (200, 404):
            raise self.client.refusal(status)
        return status == 200

    @override
    def _authorize(self, token: str) -> dict[str, str]:
        return json_web_token.bearer(token)


def _description(tenant: ServiceTenant) -> dict[str, object]:
    description: dict[str, object] = {
        "db_host": tenant.job.cluster.host,
        "db_port": tenant.job.cluster.port,
        "db_database": tenant.database,
        "require_user": True,
        "users": [
            {
                "db_user": tenant.username,
                "db_password": tenant.password,
                "pool_size": POOL_SIZE,
                "mode_type": "transaction",
                "is_manager": True,
            }
        ],
    }
    if tls_enforced():
        description |= {"upstream_ssl": True, "upstream_verify": "peer"}
        if certificate := _certificate():
            description["upstream_tls_ca"] = certificate
    return description


def _certificate() -> str | None:
    """Return the configured root certificate in PEM, or None when there is none or several."""
    path = configuration.optional("DATABASE_SSL_ROOT_CERT")
    try:
        text = Path(path).read_text(encoding="ascii", errors="ignore") if path else ""
    except OSError:
        raise Misconfigured("DATABASE_SSL_ROOT_CERT cannot be read") from None
    # Text before the certificate, such as a name for people, keeps Supavisor from recognizing it.
    return text[text.index(BEGIN_CERTIFICATE) :] if text.count(BEGIN_CERTIFICATE) == 1 else None
