"""The `supavisor` adapter: the tenant API of supabase/supavisor, the connection pooler.

Read in lib/supavisor_web/controllers/tenant_controller.ex, lib/supavisor/helpers.ex and lib/supavisor/tenants.ex at
03e5cc5697904df3b98b2e4a587bbbd5bc054157 of August 2026, whose file VERSION says 2.9.7.

    PUT    {base}/api/tenants/{external_id}   201 new, 200 changed, 400 when it could not sign in to the database, 422
    GET    {base}/api/tenants/{external_id}   200, or 404 {"error": "not found"}
    DELETE {base}/api/tenants/{external_id}   204, or 404 with an empty body when absent

A wrong token is answered 403. It signs in to the database before it keeps a new tenant, so a tenant that it keeps is
ready. A PUT of a tenant that it keeps does not sign in, and ends the tenant's pools. 422 {"errors": {"external_id":
["has already been taken"]}} says that another PUT is keeping the tenant, which is retried; any other 422 is final. GET
answers with the login's password too, of which nothing is kept. Where it has no route it answers 404 "Not Found"
(lib/supavisor_web/views/error_view.ex).

Any proxy answers 404 with an empty body too, so GET, whose 404 has one, is asked before a DELETE, and again after one
that is answered 404 to a tenant that was there.

It answers 400 {"error": "Can't connect the user ..."} both to a wrong password and if the database does not answer:
that is retried. To an unusable or missing certificate it answers 400 {"error": "Invalid 'upstream_...' ..."}: that is
final.

It checks the database's certificate against one CA, its GLOBAL_UPSTREAM_CA_PATH or else the tenant's, and takes no
bundle. The configured root certificate is sent if it is a single one: a bundle does not show which CA a server has.

The ban was read there too, and in lib/supavisor/client_handler/checks.ex:

    PATCH  {base}/api/tenants/{external_id}   200 with {"banned": ..., "ban_reason": ...}, 404 when absent, 422 invalid

A ban refuses the tenant's clients until it is lifted, and tells the pools on every node to end; the answer does not
wait for that. One with a `banned_until` that has passed refuses nobody. A repeated one dates the ban again and ends
nothing more. Neither asks the tenant's database. A PUT leaves a ban as it is. GET has `banned_at`, null without a ban.
Versions before 2.9.0 lack the route, added in 850fa34e80443739f1639ef49850f18aebaea39e, and answer 404 "Not Found".

It has no list of its tenants: lib/supavisor_web/router.ex has no route for it at that commit, though the controller has
an action.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from typing_extensions import override

from provisioning import configuration
from provisioning.errors import Misconfigured, ServiceRegistrationFailed, ServiceRejectedRegistration
from provisioning.services import answers, json_web_token
from provisioning.services.adapter import TAKEN, UNKNOWN, Adapter, Registration
from provisioning.services.database_tls import tls_enforced
from provisioning.services.tenant_database import ServiceTenant
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
        if status == 422 and TAKEN in body:
            raise ServiceRegistrationFailed(f"{self.service} is answering another request about the tenant")
        if status not in (200, 201):
            raise self.client.refusal(status)
        return self._registered(tenant)

    @override
    def deregister(self, tenant_id: str) -> bool:
        existed = self.exists(tenant_id)
        status, _ = self._send("DELETE", self._path(tenant_id))
        is_gone = status == 404 and not (existed and self.exists(tenant_id))
        if status != 204 and not is_gone:
            raise self.client.refusal(status)
        return existed

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
        return "it bans the tenant" if self._is_banned(data) else ""

    @override
    def suspend(self, tenant_id: str) -> bool:
        return self._record_ban(tenant_id, {"banned": True, "ban_reason": BAN_REASON})

    @override
    def resume(self, tenant_id: str) -> bool:
        return self._record_ban(tenant_id, {"banned": False})

    def _is_banned(self, data: Mapping[str, Any]) -> bool:
        if data.get("banned_at") is None:
            return False
        return data.get("banned_until") is None or answers.instant(self.service, data, "banned_until") > datetime.now(
            UTC
        )

    def _find(self, tenant_id: str) -> bytes | None:
        status, body = self._send("GET", self._path(tenant_id))
        if self._is_absent(status, body):
            return None
        if status != 200:
            raise self.client.refusal(status)
        return body

    def _record_ban(self, tenant_id: str, ban: Mapping[str, object]) -> bool:
        status, body = self._send("PATCH", self._path(tenant_id), ban)
        if status == 404 and not self.is_absence(body):
            # It cannot ban, or this is another server, which GET tells.
            self.exists(tenant_id)
            return False
        if not self._is_absent(status, body) and status != 200:
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
