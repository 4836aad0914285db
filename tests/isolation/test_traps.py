"""No trap that a tenant sets in its database springs in a session of the platform."""

import re
from collections.abc import Iterator
from contextlib import closing

import pytest

from local.stack import Stack
from provisioning import control_plane
from provisioning.aws import secrets
from provisioning.cluster import session as sessions
from stages.schema import create_schema
from tests.conftest import NewProject
from tests.isolation.attack_lists import attacks
from tests.isolation.attackers import Attacker, names_of_the_platform, version_of
from tests.isolation.conftest import Tenant, query
from tests.isolation.operations import OPERATIONS, Trapped
from tests.isolation.sessions_in import openers, recorded
from tests.stages import tenant_apis
from tests.stages.jobs import StagedJob, lambda_environment, open_job
from tests.stages.native_apis import APIS, SERVES
from tests.stages.realtime_login import realtime_with_its_login
from tests.stages.tenant_apis import StorageApi, native_service

pytestmark = pytest.mark.slow

SPRUNG = re.compile(r"LOG:  sprung: (.*)")
AS_ITSELF = re.compile(r"own[ _]\w+ by tenant_([a-z]{20})_login as tenant_\1_(owner|login) in .*")
"""What a tenant has attached to a table is called where the platform uses the table, over the tenant's own login."""
PREPARED = "BEGIN; SELECT txid_current(); PREPARE TRANSACTION 'of the trapped'"
ELSEWHERE = {
    "cluster/blocking.attempt": "the register",
    "cluster/preparation.prepare_cluster": "postgres and the register",
    "control_plane/connection.kept_or_new": "the control plane",
    "examination/clusters.reading": "the register, and the one in the admin's secret",
    "probe.enter": "the register",
    "probe.read_only": "the control plane",
    "services/timed_connections._connected": "none: it is HTTP",
    "upkeep/migrate.apply_migrations": "the control plane",
    "upkeep/migrate.durability_warning": "the control plane",
    "upkeep/migrate.pending_migrations": "the control plane",
}
"""Functions that open sessions only in databases of the platform: their names, and in which."""

Springs = dict[str, list[str]]


@pytest.fixture(scope="module")
def opened() -> Iterator[dict[str, set[str]]]:
    """In which databases each function opened sessions during the operations."""
    with recorded() as found:
        yield found


@pytest.fixture(scope="module")
def trapped(stack: Stack, new_project: NewProject) -> Iterator[Trapped]:
    """The two tenants, and the services that they are registered with."""
    storage, pooler = SERVES["storage"], SERVES["pooler"]
    with (
        pytest.MonkeyPatch.context() as monkeypatch,
        lambda_environment(),
        realtime_with_its_login(stack, monkeypatch) as realtime,
        native_service(stack, monkeypatch, "storage", storage, APIS[storage]),
        native_service(stack, monkeypatch, "pooler", pooler, APIS[pooler]),
    ):
        # What a service's own sessions meet in the tenant's database is between the two.
        monkeypatch.setattr(realtime, "migrate", lambda _: True)
        monkeypatch.setattr(tenant_apis, "signs_in", lambda _: True)
        monkeypatch.setattr(StorageApi, "migrate", lambda *_: True)
        job, rolled_back = trap(stack, new_project(), PREPARED), trap(stack, new_project())
        yield Trapped(stack, job, rolled_back, secrets.read(job.names.secret))


@pytest.fixture(scope="module")
def sprung(trapped: Trapped, opened: dict[str, set[str]]) -> Springs:
    """What each operation made the server log of traps."""
    found: Springs = {}
    for name, operate in OPERATIONS.items():
        before = len(springs(trapped.stack))
        operate(trapped)
        found[name] = springs(trapped.stack)[before:]
    return found


def trap(stack: Stack, project_id: str, *before: str) -> StagedJob:
    """Return a job whose tenant has sent these statements and then set every trap."""
    job = open_job(project_id)
    job.run_until(create_schema)
    tenant = Tenant(project_id, job.names, secrets.read(job.names.secret), [])
    with closing(tenant.connect()) as session:
        for statement in before:
            query(session, statement)
    with closing(Attacker(tenant, names_of_the_platform(stack))) as attacker:
        for attack in attacks("traps"):
            # Committed, where test_attacks.py rolls back.
            expected = frozenset("harmless" if answer == "open" else answer for answer in attack.expected)
            committed = attack._replace(expected=expected)
            assert attacker.send(committed) in committed.expected_of(version_of(stack)), attack.text
    return job


def springs(stack: Stack) -> list[str]:
    return SPRUNG.findall((stack.state_directory / "postgres" / "postgres.log").read_text(errors="replace"))


@pytest.mark.parametrize("operation", OPERATIONS)
def test_no_trap_springs_when_the_platform_works_on_the_tenant(sprung: Springs, operation: str) -> None:
    assert [spring for spring in sprung[operation] if not AS_ITSELF.fullmatch(spring)] == []


def test_a_trap_on_a_table_of_the_tenants_springs_with_the_tenants_own_rights(sprung: Springs) -> None:
    """The proof that the traps are set: the platform uses these tables, and so over the tenant's own login."""
    told = {spring.partition(" by ")[0] for spring in sprung["make its schema and extensions"]}
    assert told == {"own_trigger", "own rule", "own policy", "own default", "own check", "own index"}


def test_a_session_that_searched_the_tenants_schemas_would_spring_the_others(
    stack: Stack, trapped: Trapped, sprung: Springs
) -> None:
    assert sprung
    before = len(springs(stack))
    (cluster,) = control_plane.connect().clusters()
    with closing(sessions.connect(cluster, trapped.job.names.database)) as admin:
        query(admin, "SET search_path = tenant, pg_catalog")
        query(admin, "SELECT lower('x'::pg_catalog.text), count(1), 'x'::name = 'x'::pg_catalog.text")
    told = [spring.partition(" by ")[0] for spring in springs(stack)[before:]]
    assert told == ["lower(text)", "count(integer)", "operator ="]


def test_every_function_that_opens_a_session_in_a_tenants_database_is_called_by_an_operation(
    sprung: Springs, opened: dict[str, set[str]]
) -> None:
    """A new one fails here until a line of OPERATIONS calls it, or ELSEWHERE says where its sessions are."""
    assert sprung
    in_a_tenants = {function for function, databases in opened.items() if any(map(is_a_tenants, databases))}
    assert openers() - in_a_tenants == set(ELSEWHERE)


def is_a_tenants(database: str) -> bool:
    return re.fullmatch("tenant_[a-z]{20}", database) is not None
