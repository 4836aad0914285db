import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from psycopg2.extensions import connection as Connection  # noqa: N812

from provisioning.naming import TenantNames, tenant_names
from tests.hostile_payloads import HARMLESS_PROJECT_IDS

LONGEST_IDENTIFIER_BYTES = 63
PROJECT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")

project_ids = st.from_regex(PROJECT_ID, fullmatch=True)


@st.composite
def near_collisions(draw: st.DrawFn) -> tuple[str, str]:
    """Two different ids that a careless naming would fold into one."""
    one = draw(project_ids | st.from_regex(r"[a-z0-9][a-z0-9_-]{59,63}", fullmatch=True))
    at = draw(st.integers(0, len(one) - 1))
    candidates = {
        one.lower(),
        one.upper(),
        one.swapcase(),
        one.replace("-", "_"),
        one.replace("_", "-"),
        one.replace("-", "").replace("_", ""),
        one.rstrip("-_"),
        one[:at] + one[at].swapcase() + one[at + 1 :],
        one[:at] + draw(st.sampled_from("aA0-_")) + one[at + 1 :],
        one[:-1],
        one + "_",
        one + "-owner",
        one + "_login",
        one[:20],
        one[:62] + draw(st.sampled_from("ab")),
    }
    others = sorted(other for other in candidates if other != one and PROJECT_ID.fullmatch(other))
    return one, draw(st.sampled_from(others))


def all_names(names: TenantNames) -> set[str]:
    return {names.database, names.owner_role, names.login_role, names.secret}


@given(near_collisions())
@example(("a-b", "a_b"))
@example(("a-b", "A-B"))
@example(("b" * 63 + "a", "b" * 63 + "c"))
def test_two_ids_share_no_name_of_any_kind(pair: tuple[str, str]) -> None:
    one, other = map(tenant_names, pair)
    assert all_names(one).isdisjoint(all_names(other))


@given(project_ids)
def test_the_names_of_one_project_differ_from_each_other(project_id: str) -> None:
    assert len(all_names(tenant_names(project_id))) == 4


@given(project_ids)
def test_the_same_id_has_the_same_names_for_ever(project_id: str) -> None:
    assert tenant_names(project_id) == tenant_names(project_id)


def test_names_do_not_change_from_one_version_of_this_code_to_the_next() -> None:
    assert tenant_names("Demo-Project").database == "tenant_demo_project_g2licks7msgbmkodiz6ou5nukf"


@given(project_ids)
def test_every_name_fits_into_an_identifier_and_needs_no_quotes(project_id: str) -> None:
    names = tenant_names(project_id)
    for name in (names.database, names.owner_role, names.login_role):
        assert len(name.encode()) <= LONGEST_IDENTIFIER_BYTES
        assert re.fullmatch(r"tenant_[a-z0-9_]+", name)


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9-]{0,19}", fullmatch=True))
def test_a_person_finds_the_project_in_the_name(project_id: str) -> None:
    readable = re.sub("-+", "_", project_id.lower()).strip("_")
    assert tenant_names(project_id).database.startswith(f"tenant_{readable}_")


def test_postgresql_takes_every_name_as_it_is(superuser: Connection) -> None:
    names = [
        name for project_id in HARMLESS_PROJECT_IDS for name in all_names(tenant_names(project_id)) if "/" not in name
    ]
    with superuser.cursor() as cursor:
        cursor.execute("SELECT array_agg(name) FROM unnest(%s) AS name WHERE quote_ident(name) = name::name", (names,))
        assert cursor.fetchone() == (names,)


def test_no_name_is_a_key_word_or_a_name_that_postgresql_has_taken(superuser: Connection) -> None:
    with superuser.cursor() as cursor:
        cursor.execute(
            "SELECT word FROM pg_get_keywords()"
            " UNION SELECT rolname FROM pg_roles UNION SELECT datname FROM pg_database"
        )
        taken = {row[0] for row in cursor}
    made = {name for word in taken if PROJECT_ID.fullmatch(word) for name in all_names(tenant_names(word))}
    assert len(made) > 4 * 400
    assert made.isdisjoint(taken)


@pytest.mark.parametrize(
    ("setting", "prefix"), [(None, "provisioner/tenants"), ("", "provisioner/tenants"), ("acme/eu", "acme/eu")]
)
def test_a_secrets_name_begins_with_the_prefix_of_the_settings(
    monkeypatch: pytest.MonkeyPatch, setting: str | None, prefix: str
) -> None:
    monkeypatch.delenv("TENANT_SECRET_PREFIX", raising=False)
    if setting is not None:
        monkeypatch.setenv("TENANT_SECRET_PREFIX", setting)
    names = tenant_names("demo")
    assert names.secret == f"{prefix}/{names.database}"


@given(project_ids)
def test_a_secrets_name_is_one_that_secrets_manager_takes(project_id: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9/_+=.@-]{1,512}", tenant_names(project_id).secret)
