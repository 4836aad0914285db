"""What the first start creates: passwords, tokens, the control plane's database and roles, a cluster and a project."""

import json
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import encrypt_password

from local.aws_client import REGION
from local.external_services import TOKENS
from local.postgres import PostgresServer
from provisioning import queries
from provisioning.jobs.declaration import JobType
from provisioning.stage import Service

CLUSTER_ID = "local"
CONTROL_PLANE = "control_plane"
CONTROL_PLANE_OWNER = "control_plane_owner"
"""Not the name of a schema: PostgreSQL would search that schema first."""

ADMIN = "provisioner_admin"
BUILT_IN = "provisioner/built-in-services"
"""The tokens that the stack's own services take, whether they are in use or not."""


@dataclass(frozen=True)
class DatabaseSecret:
    """A secret in Secrets Manager with database credentials: its ARN and its document."""

    arn: str
    document: Mapping[str, Any]


class Secrets:
    """The stack's own secrets: random, created when first read, and stored nowhere else."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def service_tokens(self) -> dict[str, str]:
        """Return the bearer tokens of the stack's own services."""
        return dict(self._ensure(BUILT_IN, {name: secrets.token_urlsafe(32) for name in Service}).document)

    def use_service_tokens(self, external: Collection[Service], new: Mapping[Service, str]) -> str:
        """Keep the token of each external service, or record the new one, and return the ARN of the tokens' secret.

        Every other service has the token of the stack's own.
        """
        own = self.service_tokens()
        recorded = self._ensure(TOKENS, own)
        kept = {service: new.get(service) or recorded.document[service] for service in external}
        wanted = dict(recorded.document) | own | kept
        if wanted != recorded.document:
            self._client.put_secret_value(SecretId=TOKENS, SecretString=json.dumps(wanted))
        return recorded.arn

    def control_plane(self, host: str, port: int) -> DatabaseSecret:
        """Return the control plane's credentials."""
        return self._ensure("provisioner/control-plane", _credentials(host, port, CONTROL_PLANE, CONTROL_PLANE_OWNER))

    def cluster_admin(self, host: str, port: int) -> DatabaseSecret:
        """Return the credentials of the cluster's admin."""
        return self._ensure(f"provisioner/clusters/{CLUSTER_ID}", _credentials(host, port, "postgres", ADMIN))

    def _ensure(self, name: str, document: Mapping[str, Any]) -> DatabaseSecret:
        try:
            answer = self._client.get_secret_value(SecretId=name)
            kept = json.loads(answer["SecretString"])
            # The stack may listen elsewhere than at its last start, and may have a new service.
            moved = {**document, **kept} | {key: document[key] for key in ("host", "port") if key in document}
            if moved != kept:
                self._client.put_secret_value(SecretId=name, SecretString=json.dumps(moved))
            return DatabaseSecret(answer["ARN"], moved)
        except self._client.exceptions.ResourceNotFoundException:
            answer = self._client.create_secret(Name=name, SecretString=json.dumps(document))
            return DatabaseSecret(answer["ARN"], document)


def prepare_server(server: PostgresServer, control_plane: DatabaseSecret, admin: DatabaseSecret) -> None:
    """Create the roles, set their passwords from the secrets, and create the control plane's database."""
    from provisioning.cluster import connections
    from provisioning.cluster.preparation import prepare_cluster

    superuser = server.connect()
    try:
        _ensure_role(superuser, control_plane, "NOCREATEROLE NOCREATEDB")
        _ensure_role(superuser, admin, "CREATEROLE CREATEDB REPLICATION")
        # Tenants share this server with the control plane.
        connections.grant(superuser, CONTROL_PLANE_OWNER)
        with superuser.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (CONTROL_PLANE,))
            if cursor.fetchone() is None:
                names = sql.Identifier(CONTROL_PLANE), sql.Identifier(CONTROL_PLANE_OWNER)
                cursor.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(*names))
            cursor.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(CONTROL_PLANE)))
    finally:
        superuser.close()
    prepare_cluster(server.connect, ADMIN)


def seed(server: PostgresServer, control_plane: DatabaseSecret, admin: DatabaseSecret, event: Path) -> None:
    """Migrate the control plane, and add the cluster, of the server's version, and the sample event's project."""
    from provisioning import control_plane as records
    from upkeep.migrate import apply_migrations

    apply_migrations(control_plane.document)
    connected = records.connect()
    connected.record_cluster(
        records.Cluster(
            cluster_id=CLUSTER_ID,
            region=REGION,
            engine="postgresql",
            version=server.major_version(),
            size="db.t3.micro",
            host=admin.document["host"],
            port=admin.document["port"],
            admin_secret_id=admin.arn,
            capacity=100,
        )
    )
    payload = json.loads(event.read_text())
    connected.record_project(
        records.Project(payload["project_id"], payload["organization_id"], payload["owner_id"], payload["region"])
    )


class UnfinishedJob(NamedTuple):
    """A job that was in flight when the stack was last stopped or killed."""

    job_id: str
    job_type: JobType
    payload: dict[str, Any]


def unfinished_jobs() -> list[UnfinishedJob]:
    """Return every job that was in flight when the stack was last stopped or killed, the oldest first."""
    from provisioning import control_plane

    return control_plane.connect().fetch_all(UnfinishedJob, queries.load(__file__)["find_unfinished_jobs"])


def _credentials(host: str, port: int, dbname: str, username: str) -> dict[str, Any]:
    password = secrets.token_urlsafe(32)
    return {"host": host, "port": port, "dbname": dbname, "username": username, "password": password}


def _ensure_role(superuser: Connection, secret: DatabaseSecret, options: str) -> None:
    name, password = secret.document["username"], secret.document["password"]
    # The server gets a verifier: with log_statement the password itself would appear in its log.
    verifier = encrypt_password(password, name, superuser, "scram-sha-256")
    with superuser.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (name,))
        verb = "ALTER" if cursor.fetchone() else "CREATE"
        statement = f"{verb} ROLE {{}} LOGIN {options} PASSWORD {{}}"
        cursor.execute(sql.SQL(statement).format(sql.Identifier(name), sql.Literal(verifier)))
