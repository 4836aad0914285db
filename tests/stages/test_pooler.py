"""Supavisor and TLS: which CA it gets, and which of its two kinds of 400 is final."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local.stack import Stack
from provisioning.errors import Misconfigured, ServiceRegistrationFailed, ServiceRejectedRegistration
from provisioning.services import supavisor
from stages.services import register_pooler
from tests.stages.jobs import StagedJob
from tests.stages.registering import job
from tests.stages.supavisor_api import SupavisorApi
from tests.stages.tenant_apis import native_service

__all__ = ["job"]

CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


@pytest.fixture
def pooler(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[SupavisorApi]:
    """The pooler, in an installation whose services must verify the databases."""
    monkeypatch.setattr(supavisor, "tls_enforced", lambda: True)
    with native_service(stack, monkeypatch, "pooler", "supavisor", SupavisorApi) as served:
        yield served


@pytest.fixture
def roots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of the configured root certificates; the laptop's own connections have no TLS and do not read it."""
    path = tmp_path / "roots.pem"
    monkeypatch.setenv("DATABASE_SSL_ROOT_CERT", str(path))
    return path


def registered(pooler: SupavisorApi) -> dict[str, object]:
    (tenant,) = pooler.tenants.values()
    return {name: value for name, value in tenant.items() if name.startswith("upstream_")}


def test_one_configured_root_certificate_is_what_it_verifies_the_database_against(
    job: StagedJob, pooler: SupavisorApi, roots: Path
) -> None:
    roots.write_text(f"The CA of our clusters\n{CERTIFICATE}")
    job.run(register_pooler)
    assert registered(pooler) == {"upstream_ssl": True, "upstream_verify": "peer", "upstream_tls_ca": CERTIFICATE}


def test_a_bundle_is_not_sent_because_it_takes_none_and_its_own_ca_is_used(
    job: StagedJob, pooler: SupavisorApi, roots: Path
) -> None:
    roots.write_text(2 * CERTIFICATE)
    pooler.global_ca = True
    job.run(register_pooler)
    assert registered(pooler) == {"upstream_ssl": True, "upstream_verify": "peer"}


def test_without_any_ca_it_refuses_permanently(job: StagedJob, pooler: SupavisorApi, roots: Path) -> None:
    roots.write_text(2 * CERTIFICATE)
    with pytest.raises(ServiceRejectedRegistration, match="has no CA"):
        job.run(register_pooler)


def test_a_database_that_it_cannot_sign_in_to_is_tried_again(job: StagedJob, pooler: SupavisorApi, roots: Path) -> None:
    roots.write_text(CERTIFICATE)
    pooler.migrations_fail = 1
    with pytest.raises(ServiceRegistrationFailed, match="could not sign in"):
        job.run(register_pooler)
    job.run(register_pooler)


def test_a_root_certificate_that_is_not_there_is_a_mistake_in_the_settings(
    job: StagedJob, pooler: SupavisorApi, roots: Path
) -> None:
    with pytest.raises(Misconfigured, match="DATABASE_SSL_ROOT_CERT"):
        job.run(register_pooler)
    assert pooler.tenants == {}
