"""Every operation of the platform on a tenant, one line each; test_traps.py runs them on tenants with traps."""

import os
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from psycopg2 import sql

from cli import doctor
from cli.rotation import rotate
from local.bootstrap import ADMIN
from local.stack import Stack
from provisioning import control_plane, postgres
from provisioning.cluster.preparation import prepare_cluster
from provisioning.jobs.suspend_project import SUSPEND_PROJECT
from provisioning.tenant import extensions, holding, making, schema
from provisioning.tenant.schema_files import SchemaFile
from stages.access import restore_access, suspend_access
from stages.activation import finalize
from stages.api_keys import generate_api_keys
from tests.isolation.attackers import version_of
from tests.stages.exporting import exported
from tests.stages.jobs import REGISTER, STOPPED, Context, StagedJob, execute, look_again, refilled
from tests.stages.suspending import Tenant, opened
from upkeep.reconcile import reconcile

MIGRATION = Path(__file__).with_name("a_later_migration.sql")

FORCED = "SELECT oid::regclass::text FROM pg_class WHERE relforcerowsecurity AND relrowsecurity"
OF_A_SUPERUSER = "pageinspect"
"""An extension that the wheel has, and that no tenant can make."""


@dataclass(frozen=True)
class Trapped:
    """Two tenants that have set traps: one whose job goes on, and one whose job is rolled back."""

    stack: Stack
    job: StagedJob
    rolled_back: StagedJob
    document: dict[str, Any]
    """The credentials of the first."""

    @property
    def live(self) -> Tenant:
        """The first, once its job has finished it."""
        return Tenant(self.stack, self.job, self.job.names, self.document)

    def make_schema(self) -> None:
        """Bring the schema to a later version, and make an extension that only the admin may make."""
        tenant = holding.find(control_plane.connect(), self.job.names.tenant_id)
        assert tenant is not None
        newer = [*schema.files(), SchemaFile(schema.newest_version() + 1, MIGRATION)]
        with (
            patch.object(schema, "files", lambda: newer),
            patch.object(extensions, "_makes_any_extension", lambda _: True),
            patch.dict(os.environ, {"TENANT_EXTENSIONS": f"{OF_A_SUPERUSER},citext"}),
        ):
            made = making.make_schema(tenant, self.document)
        assert made["version"] == newer[-1].version

    def suspend(self) -> None:
        """Suspend it while it has a prepared transaction, which is rolled back in a session in its database."""
        assert self.live.suspend()["prepared_transactions"] == 1

    def export(self) -> None:
        """Export it while it does not force row level security on its owner, which is refused."""
        owner = postgres.connect(self.document, statement_timeout_seconds=10, role=self.job.names.owner_role)
        with closing(owner), owner.cursor() as cursor:
            cursor.execute(FORCED)
            tables = [table for (table,) in cursor.fetchall()]
            cursor.execute(";".join(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY" for table in tables))
            assert exported(self.live)["rows"] > 0
            cursor.execute(";".join(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY" for table in tables))

    def fail_to_suspend(self) -> None:
        """Close the access and open it again."""
        opened(self.live, self.live.job(SUSPEND_PROJECT), suspend_access).run(restore_access)

    def roll_back(self) -> None:
        """Roll the second back while the first names its role, in a database that it has closed to the admin."""
        pin = sql.SQL("GRANT SELECT ON tenant.users TO {}").format(sql.Identifier(self.rolled_back.names.login_role))
        limit, own = sql.SQL("ALTER DATABASE {} CONNECTION LIMIT {}"), sql.Identifier(self.job.names.database)
        owner = postgres.connect(self.document, statement_timeout_seconds=10, role=self.job.names.owner_role)
        with closing(owner), owner.cursor() as cursor:
            cursor.execute(pin)
            cursor.execute(limit.format(own, sql.Literal(0)))
        assert self.rolled_back.names.database in self.rolled_back.compensate()
        self.rolled_back.record_failure(STOPPED)
        execute(self.stack, "postgres", limit.format(own, sql.Literal(60)))

    def rotate(self) -> None:
        """Change the admin's password. Before PostgreSQL 16 only a superuser changes that of one with REPLICATION."""
        if version_of(self.stack) >= 16:
            rotate(self.stack.client("secretsmanager"), "provisioner/clusters/local")

    def refill(self) -> None:
        with refilled(self.stack):
            pass


OPERATIONS: dict[str, Callable[[Trapped], object]] = {
    "make its schema and extensions": Trapped.make_schema,
    "register it with Auth": lambda trapped: trapped.job.run(REGISTER["auth"]),
    "register it with Realtime": lambda trapped: trapped.job.run(REGISTER["realtime"]),
    "register it with Storage": lambda trapped: trapped.job.run(REGISTER["storage"]),
    "register it with the pooler": lambda trapped: trapped.job.run(REGISTER["pooler"]),
    "make its API keys": lambda trapped: trapped.job.run(generate_api_keys),
    "finish its job": lambda trapped: trapped.job.run(finalize),
    "export it": Trapped.export,
    "suspend it": Trapped.suspend,
    "resume it": lambda trapped: trapped.live.resume(),
    "fail to suspend it": Trapped.fail_to_suspend,
    "examine it": lambda _: list(doctor.examine()),
    "prepare its cluster": lambda trapped: prepare_cluster(trapped.stack.postgres.connect, ADMIN),
    "rotate its cluster's admin": Trapped.rotate,
    "refill its pool": Trapped.refill,
    "roll its job back": Trapped.roll_back,
    "look for what is left of it": lambda trapped: look_again(trapped.stack, trapped.rolled_back.tenant_id),
    "reconcile its cluster": lambda _: reconcile({}, Context()),
}
"""In the order in which they run."""
