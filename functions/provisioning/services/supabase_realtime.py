"""The `supabase-realtime` adapter: the tenant API of supabase/realtime.

Read in lib/realtime_web/controllers/tenant_controller.ex and fallback_controller.ex, lib/realtime/tenants.ex and
lib/realtime/tenants/migrations.ex at 833cf36c3a3603fff5ae5a8a0ce473a21d5fedd4 of August 2026, three commits after
v2.129.8.

    PUT    {base}/api/tenants/{external_id}          201 new, 200 changed, 401 or 422 when it failed, 422 invalid
    GET    {base}/api/tenants/{external_id}          200, or 404 {"message": "not found"}
    GET    {base}/api/tenants/{external_id}/health   200 {"data": {"healthy": ..., "db_connected": ...}}, or 404
    DELETE {base}/api/tenants/{external_id}          204, also when absent; 500 when it could not stop the tenant

422 has three meanings. {"message": "Unknown error"}: the node that should migrate the database was not reached, or took
more than 50 s. {"errors": {"external_id": ["has already been taken"]}}: another PUT is keeping the tenant. Both are
retried. Any other: the description is invalid, which is final.

"healthy" says that the tenant's migrations have been counted, and the count is written after the answer to the PUT, by
another process and to a cache: for a moment after a 201 it may be false, which is waited for. When it is false, the
question itself starts the migrations. It is true while a tenant that nobody uses has no connection to its database.
The rate limits and the cold start that clients meet are in other routes: none of these has them.

A wrong token is answered 403 with an empty body, and a path without a route 404 "Not Found"
(lib/realtime_web/views/error_view.ex): only a 404 with the message above is about a tenant. A PUT keeps the tenant and
only then migrates its database, and a PUT of a tenant that it keeps does not migrate: a tenant that is kept but not
healthy is therefore removed and put again. A DELETE that is answered 500 has removed the tenant nevertheless, and the
next is answered 204.

Realtime gets the login of REALTIME_DATABASE_SECRET_ID, which no other service has. That login has the rights that its
slots need, and its migrations since 20240401105812_create_realtime_admin_and_move_ownership (docs/operations.md,
Services). What these migrations need in a tenant's database is granted before the PUT, over the tenant's login. The
migrations and the code that makes the slots were read at 59bea849747a387b01294df9a526b74a556beb78
(lib/realtime/tenants/migrations.ex and repo/migrations/20260211000000_squash_migrations.ex). Without the setting
Realtime gets the tenant's own login, and nothing is granted: a login with REPLICATION can drop every slot of the
server.

Suspension was read in lib/realtime/api.ex and the controller there:

    PUT    {base}/api/tenants/{external_id}          200 with {"tenant": {"suspend": ...}} alone, of a tenant it keeps
    POST   {base}/api/tenants/{external_id}/reload   204 once its clients and its database sessions are ended, or the
                                                     same 404

A PUT that changes `suspend` ends clients and database sessions too, since 29de039e978ca3d61f84354a72b90ee3b69766fa of
July 2025, and one that repeats it ends nothing: the reload ends what an earlier PUT left. Neither asks the tenant's
database. Such a PUT of an unknown tenant is answered 500. New clients are answered 403; the next client after a resume
makes the sessions again. No answer shows `suspend`, and `health` does not look at it. A version before
e99f9d756edfbb02c670bab268a4fbcdcd0a5330 of October 2023 ignores it, and cannot be told from one that does not.

The list was read there too, in the controller and lib/realtime_web/views/tenant_view.ex:

    GET    {base}/api/tenants   200 {"data": [{"external_id": ..., ...}, ...]}, every tenant in one answer

It is read from a replica, if there is one, and is not divided into pages. In this version it has no password and no
JWT secret.
"""

from collections.abc import Mapping
from contextlib import closing

from psycopg2 import sql
from typing_extensions import override

from provisioning import configuration, postgres, queries
from provisioning.aws import secrets
from provisioning.aws.documents import LOGIN
from provisioning.errors import ServiceRegistrationFailed
from provisioning.services import answers, json_web_token
from provisioning.services.adapter import (
    LARGEST_LIST_BYTES,
    MIGRATION_SECONDS,
    TAKEN,
    UNKNOWN,
    Adapter,
    Registration,
)
from provisioning.services.database_tls import tls_enforced
from provisioning.services.tenant_database import ServiceTenant
from provisioning.stage import Service

QUERIES = queries.load(__file__)

PUBLICATION = "supabase_realtime"
POLL_INTERVAL_MILLISECONDS = 100
SETTLING_SECONDS = 5.0
"""How long the count of the migrations may take after the answer to a PUT."""

UNKNOWN_ERROR = b"Unknown error"
POLL_MAXIMUM_RECORD_BYTES = 1024 * 1024


class SupabaseRealtime(Adapter):
    """Register tenants with Supabase Realtime. The service's token is its API_JWT_SECRET."""

    own_schemas = ("realtime",)
    serves = (Service.REALTIME,)
    absent = ("message", "not found")

    tenants_path = "/api/tenants"
    unauthorized = 403

    @override
    def register(self, tenant: ServiceTenant) -> Registration:
        login = _own_login()
        if login is not None:
            _prepare_database(tenant, login["username"])
        description = _description(tenant, login or {"username": tenant.username, "password": tenant.password})
        if self._put(tenant.external_id, description) == 200 and not self.ready(tenant.external_id):
            self._delete(tenant.external_id)
            self._put(tenant.external_id, description)
        return self._registered(tenant, SETTLING_SECONDS)

    @override
    def deregister(self, tenant_id: str) -> bool:
        existed = self.exists(tenant_id)
        self._delete(tenant_id)
        return existed

    @override
    def exists(self, tenant_id: str) -> bool:
        status, body = self._send("GET", self._path(tenant_id))
        if not self._is_absent(status, body) and status != 200:
            raise self.client.refusal(status)
        return status == 200

    @override
    def tenant_ids(self) -> set[str] | None:
        body = self._list()
        if body is None:
            return None
        listed = self.client.document(body, LARGEST_LIST_BYTES).get("data")
        return answers.tenant_ids(self.service, listed, "external_id")

    @override
    def obstacle(self, tenant_id: str) -> str:
        status, body = self._send("GET", f"{self._path(tenant_id)}/health")
        if self._is_absent(status, body):
            return UNKNOWN
        if status != 200:
            raise self.client.refusal(status)
        answer = self.client.document(body)
        data = answer.get("data", answer)
        if isinstance(data, dict) and data.get("healthy") is True:
            return ""
        is_apart = isinstance(data, dict) and data.get("db_connected") is False
        return "its health check fails" + (", it is not connected to the tenant database" if is_apart else "")

    @override
    def suspend(self, tenant_id: str) -> bool:
        return self._record_suspended(tenant_id, suspended=True) and self._end_sessions(tenant_id)

    @override
    def resume(self, tenant_id: str) -> bool:
        return self._record_suspended(tenant_id, suspended=False)

    def _record_suspended(self, tenant_id: str, *, suspended: bool) -> bool:
        if not self.exists(tenant_id):
            return False
        status, _ = self._send("PUT", self._path(tenant_id), {"tenant": {"suspend": suspended}})
        if status == 401:
            raise ServiceRegistrationFailed(f"{self.service} could not keep the change")
        if status != 200:
            raise self.client.refusal(status)
        return True

    def _end_sessions(self, tenant_id: str) -> bool:
        status, body = self._send("POST", f"{self._path(tenant_id)}/reload")
        if not self._is_absent(status, body) and status != 204:
            raise self.client.refusal(status)
        return status == 204

    def _put(self, tenant_id: str, description: Mapping[str, object]) -> int:
        status, body = self._send("PUT", self._path(tenant_id), {"tenant": description}, seconds=MIGRATION_SECONDS)
        if status == 401 or (status == 422 and UNKNOWN_ERROR in body):
            raise ServiceRegistrationFailed(f"{self.service} could not migrate the tenant database")
        if status == 422 and TAKEN in body:
            raise ServiceRegistrationFailed(f"{self.service} is answering another request about the tenant")
        if status not in (200, 201):
            raise self.client.refusal(status)
        return status

    def _delete(self, tenant_id: str) -> None:
        status, body = self._send("DELETE", self._path(tenant_id))
        if not self._is_absent(status, body) and status != 204:
            raise self.client.refusal(status)

    @override
    def _authorize(self, token: str) -> dict[str, str]:
        return json_web_token.bearer(token)


def _own_login() -> Mapping[str, str] | None:
    """Return the credentials of the login that only Realtime has, or None without one. Raise Misconfigured."""
    secret_id = configuration.optional("REALTIME_DATABASE_SECRET_ID")
    if not secret_id:
        return None
    return secrets.read(secret_id, LOGIN)


def _prepare_database(tenant: ServiceTenant, username: str) -> None:
    names = {"database": sql.Identifier(tenant.database), "realtime": sql.Identifier(username)}
    with closing(tenant.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(postgres.composed(QUERIES["prepare_realtime_schema"], **names))


def _description(tenant: ServiceTenant, login: Mapping[str, str]) -> dict[str, object]:
    cluster = tenant.job.cluster
    return {
        "external_id": tenant.external_id,
        "name": tenant.job.project_id,
        "jwt_secret": tenant.jwt_secret,
        "extensions": [
            {
                "type": "postgres_cdc_rls",
                "settings": {
                    "region": cluster.region,
                    "db_host": cluster.host,
                    "db_port": str(cluster.port),
                    "db_name": tenant.database,
                    "db_user": login["username"],
                    "db_password": login["password"],
                    "slot_name": tenant.slot_name,
                    "publication": PUBLICATION,
                    "ssl_enforced": tls_enforced(),
                    "poll_interval_ms": POLL_INTERVAL_MILLISECONDS,
                    "poll_max_record_bytes": POLL_MAXIMUM_RECORD_BYTES,
                },
            }
        ],
    }
