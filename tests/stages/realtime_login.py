"""The login that only Realtime has, made as docs/operations.md says, and a Realtime that migrates with it."""

import json
import re
import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from psycopg2 import sql
from typing_extensions import override

from local.bootstrap import ADMIN
from local.stack import Stack
from local.template import REPOSITORY
from provisioning.tenant.scram import scram_verifier
from tests.stages.jobs import execute
from tests.stages.realtime_api import RealtimeApi
from tests.stages.tenant_apis import native_service

LOGIN = "provisioner_realtime"
SECRET = "provisioner/realtime-database"
MIGRATIONS = Path(__file__).with_name("realtime_migrations.sql")


class MigratingRealtimeApi(RealtimeApi):
    """Run statements of each kind that Realtime's migrations have, with the issued login."""

    @override
    def migrate(self, connect: dict[str, Any]) -> bool:
        """Migrate the tenant database, unless it is migrated."""
        if not super().migrate(connect):
            return False
        with closing(psycopg2.connect(**connect)) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT to_regclass('realtime.schema_migrations') IS NOT NULL")
            try:
                if cursor.fetchone() != (True,):
                    cursor.execute(MIGRATIONS.read_text())
                    connection.commit()
            except psycopg2.Error:
                return False
        return True


@contextmanager
def realtime_with_its_login(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[MigratingRealtimeApi]:
    """Run Realtime and configure the login that it has on every cluster."""
    page = (REPOSITORY / "docs" / "operations.md").read_text()
    (statements,) = re.findall(r"```sql\n(CREATE ROLE supabase_realtime_admin.*?)```", page, re.DOTALL)
    if execute(stack, "postgres", "SELECT 1 FROM pg_roles WHERE rolname = %s", LOGIN) == []:
        execute(stack, "postgres", statements.replace("provisioner_projects", ADMIN))
    password = secrets.token_urlsafe(24)
    with closing(stack.postgres.connect("postgres")) as superuser, superuser.cursor() as cursor:
        names = sql.Identifier(LOGIN), sql.Literal(scram_verifier(password))
        cursor.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(*names))
    manager = stack.client("secretsmanager")
    document = json.dumps({"username": LOGIN, "password": password})
    arn = manager.create_secret(Name=SECRET, SecretString=document)["ARN"]
    monkeypatch.setenv("REALTIME_DATABASE_SECRET_ID", arn)
    try:
        with native_service(stack, monkeypatch, "realtime", "supabase-realtime", MigratingRealtimeApi) as api:
            yield api
    finally:
        manager.delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)
