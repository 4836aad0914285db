"""Jobs whose tenants the services register, and services with configured answers."""

import uuid
from collections.abc import Iterator

import pytest

from stages.database import create_database
from tests.executions.running import SERVICES
from tests.provisioning.programmable_service import ProgrammableService
from tests.stages.jobs import StagedJob, open_job

TENANT = {"endpoint": "https://service/t-1", "registered_at": "2026-01-01T00:00:00+00:00"}


@pytest.fixture
def job(project_id: str) -> StagedJob:
    job = open_job(project_id)
    job.run(create_database)
    return job


@pytest.fixture
def of_auth(project_id: str) -> StagedJob:
    """A job that wants only one service."""
    job = open_job(project_id, "auth")
    job.run(create_database)
    return job


@pytest.fixture
def programmable(monkeypatch: pytest.MonkeyPatch) -> Iterator[ProgrammableService]:
    """Every service, as one with configured answers."""
    with ProgrammableService() as service:
        for name in SERVICES:
            monkeypatch.setenv(f"{name.upper()}_SERVICE_URL", f"{service.url}/{name}")
        yield service


def key_of(job: StagedJob, service: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"provisioner/{job.tenant_id}/{service}"))
