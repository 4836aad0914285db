"""Adapters: what a service is told about a tenant, and that its tenant_id suffices to remove a registration."""

import json
import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey

from local.services import RegistrationServices
from provisioning.control_plane import Cluster
from provisioning.errors import Misconfigured, RecordLost, ResourceConflict
from provisioning.identity import Tenant
from provisioning.ledger.job import Job
from provisioning.services import adapter_for
from provisioning.services import client as service_client
from provisioning.services.client import ServiceClient
from provisioning.services.generic import Generic
from provisioning.services.tenant_database import ServiceTenant
from provisioning.stage import Service
from tests.provisioning.conftest import KEY, KNOWN, REGION, REGISTERED, TENANT_ID, TOKEN
from tests.provisioning.programmable_service import ProgrammableService, answer
from tests.stages.native_apis import APIS

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

ANOTHER = "tsrqponmlkjihgfedcba"
MADE_AT = datetime(2025, 1, 1, tzinfo=UTC)
ABSENT_SECRET = f"arn:aws:secretsmanager:{REGION}:123456789012:secret:absent"
CREDENTIALS = {"username": f"tenant_{TENANT_ID}_login", "password": "p/w", "jwt_secret": "j" * 64}
DOCUMENT = {"host": "db.internal", "port": 5432, "dbname": f"tenant_{TENANT_ID}", **CREDENTIALS}


def a_tenant(secret_arn: str | None = ABSENT_SECRET, job_id: str = "job-1") -> ServiceTenant:
    cluster = SimpleNamespace(region=REGION, host="db.internal", port=5432)
    tenant = Tenant(TENANT_ID, cast("Cluster", cluster), "claimed", job_id, None, secret_arn, None, MADE_AT)
    known = {"project_id": "realtime-demo", "organization_id": "org", "owner_id": "owner"}
    return ServiceTenant(cast("Job", SimpleNamespace(job_id=job_id, cluster=cluster, tenant=tenant, **known)))


@pytest.fixture
def secret_arn(secrets_manager: "SecretsManagerClient") -> str:
    return secrets_manager.create_secret(Name="tenant", SecretString=json.dumps(DOCUMENT))["ARN"]


@pytest.fixture
def laptop(service: ProgrammableService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Generic]:
    """The generic adapter of the laptop's own auth service."""
    services = RegistrationServices(tmp_path / "registrations.sqlite3", {"auth": TOKEN})
    services.start()
    monkeypatch.setenv("AUTH_SERVICE_URL", services.url("auth"))
    yield Generic(ServiceClient(Service.AUTH))
    services.stop()


def test_a_tenant_is_known_by_its_tenant_id_and_its_slot_by_nothing_else_of_it() -> None:
    """Realtime drops every slot like '%realtime%' of the whole server."""
    tenant = a_tenant()
    assert tenant.external_id == TENANT_ID
    assert re.fullmatch(r"[a-z0-9_]{1,63}", tenant.slot_name)
    assert TENANT_ID in tenant.slot_name
    assert "realtime" not in tenant.slot_name


def test_a_generic_service_is_told_whose_tenant_it_is_and_reads_no_credentials(
    service: ProgrammableService, client: Generic
) -> None:
    service.will(answer(201, KNOWN))
    assert client.register(a_tenant()) == REGISTERED
    (request,) = service.requests
    assert (request.method, request.path) == ("PUT", f"/tenants/{TENANT_ID}")
    assert json.loads(request.body) == {
        "tenant_id": TENANT_ID,
        "project_id": "realtime-demo",
        "region": REGION,
        "organization_id": "org",
        "database": {"host": "db.internal", "port": 5432, "name": f"tenant_{TENANT_ID}", "schema": "public"},
        "secret_arn": ABSENT_SECRET,
    }


def test_every_job_of_a_tenant_has_the_same_key(service: ProgrammableService, client: Generic) -> None:
    service.will(answer(201, KNOWN), answer(200, KNOWN), answer(204))
    client.register(a_tenant(job_id="job-1"))
    client.register(a_tenant(job_id="job-2"))
    client.deregister(TENANT_ID)
    assert [request.headers["Idempotency-Key"] for request in service.requests] == [KEY] * 3


def test_a_tenant_without_a_secret_is_not_registered(service: ProgrammableService, client: Generic) -> None:
    with pytest.raises(RecordLost, match=r"lost the record of tenant [a-z]{20}'s secret"):
        client.register(a_tenant(secret_arn=None))
    assert service.requests == []


def test_the_contract_holds_from_registration_to_removal(laptop: Generic) -> None:
    registered = laptop.register(a_tenant())
    assert registered.external_id == TENANT_ID
    assert laptop.register(a_tenant()) == registered
    assert laptop.ready(TENANT_ID)
    assert laptop.deregister(TENANT_ID)
    assert not laptop.exists(TENANT_ID)
    assert not laptop.deregister(TENANT_ID)


def test_a_registration_that_arrives_after_the_removal_is_a_conflict(laptop: Generic) -> None:
    laptop.deregister(TENANT_ID)
    with pytest.raises(ResourceConflict):
        laptop.register(a_tenant())
    assert not laptop.exists(TENANT_ID)


@pytest.mark.parametrize("adapter", APIS)
def test_a_tenant_id_is_all_that_a_removal_needs(
    secrets_manager: "SecretsManagerClient", monkeypatch: pytest.MonkeyPatch, adapter: str
) -> None:
    monkeypatch.setattr(service_client, "_environment", threading.local())
    secrets_manager.create_secret(Name="tokens", SecretString=json.dumps({"auth": TOKEN * 2}))
    api = APIS[adapter](TOKEN * 2)
    api.tenants = {tenant_id: {"healthy": True, "version": "all-of-it"} for tenant_id in (TENANT_ID, ANOTHER)}
    with api.serve() as url:
        for name, value in {
            "SERVICE_TOKENS_SECRET_ID": "tokens",
            "AUTH_SERVICE_URL": url,
            "AUTH_SERVICE_ADAPTER": adapter,
            "ALLOW_PLAIN_HTTP": "true",
        }.items():
            monkeypatch.setenv(name, value)
        native = adapter_for(Service.AUTH)
        assert native.exists(TENANT_ID)
        assert native.deregister(TENANT_ID)
        assert not native.exists(TENANT_ID)
        assert not native.ready(TENANT_ID)
        assert not native.deregister(TENANT_ID)
        service_client._environment.pool.clear()
    assert list(api.tenants) == [ANOTHER]
    assert all(TENANT_ID in path.split("/") for _, path in api.requests)


def test_the_credentials_are_the_tenants_and_its_url_carries_them(
    secret_arn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATABASE_SSL_MODE", raising=False)
    tenant = a_tenant(secret_arn)
    assert (tenant.username, tenant.password) == (CREDENTIALS["username"], CREDENTIALS["password"])
    login = f"{CREDENTIALS['username']}:p%2Fw"
    assert tenant.database_url == f"postgresql://{login}@db.internal:5432/tenant_{TENANT_ID}?sslmode=verify-full"


@pytest.mark.parametrize("role", ["anon", "service_role"])
def test_every_job_gives_a_service_the_same_key_issued_when_the_tenant_was_made(secret_arn: str, role: str) -> None:
    first, second = (a_tenant(secret_arn, job_id).key(role) for job_id in ("job-1", "job-2"))
    assert first == second
    claims = jwt.decode(first, OctKey.import_key(CREDENTIALS["jwt_secret"]), algorithms=["HS256"]).claims
    assert (claims["role"], claims["iat"]) == (role, int(MADE_AT.timestamp()))


def test_a_secret_without_a_jwt_secret_is_a_mistake_in_the_settings(secrets_manager: "SecretsManagerClient") -> None:
    document = {name: value for name, value in DOCUMENT.items() if name != "jwt_secret"}
    arn = secrets_manager.create_secret(Name="old", SecretString=json.dumps(document))["ARN"]
    with pytest.raises(Misconfigured, match=f"the secret {arn} has no jwt_secret"):
        a_tenant(arn).key("anon")
