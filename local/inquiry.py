"""What the provision command asks the control plane of a running stack."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg2
from psycopg2.extras import RealDictCursor
from rich.console import Console
from rich.table import Table

from local.errors import HumanError
from local.progress_view import stage_table
from provisioning import configuration, control_plane, postgres, tenant_secret
from provisioning.cluster import prepare_cluster
from provisioning.errors import ProvisioningError
from provisioning.key_delivery import reveal_api_keys
from provisioning.migrate import apply_migrations
from provisioning.payload import parse_payload
from provisioning.progress import get_progress


@contextmanager
def in_one_line() -> Iterator[None]:
    """Turns what the control plane refuses into a HumanError."""
    try:
        yield
    except ProvisioningError as error:
        raise HumanError(str(error)) from error


def print_status(job: str, console: Console) -> None:
    """Prints how far a job is. Raises HumanError for an unknown one."""
    progress = get_progress(job)
    if progress is None:
        raise HumanError(f"there is no job {job}")
    console.print(
        f"{progress.status}, {progress.percent} %, {progress.stage}, project {progress.project_id or 'unknown'}",
    )
    console.print(stage_table(progress))
    if progress.error_type:
        message = f"{progress.error_type}: {progress.error_message}"
        console.print(message, style="red", soft_wrap=True)
    if progress.leftovers:
        console.print(f"Still there: {', '.join(progress.leftovers)}", soft_wrap=True)


def check_job(job: str) -> None:
    """Raises HumanError for a job that the ledger does not have."""
    if get_progress(job) is None:
        raise HumanError(f"there is no job {job}")


def migrate() -> str:
    """Applies the control plane's migrations and says which."""
    applied = apply_migrations(tenant_secret.read(configuration.required("CONTROL_PLANE_SECRET_ID")))
    return f"Applied {', '.join(applied)}." if applied else "The control plane is at the newest version already."


def print_keys(project_id: str, console: Console) -> None:
    """Lists what the ledger holds of a project's keys. Raises HumanError when there are none."""
    with control_plane.connect().connection.cursor(cursor_factory=RealDictCursor) as cursor:
        cursor.execute(
            "SELECT key_id, kind, prefix, hint, created_at FROM control_plane.api_keys"
            " WHERE project_id = %s ORDER BY position",
            (project_id,),
        )
        rows = cursor.fetchall()
    if not rows:
        raise HumanError(f"the project {project_id} has no API keys")
    table = Table("Key", "Kind", "Ends in", "Created", box=None, pad_edge=False, header_style="dim")
    for row in rows:
        table.add_row(str(row["key_id"]), row["kind"], row["hint"], f"{row['created_at']:%Y-%m-%d %H:%M:%S}")
    console.print(table)
    console.print("The keys themselves are shown once, by --reveal.", style="dim")


def print_revealed_keys(project_id: str, console: Console) -> None:
    """Shows a project's raw keys for the only time. Raises HumanError when there is nothing to show (any more)."""
    with in_one_line():
        revealed = reveal_api_keys(project_id)
    if not revealed:
        raise HumanError(f"the keys of {project_id} have been shown before and are kept nowhere")
    for one in revealed:
        console.print(f"{one.kind:<14} {one.key}", soft_wrap=True)
    console.print("Keep them now: they are not shown again.", style="dim")


def add_project(project_id: str, organization_id: str, owner_id: str, region: str) -> str:
    """Makes a project known and says so. Raises HumanError for an id or region that no payload could have."""
    asked = {"project_id": project_id, "organization_id": organization_id, "owner_id": owner_id, "region": region}
    with in_one_line():
        parse_payload(asked)
        connected = control_plane.connect()
        with connected.connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM control_plane.projects WHERE project_id = %s", (project_id,))
            if cursor.fetchone():
                raise HumanError(f"the project {project_id} exists already")
        connected.create_project(control_plane.Project(project_id, organization_id, owner_id, region))
    return f"Project {project_id} can be provisioned."


def add_cluster(cluster_id: str, secret: str, capacity: int, *, size: str, region: str) -> str:
    """Prepares a server for tenants, as the admin in the secret, makes it known and says so.

    Raises HumanError when it cannot be reached, or the admin may not prepare it.
    """
    with in_one_line():
        admin = tenant_secret.read(secret)
        where = f"{admin['host']}:{admin['port']}"
        try:
            with closing(postgres.connect(admin, statement_timeout_seconds=10)) as connection:
                prepare_cluster(connection, admin["username"])
                version = str(connection.info.server_version // 10000)
        except psycopg2.Error as error:
            raise HumanError(
                f"{admin['host']}:{admin['port']} cannot be prepared: {postgres.describe(error)}"
            ) from None
        known = control_plane.Cluster(
            cluster_id, region, "postgresql", version, size, admin["host"], int(admin["port"]), secret, capacity
        )
        control_plane.connect().register_cluster(known)
    return f"Cluster {cluster_id} takes {capacity} databases: PostgreSQL {version} on {where}."
