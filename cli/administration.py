"""What the operator's command reads from the control plane and records in it."""

from collections.abc import Iterator, Sequence
from contextlib import closing

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812
from rich.console import Console

from cli.doctor_cluster import credentials
from cli.output import Note, show
from console.formatting import date_and_clock
from local.errors import Conflict, HumanError, NotFound, Unusable
from provisioning import configuration, control_plane, lookup, postgres
from provisioning.aws import secrets
from provisioning.aws.documents import CREDENTIALS
from provisioning.cluster import connections
from provisioning.cluster.preparation import prepare_cluster
from provisioning.cluster.session import REGISTER
from provisioning.control_plane import ControlPlane
from provisioning.examination import server as limits
from provisioning.examination.known import RegisteredTenant
from provisioning.examination.tenants import find_registered
from provisioning.tenant.key_delivery import reveal_api_keys
from upkeep.migrate import MigrationFailed, apply_migrations, durability_warning


def migrate() -> str:
    """Apply the control plane's migrations and say which. Raise HumanError if that fails."""
    parameters = secrets.read(configuration.required("CONTROL_PLANE_SECRET_ID"), CREDENTIALS)
    try:
        applied, warning = apply_migrations(parameters), durability_warning(parameters)
    except MigrationFailed as error:
        raise Unusable(str(error)) from None
    except psycopg2.Error as error:
        raise HumanError(postgres.describe(error)) from error
    done = f"Applied {', '.join(applied)}." if applied else "The control plane is already at the newest version."
    return f"{done} {warning}".rstrip()


def print_revealed_keys(project_id: str, console: Console, *, as_json: bool = False) -> None:
    """Print a project's raw keys, which works once. Raise HumanError if there are none, or they have been shown."""
    keys = reveal_api_keys(project_id)
    if not keys:
        known = lookup.find_api_keys(control_plane.connect(), project_id)
        when = max((key.revealed_at for key in known if key.revealed_at is not None), default=None)
        if when is None:
            raise NotFound(f"the project {project_id} has no API keys")
        raise Conflict(f"the keys of {project_id} were revealed at {date_and_clock(when)}: they are shown only once")
    lines = [f"{key.kind:<14} {key.key}" for key in keys]
    show({"api_keys": keys}, *lines, Note("Keep them now: they are not shown again."), as_json=as_json, out=console)


def add_cluster(cluster_id: str, secret: str, capacity: int, *, size: str, region: str) -> str:
    """Prepare a server for tenants, as the admin in the secret, record it, and return a message about it, its
    connections and its register.

    Raise HumanError if the server cannot be reached, or the admin may not prepare it.
    """
    admin = credentials(secret)
    where = f"{admin['host']}:{admin['port']}"

    def connect(dbname: str) -> Connection:
        return postgres.connect(admin, statement_timeout_seconds=10, dbname=dbname)

    try:
        prepare_cluster(connect, admin["username"])
        with closing(connect(REGISTER)) as session:
            version = str(session.server_version // 10000)
            registered = find_registered(session)
            server = connections.find(session)
            warnings = [f"{fact}: {mend}." for fact, mend in limits.facts_of_connections(session, server, capacity)]
    except psycopg2.Error as error:
        raise HumanError(f"{where} cannot be prepared: {postgres.describe(error)}") from error
    control = control_plane.connect()
    cluster = control_plane.Cluster(
        cluster_id, region, "postgresql", version, size, admin["host"], int(admin["port"]), secret, capacity
    )
    control.record_cluster(cluster)
    said = f"Cluster {cluster_id} takes {capacity} databases: PostgreSQL {version} on {where}."
    return " ".join([said, f"It has {limits.told(server)}.", *warnings, *_strangers(control, registered)])


def _strangers(control: ControlPlane, registered: Sequence[RegisteredTenant]) -> Iterator[str]:
    """Yield a sentence on each kind of tenant in the register that this control plane does not know."""
    ours = {one.tenant_id for one in registered if one.control_plane_id == control.identity()}
    if unknown := len(ours - lookup.find_known(control, ours)):
        yield (
            f"Its register holds {unknown} tenants of this control plane that it does not know:"
            " see Restore in docs/operations.md."
        )
    if others := len(registered) - len(ours):
        yield f"Its register holds {others} tenants of other control planes."
