"""Text in a tenant's database: every letter has its case, and text sorts by code point, on every PostgreSQL."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from local.stack import Stack
from provisioning.aws import secrets
from provisioning.cluster import register
from provisioning.tenant import making, schema
from stages.database import create_database
from stages.schema import create_schema
from tests.executions.looking import look
from tests.stages.jobs import StagedJob, execute

RULES = [
    ("lower('É') = 'é' AND lower('ÀΣŽЖ') = 'àσžж'", True),
    ("upper('é') = 'É' AND upper('àσžж') = 'ÀΣŽЖ'", True),
    ("initcap('école d''été') = 'École D''Été'", True),
    ("'École' ILIKE 'éCOLE' AND 'École' ~* '^écol' AND 'É' ~ '^[[:upper:]]$'", True),
    ("to_tsvector('simple', 'ÉCOLE') @@ to_tsquery('simple', 'école')", True),
    (
        "(SELECT string_agg(one, '' ORDER BY one) FROM unnest(string_to_array('éaZzB_1A😀', NULL)) AS one)",
        "1ABZ_azé😀",
    ),
]
"""What an application relies on, and what the tenant's database answers."""

CHOSEN = [
    ((180000, "C.utf8", True), "make_database"),
    ((170000, None, False), "make_database"),
    ((169999, "C.utf8", True), "make_database_before_17"),
    ((150000, "en_US.utf8", False), "make_database_before_17"),
    ((160000, None, True), "make_database_with_icu"),
    ((150000, None, False), "make_database_with_c"),
]
"""A server's version, its locale that knows every letter, and whether it has ICU; the query that is sent to it."""


@pytest.fixture
def application(stack: Stack, job: StagedJob) -> Iterator[Connection]:
    """A connection with the issued credentials."""
    job.run(create_database)
    job.run(create_schema)
    with closing(schema.connect(secrets.read(job.names.secret))) as connection:
        yield connection


def answer(connection: Connection, expression: str) -> object:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {expression}")
        ((found,),) = cursor.fetchall()
        return found


@pytest.mark.parametrize(("expression", "expected"), RULES)
def test_text_is_compared_and_sorted_as_on_every_version(
    application: Connection, expression: str, expected: object
) -> None:
    assert answer(application, expression) == expected


def test_the_locale_is_recorded_with_the_tenant(stack: Stack, job: StagedJob, application: Connection) -> None:
    prepared = look(stack, job.project_id).tenant["prepared"]
    provider = "builtin C.UTF-8" if application.server_version >= 170000 else "libc"
    ctype = answer(application, "datctype FROM pg_database WHERE datname = current_database()")
    assert prepared["locale"] == f"{provider} LC_COLLATE C LC_CTYPE {ctype}"
    assert ctype in register.CTYPES


@pytest.mark.parametrize(("server", "query"), CHOSEN)
def test_the_locale_is_chosen_by_what_the_server_has(server: tuple[int, str | None, bool], query: str) -> None:
    version, ctype, has_icu = server
    nothing = register.Found(True, None, None, [], None, None, ctype, has_icu, False, None)
    assert making._creation(version, nothing) == query


def test_a_server_whose_system_has_no_such_locale_takes_the_next_best(
    job: StagedJob, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(register, "CTYPES", ("xx_XX.utf8",))
    job.run(create_database)
    ((version,),) = execute(stack, "postgres", "SELECT current_setting('server_version_num')::integer")
    expected = "builtin C.UTF-8" if version >= 170000 else "icu und"
    assert job.run(create_schema)["locale"] == f"{expected} LC_COLLATE C LC_CTYPE C"


def test_a_server_without_icu_still_makes_a_database(job: StagedJob, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making, "_creation", lambda *_: "make_database_with_c")
    job.run(create_database)
    assert job.run(create_schema)["locale"] == "libc LC_COLLATE C LC_CTYPE C"
