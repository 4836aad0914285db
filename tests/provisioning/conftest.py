import functools
import json
import threading
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest
from moto import mock_aws
from psycopg2.extensions import connection as Connection  # noqa: N812

from local.postgres import PostgresServer, free_port
from provisioning.control_plane import Cluster
from provisioning.identity import Tenant
from provisioning.jobs.declaration import JobType
from provisioning.jobs.payload import parse_payload
from provisioning.jobs.provision_project import PROVISION_PROJECT
from provisioning.jobs.registry import DECLARATIONS
from provisioning.ledger.job import Job
from provisioning.services import client as service_client
from provisioning.services.adapter import Registration
from provisioning.services.client import ServiceClient
from provisioning.services.generic import Generic
from provisioning.stage import Service
from tests.provisioning.programmable_service import ProgrammableService

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

REGION = "us-east-1"
TOKEN = "t0k3n-of-the-auth-service"
TENANT_ID = "abcdefghijklmnopqrst"
KEY = str(uuid.uuid5(uuid.NAMESPACE_URL, f"provisioner/{TENANT_ID}/auth"))
KNOWN = {"endpoint": "https://auth/demo", "registered_at": "2025-01-01T00:00:00Z"}
"""A registration in the service's answer."""

ABSENT = {"error": "not registered"}
"""What a service of the generic contract answers beside 404 about a tenant that it does not know."""

REGISTERED = Registration(TENANT_ID, KNOWN["endpoint"], datetime(2025, 1, 1, tzinfo=UTC))
"""The same as an adapter returns it."""


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A real PostgreSQL server. Nothing in it has to survive, so it does not wait for the disk."""
    directory: Path = tmp_path_factory.mktemp("postgres")
    with PostgresServer(directory, fsync=False) as running:
        yield running


@pytest.fixture
def superuser(server: PostgresServer) -> Iterator[Connection]:
    connection = server.connect()
    yield connection
    connection.close()


@pytest.fixture
def unused_port() -> int:
    """A port of this machine on which nobody listens."""
    return free_port()


@pytest.fixture
def secrets_manager(monkeypatch: pytest.MonkeyPatch) -> Iterator["SecretsManagerClient"]:
    """An empty Secrets Manager in this process, and a separate client to inspect it."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    for setting in ("TENANT_SECRET_PREFIX", "TENANT_SECRET_KMS_KEY_ID", "STACK_NAME"):
        monkeypatch.delenv(setting, raising=False)
    with mock_aws():
        yield _secrets_client()


@functools.cache
def _secrets_client() -> "SecretsManagerClient":
    return boto3.client("secretsmanager", region_name=REGION)


def make_tenant(tenant_id: str = TENANT_ID, job_id: str = "job-1", project_id: str = "demo") -> Tenant:
    """A job's tenant, on a cluster that nobody connects to."""
    return Tenant(
        tenant_id=tenant_id,
        cluster=Cluster("c-1", REGION, "postgresql", "18", "db.t3.micro", "db.internal", 5432, "admin", 10),
        state="making",
        job_id=job_id,
        project_id=project_id,
        secret_arn=None,
        prepared=None,
        created_at=datetime(2025, 1, 1, tzinfo=UTC),
    )


def make_job(job_id: str, project_id: str = "demo") -> Job:
    """A job that was opened with that tenant."""
    document = parse_payload({"project_id": project_id, "region": REGION}).as_document()
    return Job(
        job_id,
        PROVISION_PROJECT.job_type,
        project_id,
        "org",
        "owner",
        document,
        make_tenant(job_id=job_id, project_id=project_id),
    )


@pytest.fixture
def service(secrets_manager: "SecretsManagerClient", monkeypatch: pytest.MonkeyPatch) -> Iterator[ProgrammableService]:
    """The auth service, programmable, in settings that point to it and hold its token."""
    secrets_manager.create_secret(Name="tokens", SecretString=json.dumps({"auth": TOKEN}))
    monkeypatch.setattr(service_client, "_environment", threading.local())
    with ProgrammableService() as running:
        monkeypatch.setenv("SERVICE_TOKENS_SECRET_ID", "tokens")
        monkeypatch.setenv("AUTH_SERVICE_URL", running.url)
        monkeypatch.setenv("ALLOW_PLAIN_HTTP", "true")
        yield running
        if hasattr(service_client._environment, "pool"):
            service_client._environment.pool.clear()


@pytest.fixture
def client(service: ProgrammableService) -> Generic:
    """A client of that service by the generic contract."""
    return Generic(ServiceClient(Service.AUTH))


@pytest.fixture
def state_machines(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[JobType, str]]:
    """The ARN of a state machine of every job type, as the template names them; their executions run for ever."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        client = boto3.client("stepfunctions")
        definition = json.dumps({"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}})
        yield {
            job_type: client.create_state_machine(
                name=f"stack-{job_type.replace('_', '-')}",
                definition=definition,
                roleArn="arn:aws:iam::123456789012:role/any",
            )["stateMachineArn"]
            for job_type in DECLARATIONS
        }
