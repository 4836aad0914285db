"""The `supabase-storage` adapter: the multi-tenant admin port of supabase/storage.

Read in src/http/routes/admin/tenants.ts at v1.70.6, 4fa61fba9371c4bd40cbb81509f07bcb3af21683 of August 2026, and run at
that version by hand (docs/services.md).

    PUT    {base}/tenants/{tenant_id}              204, an upsert, also when its migrations on the database failed
    GET    {base}/tenants/{tenant_id}/migrations   200 {"isLatest": ..., "migrationsVersion": ...,
                                                        "migrationsStatus": ...}, or
                                                   404 {"error": "Tenant not found"}
    GET    {base}/tenants/{tenant_id}/health       200 {"healthy": ...}, or 400 when absent
    DELETE {base}/tenants/{tenant_id}              204, also when absent

The header `apikey` holds the token; a wrong one is answered 401 without a body. POST is insert-only and answers 500 to
a duplicate, so it is not used; GET {base}/tenants/{tenant_id} answers with every secret of the tenant, so it is not
asked. Each PUT migrates again, before it is answered; when that fails, `isLatest` is false, `migrationsStatus` stays
null until the service has tried by itself, and only its log and POST {base}/tenants/{tenant_id}/migrations say why. The
public port answers 404 to all of these, with another body. Objects and the storage schema stay after a DELETE: the
schema goes with the database.

Its migrations run with the tenant's own login. The service must have DB_INSTALL_ROLES=false and, as DB_SUPER_USER, a
role of the cluster such as service_role: only a superuser can create roles and be granted postgres. What the migrations
then omit is done here, over the same login: grants on the schema before they run, and afterwards a policy for
service_role on every table, because on RDS no role can be created that bypasses row level security.

A later version of the service migrates registered tenants by itself and asks nobody. So upkeep reads the name of the
last migration of each tenant, `migrationsVersion`, which the service answers from its own database, and when that has
changed opens the tables that were added.

The list was read there too:

    GET    {base}/tenants                          200 [{"id": ..., ...}, ...], every tenant in one answer

Unless the service has ADMIN_RETURN_TENANT_SENSITIVE_DATA=false, added in 4778d471 of May 2026, each entry has all
secrets of its tenant, and there is no other list. Nothing of it is kept but the ids, and only doctor asks for it.
"""

from contextlib import closing

from psycopg2 import sql
from typing_extensions import override

from provisioning import postgres, queries
from provisioning.cluster import creators
from provisioning.services import answers, tenant_database
from provisioning.services.adapter import (
    LARGEST_LIST_BYTES,
    MIGRATION_SECONDS,
    UNKNOWN,
    Adapter,
    Registration,
)
from provisioning.services.tenant_database import ServiceTenant, TenantDatabase
from provisioning.stage import Service

QUERIES = queries.load(__file__)

MAXIMUM_CONNECTIONS = 10
"""Of the tenant's limit of 60, so that Storage alone cannot use it up."""

FAILED = ("FAILED", "FAILED_STALE")
"""What `migrationsStatus` says of failed migrations."""

TABLES_AT_MOST = 100
"""How many tables are opened in one transaction. Storage has some ten; a tenant may have made any number there."""

REPAIR_TIMEOUT_SECONDS = 3
"""How long a repair waits for a lock on a live tenant's table: meanwhile others wait behind it."""

FILE_SIZE_LIMIT_BYTES = 50 * 1024 * 1024


class SupabaseStorage(Adapter):
    """Register tenants with Supabase Storage. The service's token is one of its SERVER_ADMIN_API_KEYS."""

    own_schemas = ("storage",)
    serves = (Service.STORAGE,)
    absent = ("error", "Tenant not found")

    @override
    def register(self, tenant: ServiceTenant) -> Registration:
        _prepare_schema(tenant)
        status, _ = self._send("PUT", self._path(tenant.external_id), _description(tenant), seconds=MIGRATION_SECONDS)
        if status != 204:
            raise self.client.refusal(status)
        registration = self._registered(tenant)
        _open_tables_to_the_service(tenant, tenant_database.STATEMENT_TIMEOUT_SECONDS)
        return registration

    @override
    def deregister(self, tenant_id: str) -> bool:
        existed = self.exists(tenant_id)
        status, body = self._send("DELETE", self._path(tenant_id))
        if not self._is_absent(status, body) and status != 204:
            raise self.client.refusal(status)
        return existed

    @override
    def exists(self, tenant_id: str) -> bool:
        return self._asked(f"{self._path(tenant_id)}/migrations") is not None

    @override
    def tenant_ids(self) -> set[str] | None:
        body = self._list()
        if body is None:
            return None
        return answers.tenant_ids(self.service, self.client.parsed(body, LARGEST_LIST_BYTES), "id")

    @override
    def obstacle(self, tenant_id: str) -> str:
        migrations = self._asked(f"{self._path(tenant_id)}/migrations")
        if migrations is None:
            return UNKNOWN
        if migrations.get("isLatest") is not True:
            has_failed = migrations.get("migrationsStatus") in FAILED
            return f"its migrations of the tenant database {'have failed' if has_failed else 'are not complete'}"
        health = self._asked(f"{self._path(tenant_id)}/health")
        is_healthy = health is not None and health.get("healthy") is True
        return "" if is_healthy else "its health check fails, it cannot query the tenant database"

    @override
    def migrated_to(self, tenant_id: str) -> str | None:
        migrations = self._asked(f"{self._path(tenant_id)}/migrations")
        version = migrations.get("migrationsVersion") if migrations is not None else None
        return version if isinstance(version, str) else None

    @override
    def repair(self, tenant: TenantDatabase) -> str:
        opened = _open_tables_to_the_service(tenant, REPAIR_TIMEOUT_SECONDS)
        return f"{opened} tables opened to service_role" if opened else ""

    def _asked(self, path: str) -> dict[str, object] | None:
        status, body = self._send("GET", path)
        if self._is_absent(status, body):
            return None
        if status != 200:
            raise self.client.refusal(status)
        return self.client.document(body)

    @override
    def _authorize(self, token: str) -> dict[str, str]:
        return {"apikey": token}


def _prepare_schema(tenant: ServiceTenant) -> None:
    with closing(tenant.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(postgres.composed(QUERIES["prepare_storage_schema"], shared_roles=creators.shared_roles()))


def _open_tables_to_the_service(tenant: TenantDatabase, statement_timeout_seconds: int) -> int:
    with closing(tenant.connect(statement_timeout_seconds)) as connection, connection.cursor() as cursor:
        cursor.execute(postgres.composed(QUERIES["find_closed_tables"], at_most=TABLES_AT_MOST))
        tables = [sql.Identifier("storage", table) for (table,) in cursor.fetchall()]
        opened = [postgres.composed(QUERIES["open_table_to_service_role"], table=table) for table in tables]
        if opened:
            cursor.execute(sql.Composed(opened))
    return len(opened)


def _description(tenant: ServiceTenant) -> dict[str, object]:
    return {
        "anonKey": tenant.key("anon"),
        "serviceKey": tenant.key("service_role"),
        "jwtSecret": tenant.jwt_secret,
        "databaseUrl": tenant.database_url,
        "maxConnections": MAXIMUM_CONNECTIONS,
        "fileSizeLimit": FILE_SIZE_LIMIT_BYTES,
        "features": {"imageTransformation": {"enabled": False}},
    }
