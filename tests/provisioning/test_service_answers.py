"""What a service answers is checked before it is recorded: times as RFC 3339 has them, texts, and any nonsense."""

import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg2.extensions import connection as Connection  # noqa: N812

from provisioning.errors import ProvisioningError, ServiceRegistrationFailed
from provisioning.services import ADAPTERS, adapter_class, answers
from provisioning.services import client as service_client
from provisioning.services.client import ServiceClient
from provisioning.services.generic import Generic
from provisioning.stage import Service
from tests.provisioning.conftest import ABSENT, KNOWN, TENANT_ID
from tests.provisioning.programmable_service import ProgrammableService, answer
from tests.provisioning.test_service_adapters import a_tenant

if TYPE_CHECKING:
    from provisioning.services.adapter import Adapter

pytestmark = pytest.mark.slow

ACCEPTED = {
    "1985-04-12T23:20:50.52Z": datetime(1985, 4, 12, 23, 20, 50, 520000, UTC),
    "1996-12-19T16:39:57-08:00": datetime(1996, 12, 20, 0, 39, 57, tzinfo=UTC),
    "1937-01-01T12:00:27.87+00:20": datetime(1937, 1, 1, 11, 40, 27, 870000, UTC),
    "1990-12-31T23:59:60Z": datetime(1991, 1, 1, tzinfo=UTC),
    "1990-12-31T15:59:60-08:00": datetime(1991, 1, 1, tzinfo=UTC),
    "2016-12-31t23:59:60.25z": datetime(2017, 1, 1, 0, 0, 0, 250000, UTC),
    "2025-01-01T00:00:00-00:00": datetime(2025, 1, 1, tzinfo=UTC),
    "2025-01-01T00:00:00.123456789Z": datetime(2025, 1, 1, 0, 0, 0, 123456, UTC),
    "0001-01-01T00:00:00Z": datetime(1, 1, 1, tzinfo=UTC),
    "9999-12-31T23:59:59Z": datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
    "2025-06-01T00:00:00+23:59": datetime(2025, 5, 31, 0, 1, tzinfo=UTC),
}
REFUSED: list[object] = [
    *("now", "today", "epoch", "infinity", "-infinity", "allballs", "4713-01-01 BC", "J2451187", "", " "),
    *("2025-01-01", "2025-01-01T00:00:00", "2025-01-01 00:00:00Z", "2025-01-01T00:00Z", "20250101T000000Z"),
    *("2025-02-29T00:00:00Z", "2025-01-01T24:00:00Z", "2025-01-01T00:00:61Z", "2025-01-01T00:00:00+24:00"),
    *("2025-06-15T12:00:60Z", "2025-06-15T23:59:60Z", "9999-12-31T23:59:60Z", "2025-01-01T00:00:00+10:60"),
    *("0000-01-01T00:00:00Z", "10000-01-01T00:00:00Z", "0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01"),
    *("2025-01-01T00:00:00Z\n", "2025-01-01T00:00:00.Z", "2025-01-01T00:00:00,5Z", "2025-01-01T00:00:00 UTC"),
    *("\uff12\uff10\uff12\uff15-01-01T00:00:00Z", "2025-01-01T00:00:00Z\x00", "2025-01-01T00:00:00." + "0" * 600 + "Z"),
    *(None, True, 0, 1735689600, 1.5, [], {}, ["2025-01-01T00:00:00Z"]),
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)
FIELDS = ("data", "healthy", "db_connected", "isLatest", "migrationsStatus", "banned_at", "endpoint", "registered_at")
DOCUMENTS = st.dictionaries(st.sampled_from(FIELDS), JSON | st.dictionaries(st.sampled_from(FIELDS), JSON), max_size=4)
OFFSETS = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
INSTANTS = st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=OFFSETS)  # noqa: DTZ001


@pytest.mark.parametrize(("value", "meant"), ACCEPTED.items())
def test_a_time_of_rfc_3339_is_taken_in_utc(superuser: Connection, value: str, meant: datetime) -> None:
    parsed = answers.instant(Service.AUTH, {"registered_at": value}, "registered_at")
    assert (parsed, parsed.tzinfo) == (meant, UTC)
    assert stored(superuser, parsed)


@pytest.mark.parametrize("value", REFUSED, ids=lambda value: ascii(value)[:40])
def test_anything_else_is_refused_with_the_services_name_and_the_fields(
    service: ProgrammableService, client: Generic, value: object
) -> None:
    service.will(answer(201, KNOWN | {"registered_at": value}))
    with pytest.raises(ServiceRegistrationFailed) as refused:
        client.register(a_tenant())
    message = "auth answered no usable registered_at: it must be a date and time with its offset, as RFC 3339 has them"
    assert str(refused.value) == message


@given(INSTANTS)
def test_every_time_of_every_offset_is_taken(moment: datetime) -> None:
    written = {"at": moment.isoformat()}
    assert answers.instant(Service.AUTH, written, "at") == moment


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.from_regex(answers.DATE_TIME, fullmatch=True) | st.text())
def test_what_is_taken_postgresql_stores(superuser: Connection, value: str) -> None:
    with suppress(ServiceRegistrationFailed):
        assert stored(superuser, answers.instant(Service.AUTH, {"at": value}, "at"))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(JSON)
def test_a_text_that_is_taken_postgresql_stores(superuser: Connection, value: object) -> None:
    with suppress(ServiceRegistrationFailed):
        text = answers.text(Service.AUTH, {"endpoint": value}, "endpoint")
        assert 1 <= len(text) <= 512
        with superuser.cursor() as cursor:
            cursor.execute("SELECT %s::text, jsonb_build_object('endpoint', %s) ->> 'endpoint'", (text, text))
            assert cursor.fetchone() == (text, text)


def stored(superuser: Connection, moment: datetime) -> bool:
    """Return whether PostgreSQL has the moment as it was."""
    with superuser.cursor() as cursor:
        cursor.execute("SELECT (%s::timestamptz AT TIME ZONE 'UTC')::text", (moment,))
        ((text,),) = cursor.fetchall()
    return datetime.fromisoformat(text).replace(tzinfo=UTC) == moment


@pytest.fixture(scope="module")
def answering() -> Iterator[ProgrammableService]:
    with ProgrammableService() as running:
        yield running


@pytest.mark.parametrize("name", ADAPTERS)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(status=st.sampled_from([200, 200, 200, 201, 404, 500]), document=DOCUMENTS | JSON)
def test_no_answer_raises_anything_but_a_typed_error(
    answering: ProgrammableService, name: str, status: int, document: Any
) -> None:
    answering.will(answer(status, document))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(service_client, "_environment", environment := threading.local())
        environment.tokens = {"auth": "token"}
        patched.setenv("AUTH_SERVICE_URL", answering.url)
        patched.setenv("ALLOW_PLAIN_HTTP", "true")
        adapter: Adapter = adapter_class(name)(ServiceClient(Service.AUTH))
        for ask in (adapter.obstacle, adapter.exists, adapter.suspend, adapter.resume, adapter.deregister):
            with suppress(ProvisioningError):
                assert isinstance(ask(TENANT_ID), bool | str)
        environment.pool.clear()


UNREADY: dict[str, tuple[str, list[tuple[int, object]], str]] = {
    "realtime: unknown": ("supabase-realtime", [(404, {"message": "not found"})], "it does not know the tenant"),
    "realtime: health": ("supabase-realtime", [(200, {"data": {"healthy": False}})], "its health check fails"),
    "realtime: database": (
        "supabase-realtime",
        [(200, {"data": {"healthy": False, "db_connected": False, "connected_cluster": 1}})],
        "its health check fails, it is not connected to the tenant database",
    ),
    "storage: unknown": ("supabase-storage", [(404, {"error": "Tenant not found"})], "it does not know the tenant"),
    "storage: migrations": (
        "supabase-storage",
        [(200, {"isLatest": False})],
        "its migrations of the tenant database are not complete",
    ),
    "storage: failed migrations": (
        "supabase-storage",
        [(200, {"isLatest": False, "migrationsStatus": "FAILED_STALE"})],
        "its migrations of the tenant database have failed",
    ),
    "storage: health": (
        "supabase-storage",
        [(200, {"isLatest": True}), (200, {"healthy": False})],
        "its health check fails, it cannot query the tenant database",
    ),
    "pooler: unknown": ("supavisor", [(404, {"error": "not found"})], "it does not know the tenant"),
    "pooler: banned": ("supavisor", [(200, {"data": {"banned_at": "2026-01-01"}})], "it bans the tenant"),
    "pooler: nonsense": ("supavisor", [(200, {"data": None})], "it does not describe the tenant"),
    "generic: unknown": ("generic", [(404, ABSENT)], "it does not know the tenant"),
}


@pytest.mark.parametrize(("name", "answered", "obstacle"), UNREADY.values(), ids=UNREADY)
def test_a_service_that_is_not_ready_says_what_is_not(
    service: ProgrammableService, name: str, answered: list[tuple[int, object]], obstacle: str
) -> None:
    service.will(*(answer(status, document) for status, document in answered))
    adapter = adapter_class(name)(ServiceClient(Service.AUTH))
    assert (adapter.obstacle(TENANT_ID), adapter.ready(TENANT_ID)) == (obstacle, False)


@pytest.mark.parametrize(("name", "answered", "obstacle"), UNREADY.values(), ids=UNREADY)
def test_a_registration_that_is_not_ready_fails_with_what_is_not(
    service: ProgrammableService, name: str, answered: list[tuple[int, object]], obstacle: str
) -> None:
    service.will(*(answer(status, document) for status, document in answered))
    adapter = adapter_class(name)(ServiceClient(Service.AUTH))
    with pytest.raises(ServiceRegistrationFailed) as failed:
        adapter._registered(a_tenant())
    assert str(failed.value) == f"auth is not ready for the tenant: {obstacle}"
