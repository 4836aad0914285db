"""Examines a deployment: its settings, and whether what they name is there, answers, and is as the stages need it.

Everything here only reads. The settings are in os.environ, a laptop stack's or those of deployed functions.
"""

import functools
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2 import sql
from rich.console import Console

from local.account import Deployment, client
from local.findings import Finding, print_finding, unchecked
from local.permissions import examine_permissions
from provisioning import cluster as clusters
from provisioning import configuration, creator_roles, migrate, postgres, tenant_secret
from provisioning.control_plane import Cluster
from provisioning.errors import InsufficientPermissions, Misconfigured, ProvisioningError, ServiceRejectedRegistration
from provisioning.job import Job
from provisioning.payload import parse_payload
from provisioning.services import adapter_for
from provisioning.services.adapter import Tenant
from provisioning.stage import Service

REQUIRED = (
    "CONTROL_PLANE_SECRET_ID",
    "SERVICE_TOKENS_SECRET_ID",
    "TENANT_SECRET_PREFIX",
    "AUTH_SERVICE_URL",
    "REALTIME_SERVICE_URL",
    "STORAGE_SERVICE_URL",
    "POOLER_SERVICE_URL",
)
CREDENTIALS = ("host", "port", "dbname", "username", "password")
PROBE = "provisioner-doctor"
"""No project has it: the services are only asked whether they know it."""

CONNECTION_REMEDY = (
    "run this where the functions' network is; then check that the server runs, its security group, its certificate"
    " and the username and password in the secret"
)
REMEDIES: dict[type[ProvisioningError], str] = {
    Misconfigured: "put right what it names, the setting in the template's parameters, the secret in Secrets Manager",
    InsufficientPermissions: "use credentials that may read the secret, and its key",
    ServiceRejectedRegistration: "put the service's current token into the secret of the service tokens",
    ProvisioningError: "run this where the functions' network is; then check that it runs, and its address",
}

PREPARE = "run provision cluster add for it again, which makes these roles and lets the admin use them"
POWERS = """
    SELECT current_user, rolsuper, rolcreaterole AND rolcreatedb,
           current_setting('server_version_num')::integer / 10000,
           has_database_privilege('public', 'postgres', 'CONNECT')
    FROM pg_roles WHERE rolname = current_user
"""
NOT_GRANTABLE = """
    SELECT wanted FROM unnest(%s) AS wanted WHERE NOT EXISTS (
        SELECT FROM pg_auth_members JOIN pg_roles AS shared ON shared.oid = roleid
        WHERE shared.rolname = wanted AND member = current_user::regrole AND admin_option)
"""
CLUSTERS = """
    SELECT {}, capacity - (SELECT count(*) FROM control_plane.tenant_databases AS made
                           WHERE made.cluster_id = known.cluster_id)
    FROM control_plane.clusters AS known ORDER BY cluster_id
"""

RECORDED = """
    SELECT database_name, cluster_id, status = 'created' FROM control_plane.tenant_databases
    UNION ALL
    SELECT database_name, cluster_id, status = 'ready' AND job_id IS NULL FROM control_plane.pool_databases
"""
MARKED = """
    SELECT datname FROM pg_database
    WHERE shobj_description(oid, 'pg_database') LIKE ANY (ARRAY['provisioner project=%', 'provisioner pool=%'])
"""

Examination = Callable[[], Iterator[Finding]]


def print_findings(deployment: Deployment | None, console: Console) -> bool:
    """Prints what is found, and tells whether nothing has to be put right. None is the laptop stack in os.environ."""
    if deployment is not None:
        deployment.use_settings()
    wrong = 0
    for finding in examine(deployment):
        print_finding(finding, console)
        wrong += bool(finding.remedy)
    console.print(f"\n{wrong} to put right." if wrong else "\nNothing to put right.")
    return wrong == 0


def examine(deployment: Deployment | None = None) -> Iterator[Finding]:
    """Yields a finding for each part of the deployment; a part that fails keeps none of the others from its turn."""
    yield from _guarded("settings", examine_settings)
    yield from _guarded("control plane", examine_control_plane)
    yield from _guarded("clusters", examine_clusters)
    for service in Service:
        yield from _guarded(f"service {service}", functools.partial(examine_service, service))
    if deployment is None:
        yield unchecked("permissions", "not checked, a laptop stack has no IAM")
    else:
        yield from _guarded("permissions", functools.partial(_examine_permissions, deployment))


def examine_settings() -> Iterator[Finding]:
    """Yields what is wrong with the settings themselves."""
    missing = [name for name in REQUIRED if not configuration.optional(name)]
    if missing:
        yield Finding("settings", f"{', '.join(missing)} missing", "deploy template.yaml, which sets all of them")
    on_laptop = configuration.optional("ALLOW_PLAIN_HTTP") == "true"
    mode = configuration.optional("DATABASE_SSL_MODE", "verify-full")
    root = configuration.optional("DATABASE_SSL_ROOT_CERT")
    if mode not in {"verify-full", "verify-ca"} and not on_laptop:
        yield Finding("settings", f"PostgreSQL is reached with sslmode {mode}", "set DatabaseSslMode to verify-full")
    if root and not Path(root).exists():
        yield Finding("settings", f"there is no file {root}", "let DatabaseSslRootCert name the CAs of PostgreSQL")
    if not missing:
        yield Finding("settings", f"complete; sslmode {mode}, plain HTTP {'allowed' if on_laptop else 'refused'}")


def examine_control_plane() -> Iterator[Finding]:
    """Yields whether the control plane answers and is at the schema version of this code."""
    document = _credentials(configuration.required("CONTROL_PLANE_SECRET_ID"))
    where = f"{document['host']}:{document['port']}"
    if pending := migrate.pending_migrations(document):
        remedy = "run provision migrate; in an account invoke the function that the stack's MigrateFunctionName names"
        yield Finding("control plane", f"the schema on {where} lacks {', '.join(pending)}", remedy)
    else:
        yield Finding("control plane", f"reached on {where}, its schema is the newest")


def examine_clusters() -> Iterator[Finding]:
    """Yields for each cluster whether its admin gets in, may do what the stages do, and finds room."""
    found = known_clusters()
    if not found:
        yield Finding(
            "clusters", "none is known, so no project can be provisioned", "add one to control_plane.clusters"
        )
    for cluster, room in found:
        yield from _guarded(f"cluster {cluster.cluster_id}", functools.partial(_examine_cluster, cluster, room))


def known_clusters() -> list[tuple[Cluster, int]]:
    """Returns each cluster that the control plane knows, with the databases that it has room for."""
    document = _credentials(configuration.required("CONTROL_PLANE_SECRET_ID"))
    columns = sql.SQL(", ").join(map(sql.Identifier, Cluster._fields))
    with (
        closing(postgres.connect(document, statement_timeout_seconds=10)) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(sql.SQL(CLUSTERS).format(columns))
        return [(Cluster(*known), room) for *known, room in cursor.fetchall()]


def examine_service(service: Service) -> Iterator[Finding]:
    """Yields whether a service answers and takes its token. It is asked for a tenant that nobody has."""
    adapter_for(service).exists(Tenant(_job_that_never_was()))
    yield Finding(f"service {service}", "answers, and takes its token")


def _job_that_never_was() -> Job:
    nowhere = Cluster(PROBE, "us-east-1", "postgresql", "18", "db.t3.micro", "", 0, "", 0)
    payload = parse_payload({"project_id": PROBE, "region": nowhere.region})
    return Job(PROBE, PROBE, PROBE, PROBE, payload.as_document(), nowhere, datetime.now(UTC), None)


def _examine_cluster(cluster: Cluster, room: int) -> Iterator[Finding]:
    subject, where = f"cluster {cluster.cluster_id}", f"{cluster.host}:{cluster.port}"
    _credentials(cluster.admin_secret_id)
    recorded = _recorded()
    with closing(clusters.connect(cluster)) as connection, connection.cursor() as cursor:
        cursor.execute(POWERS)
        ((admin, superuser, able, version, is_open),) = cursor.fetchall()
        cursor.execute(NOT_GRANTABLE, (list(clusters.SHARED_ROLES),))
        withheld = [row[0] for row in cursor.fetchall()]
        wanted = 0 if superuser or cursor.connection.server_version < creator_roles.SINCE else creator_roles.NUMBER
        found = creator_roles.find(cursor, admin) if wanted else {}
        cursor.execute(MARKED)
        there = {row[0] for row in cursor.fetchall()}
    # A database's row is there before it and after it, so rows are read on both sides.
    made = {name for name, at in recorded.items() if at == (cluster.cluster_id, True)}
    lost, unknown = sorted(made - there), sorted(there - _recorded().keys())
    if superuser:
        remedy = "give its secret an admin that is none: CREATEROLE and CREATEDB are enough"
        yield Finding(subject, f"{admin} is a superuser on {where}", remedy)
    if not (able or superuser):
        yield Finding(subject, f"{admin} may not create roles and databases", f"ALTER ROLE {admin} CREATEROLE CREATEDB")
    if withheld and not superuser:
        yield Finding(subject, f"{admin} may not grant {', '.join(withheld)}", PREPARE)
    creators = sum(creator_roles.is_creator(role) and granted for role, granted in found.items())
    if creators < wanted:
        yield Finding(subject, f"{admin} has {creators} of {wanted} creators of tenants' roles", PREPARE)
    if is_open:
        remedy = "REVOKE ALL ON DATABASE postgres FROM PUBLIC, as its owner"
        yield Finding(subject, "every project's login may connect to the database postgres", remedy)
    if str(version) != cluster.version:
        remedy = "run provision cluster add for it again, which registers what the server is"
        yield Finding(subject, f"the server is PostgreSQL {version}, registered as {cluster.version}", remedy)
    for what, names in (("is not there", lost), ("is unknown to the control plane", unknown)):
        if names:
            yield Finding(subject, f"{', '.join(names)} {what}", "see Restore in docs/operations.md")
    if room <= 0:
        yield Finding(subject, f"all {cluster.capacity} places are taken", "add a cluster, or raise its capacity")
    yield Finding(subject, f"reached on {where} as {admin}, room for {max(room, 0)} of {cluster.capacity} databases")


def _recorded() -> dict[str, tuple[str, bool]]:
    """Returns each database's cluster, and whether it must be there: it is not about to be made, moved or removed."""
    document = _credentials(configuration.required("CONTROL_PLANE_SECRET_ID"))
    with (
        closing(postgres.connect(document, statement_timeout_seconds=10)) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(RECORDED)
        return {name: (cluster_id, there) for name, cluster_id, there in cursor.fetchall()}


def _examine_permissions(deployment: Deployment) -> Iterator[Finding]:
    try:
        known = [cluster for cluster, _ in known_clusters()]
    except (psycopg2.Error, ProvisioningError):
        known = []
    yield from examine_permissions(client("iam"), deployment, known)


def _credentials(secret_id: str) -> dict[str, Any]:
    document = tenant_secret.read(secret_id)
    if missing := [name for name in CREDENTIALS if not document.get(name)]:
        raise Misconfigured(f"the secret {secret_id} has no {', '.join(missing)}")
    return document


def _guarded(subject: str, examination: Examination) -> Iterator[Finding]:
    """Yields what the examination yields, and the error that ends it as a finding with its remedy."""
    try:
        yield from examination()
    except psycopg2.Error as error:
        yield Finding(subject, postgres.describe(error), CONNECTION_REMEDY)
    except ProvisioningError as error:
        yield Finding(subject, str(error), next(said for kind, said in REMEDIES.items() if isinstance(error, kind)))
