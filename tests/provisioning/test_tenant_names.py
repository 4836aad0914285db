"""A tenant's names derive only from its random id, and reveal nothing about its owner."""

import re
import string
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg2.extensions import connection as Connection  # noqa: N812

from provisioning.identity import LENGTH, TenantNames, new_tenant_id

LONGEST_IDENTIFIER_BYTES = 63
IDS = 2_000

tenant_ids = st.text(string.ascii_lowercase, min_size=LENGTH, max_size=LENGTH)
job_ids = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=80)


def identifiers(names: TenantNames) -> set[str]:
    return {names.database, names.owner_role, names.login_role}


def all_names(names: TenantNames) -> set[str]:
    return identifiers(names) | {names.secret, names.api_keys_secret("job-1")}


def test_an_id_is_20_letters_that_no_other_tenant_has() -> None:
    made = [new_tenant_id() for _ in range(IDS)]
    assert all(re.fullmatch("[a-z]{20}", tenant_id) for tenant_id in made)
    assert len(set(made)) == IDS


def test_every_letter_is_equally_likely_in_an_id() -> None:
    seen = Counter("".join(new_tenant_id() for _ in range(IDS)))
    expected = IDS * LENGTH / len(string.ascii_lowercase)
    chi_square = sum((seen[letter] - expected) ** 2 / expected for letter in string.ascii_lowercase)
    # Eight standard deviations of its 25 degrees of freedom.
    assert chi_square < 25 + 8 * 50**0.5


@given(tenant_ids)
def test_names_derive_from_the_id_the_same_way_every_time(tenant_id: str) -> None:
    names = TenantNames(tenant_id)
    assert names.database == f"tenant_{tenant_id}"
    assert (names.owner_role, names.login_role) == (f"tenant_{tenant_id}_owner", f"tenant_{tenant_id}_login")
    assert names.secret.endswith(f"/{tenant_id}")


@given(tenant_ids, tenant_ids)
def test_two_tenants_share_no_name_of_any_kind(one: str, other: str) -> None:
    assert all_names(TenantNames(one)).isdisjoint(all_names(TenantNames(other))) == (one != other)


@given(tenant_ids)
def test_the_names_of_one_tenant_differ_from_each_other(tenant_id: str) -> None:
    assert len(all_names(TenantNames(tenant_id))) == 5


@given(tenant_ids)
def test_every_name_fits_into_an_identifier(tenant_id: str) -> None:
    for name in identifiers(TenantNames(tenant_id)):
        assert len(name.encode()) <= LONGEST_IDENTIFIER_BYTES


def test_postgresql_takes_every_name_without_quotes(superuser: Connection) -> None:
    names = sorted(name for _ in range(20) for name in identifiers(TenantNames(new_tenant_id())))
    with superuser.cursor() as cursor:
        cursor.execute("SELECT array_agg(name) FROM unnest(%s) AS name WHERE quote_ident(name) = name::name", (names,))
        assert cursor.fetchone() == (names,)


@pytest.mark.parametrize(
    ("setting", "prefix"), [(None, "provisioner/tenants"), ("", "provisioner/tenants"), ("acme/eu", "acme/eu")]
)
def test_a_secrets_name_begins_with_the_prefix_of_the_settings(
    monkeypatch: pytest.MonkeyPatch, setting: str | None, prefix: str
) -> None:
    monkeypatch.delenv("TENANT_SECRET_PREFIX", raising=False)
    if setting is not None:
        monkeypatch.setenv("TENANT_SECRET_PREFIX", setting)
    tenant_id = new_tenant_id()
    assert TenantNames(tenant_id).secret == f"{prefix}/{tenant_id}"


@given(tenant_ids, job_ids)
def test_a_secrets_name_is_one_that_secrets_manager_takes(tenant_id: str, job_id: str) -> None:
    names = TenantNames(tenant_id)
    for name in (names.secret, names.api_keys_secret(job_id)):
        assert re.fullmatch(r"[A-Za-z0-9/_+=.@-]{1,512}", name)


@given(tenant_ids, job_ids, job_ids)
def test_each_job_has_a_secret_of_its_own_for_api_keys(tenant_id: str, one: str, other: str) -> None:
    name = TenantNames(tenant_id).api_keys_secret
    assert (name(one) == name(other)) == (one == other)
    assert name(one).startswith(f"{TenantNames(tenant_id).secret}/api-keys/")


@given(tenant_ids, st.text("ghijklmnopqrstuvwxyz", min_size=1, max_size=80))
def test_the_name_of_an_api_keys_secret_does_not_tell_the_job(tenant_id: str, job_id: str) -> None:
    assert job_id not in TenantNames(tenant_id).api_keys_secret(job_id).rpartition("/")[2]
