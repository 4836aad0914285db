"""Examine a deployment: its settings, and whether what they name exists, answers, and is what the stages need.

Everything here only reads, and the sessions on databases are read-only. The settings are in os.environ, a laptop
stack's or those of deployed functions.
"""

import functools
import shlex
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import psycopg2
from rich.console import Console

from cli.deployment import Deployment, client
from cli.doctor_cluster import credentials, examine_cluster
from cli.doctor_events import examine_events
from cli.doctor_secrets import examine_secrets
from cli.doctor_services import examine_service
from cli.findings import Finding, print_finding, unchecked
from cli.output import print_json
from cli.permissions import examine_permissions
from provisioning import configuration, control_plane, postgres, queries
from provisioning.control_plane import ControlPlane, Identity
from provisioning.errors import (
    ControlPlaneUnavailable,
    InsufficientPermissions,
    Misconfigured,
    ProvisioningError,
)
from provisioning.examination.clusters import SET_FSYNC
from provisioning.examination.known import Known, KnownTenant, find_tenants
from provisioning.stage import Service
from upkeep import migrate

CONTROL_PLANE = "CONTROL_PLANE_SECRET_ID"
REQUIRED = (
    CONTROL_PLANE,
    "SERVICE_TOKENS_SECRET_ID",
    "TENANT_SECRET_PREFIX",
    *(f"{service.upper()}_SERVICE_URL" for service in Service),
)
CONNECTION_REMEDY = (
    "run this in the functions' network; then check that the server runs, its security group, its certificate,"
    " and the username and password in the secret"
)
REMEDIES: dict[type[ProvisioningError], str] = {
    Misconfigured: "correct what it names: the setting in the template's parameters, the secret in Secrets Manager",
    InsufficientPermissions: "use credentials that may read the secret, and its key",
    ControlPlaneUnavailable: CONNECTION_REMEDY,
    ProvisioningError: "run this in the functions' network; then check that the service runs, and its address",
}

QUERIES = queries.load(__file__)


class _StoppedJob(NamedTuple):
    job_id: str


class _Room(NamedTuple):
    cluster_id: str
    room: int


class _Durability(NamedTuple):
    is_durable: bool


Examination = Callable[[], Iterator[Finding]]


def print_findings(deployment: Deployment | None, console: Console, *, as_json: bool = False) -> bool:
    """Print the findings, and return whether there is nothing to correct. None is the laptop stack."""
    if as_json:
        found = list(examine(deployment))
        print_json({"findings": found, "to_correct": sum(bool(one.remedy) for one in found)})
        return not any(one.remedy for one in found)
    wrong = 0
    for finding in examine(deployment):
        print_finding(finding, console)
        wrong += bool(finding.remedy)
    console.print(f"\n{wrong} to correct." if wrong else "\nNothing to correct.")
    return wrong == 0


def examine(deployment: Deployment | None = None) -> Iterator[Finding]:
    """Yield a finding for each part of the deployment; a part that fails does not stop the others."""
    yield from _guarded("settings", examine_settings)
    yield from _guarded("control plane", examine_control_plane)
    known: list[Known] = []
    yield from _guarded("clusters", functools.partial(examine_clusters, known))
    if known:
        yield from _guarded("secrets", functools.partial(examine_secrets, known[0]))
    else:
        yield unchecked("secrets", "not checked, the control plane does not answer")
    # Each is asked about every tenant.
    with ThreadPoolExecutor(len(Service)) as threads:
        for found in threads.map(lambda service: list(_examine_one(service, *known)), Service):
            yield from found
    if deployment is None:
        yield unchecked("permissions", "not checked, a laptop stack has no IAM")
    else:
        yield from _guarded("permissions", functools.partial(_examine_permissions, deployment))


def examine_settings() -> Iterator[Finding]:
    """Yield what is wrong with the settings themselves."""
    missing = [name for name in REQUIRED if not configuration.optional(name)]
    if missing:
        yield Finding("settings", f"{', '.join(missing)} missing", "deploy template.yaml, which sets all of them")
    on_laptop = _is_on_laptop()
    mode = configuration.optional("DATABASE_SSL_MODE", "verify-full")
    root = configuration.optional("DATABASE_SSL_ROOT_CERT")
    if mode not in {"verify-full", "verify-ca"} and not on_laptop:
        yield Finding("settings", f"PostgreSQL is reached with sslmode {mode}", "set DatabaseSslMode to verify-full")
    if root and not Path(root).exists():
        yield Finding(
            "settings", f"there is no file {root}", "set DatabaseSslRootCert to the file with PostgreSQL's CAs"
        )
    if not missing:
        yield Finding("settings", f"complete; sslmode {mode}, plain HTTP {'allowed' if on_laptop else 'refused'}")


def examine_control_plane() -> Iterator[Finding]:
    """Yield whether the control plane answers, keeps what it commits, takes every letter and has the schema version of
    this code, and which one it is; stopped jobs, and what becomes of events.
    """
    document = credentials(configuration.required(CONTROL_PLANE))
    where = f"{document['host']}:{document['port']}"
    with _control_plane() as control:
        encoding = migrate.encoding_of(control.connection)
        kept = control.fetch_one(_Durability, control_plane.QUERIES["find_durability"])
    if encoding != migrate.ENCODING:
        remedy = f"restore it into what createdb --template template0 --encoding {migrate.ENCODING} makes"
        yield Finding("control plane", f"the database on {where} is encoded as {encoding}", remedy)
    if kept is not None and not kept.is_durable:
        yield Finding("control plane", f"the server on {where} runs with fsync off", SET_FSYNC)
    if pending := migrate.pending_migrations(document):
        remedy = "run provision migrate; in an account invoke the function that the stack's MigrateFunctionName names"
        yield Finding("control plane", f"the schema on {where} lacks {', '.join(pending)}", remedy)
        return
    with _control_plane() as control:
        yield Finding("control plane", f"{_identity(control)}, reached on {where}, its schema is the newest")
        for job in control.fetch_all(_StoppedJob, QUERIES["find_stopped_jobs"]):
            yield Finding(
                "jobs", f"the job {job.job_id} was stopped", f"run provision rollback {shlex.quote(job.job_id)}"
            )
        yield from examine_events(control, on_laptop=_is_on_laptop())


def examine_clusters(read: list[Known]) -> Iterator[Finding]:
    """Yield for each cluster whether its admin can connect, what only one side knows, and whether there is room.

    Put what the control plane says into the list, for what is examined after the clusters.
    """
    with _control_plane() as control:
        clusters, identity = control.clusters(), _identity(control)
        rooms = {row.cluster_id: row.room for row in control.fetch_all(_Room, QUERIES["find_rooms"])}
    known = Known(identity, rooms, _find_tenants, clusters)
    read.append(known)
    if not clusters:
        yield Finding(
            "clusters",
            "there is none, so no project can be provisioned",
            "run provision cluster add CLUSTER --secret NAME --capacity DATABASES",
        )
    for cluster in clusters:
        yield from _guarded(f"cluster {cluster.cluster_id}", functools.partial(examine_cluster, cluster, known))


def _is_on_laptop() -> bool:
    return configuration.optional("ALLOW_PLAIN_HTTP") == "true"


def _examine_one(service: Service, *known: Known) -> Iterator[Finding]:
    yield from _guarded(f"service {service}", functools.partial(examine_service, service, *known))


@contextmanager
def _control_plane() -> Iterator[ControlPlane]:
    """Yield the control plane over a connection of its own, with what its secret says now. Raise psycopg2.Error."""
    document = credentials(configuration.required(CONTROL_PLANE))
    with closing(postgres.connect(document, statement_timeout_seconds=10)) as connection:
        connection.set_session(readonly=True)
        yield ControlPlane(connection)


def _identity(control: ControlPlane) -> str:
    found = control.fetch_one(Identity, control_plane.QUERIES["find_identity"])
    return found.control_plane_id if found is not None else "without an id"


def _find_tenants() -> list[KnownTenant]:
    with _control_plane() as control:
        return find_tenants(control)


def _examine_permissions(deployment: Deployment) -> Iterator[Finding]:
    try:
        with _control_plane() as control:
            known = control.clusters()
    except (psycopg2.Error, ProvisioningError):
        known = []
    yield from examine_permissions(client("iam"), deployment, known)


def _guarded(subject: str, examination: Examination) -> Iterator[Finding]:
    """Yield what the examination yields, and an error that ends it as a finding with its remedy."""
    try:
        yield from examination()
    except psycopg2.Error as error:
        yield Finding(subject, postgres.describe(error), CONNECTION_REMEDY)
    except ProvisioningError as error:
        yield Finding(subject, str(error), next(said for kind, said in REMEDIES.items() if isinstance(error, kind)))
