"""Raw API keys are shown once: the control plane decides to whom, and what is left of their secret is removed."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from threading import Barrier
from typing import NamedTuple

import pytest

from local.stack import Stack
from provisioning import control_plane
from provisioning.aws import secrets, secrets_manager
from provisioning.control_plane import ControlPlane
from provisioning.errors import JobClosed, ProjectNotEligible, ProjectNotFound, SecretsUnavailable
from provisioning.identity import Tenant, new_tenant_id
from provisioning.jobs.payload import parse_payload
from provisioning.jobs.provision_project import PROVISION_PROJECT
from provisioning.ledger.attempt import Attempt
from provisioning.ledger.job import Job
from provisioning.stage import Stage
from provisioning.tenant import holding
from provisioning.tenant.holding import LAST_LOOK_SECONDS
from provisioning.tenant.key_delivery import RevealedKey, find_due, look_again, reveal_api_keys
from stages.api_keys import generate
from tests.conftest import NewProject
from tests.provisioning.failing_secrets_manager import UNREACHABLE, refusing

AT_ONCE = 32
KEYS = [{"key_id": "k-1", "kind": "publishable", "key": "demo_publishable_1"}]
REVEALED = [RevealedKey("k-1", "publishable", "demo_publishable_1")]


class Died(BaseException):
    """The process is gone: nothing in it handles this."""


class Delivery(NamedTuple):
    """An active project whose keys wait in their secret."""

    control: ControlPlane
    project_id: str
    tenant: Tenant
    job_id: str

    @property
    def secret(self) -> str:
        return self.tenant.names.api_keys_secret(self.job_id)

    def is_due(self, seconds: int = 0) -> None:
        """Make the last look at the secret due that many seconds from now."""
        self._execute(
            "UPDATE control_plane.api_key_secrets SET look_again_at = look_again_at - %s * interval '1 second'"
            " WHERE tenant_id = %s",
            LAST_LOOK_SECONDS - seconds,
            self.tenant.tenant_id,
        )

    def actions(self) -> list[str]:
        statement = "SELECT action FROM control_plane.audit_log WHERE tenant_id = %s"
        return [str(row[0]) for row in self._execute(statement, self.tenant.tenant_id)]

    def has_look_ahead(self) -> bool:
        statement = "SELECT look_again_at IS NOT NULL FROM control_plane.api_key_secrets WHERE tenant_id = %s"
        return self._execute(statement, self.tenant.tenant_id) == [(True,)]

    def superseded_attempt_wakes(self) -> None:
        """Have an attempt generate the keys again, although another has finished its stage."""
        document = parse_payload({"project_id": self.project_id, "region": "us-east-1"}).as_document()
        job = Job(self.job_id, PROVISION_PROJECT.job_type, self.project_id, "org", "owner", document, self.tenant)
        with pytest.raises(JobClosed):
            generate(Attempt(self.control, Stage.GENERATING_API_KEYS, 1, job))

    def _execute(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        with self.control.connection.cursor() as cursor:
            cursor.execute(statement, values)
            return cursor.fetchall() if cursor.description else []


def looked_again(delivery: Delivery) -> list[str]:
    """Look at every secret that is due, and return the names of those found."""
    return [name for one in find_due(delivery.control, 100) for name in look_again(delivery.control, one)]


@pytest.fixture
def delivery(stack: Stack, new_project: NewProject) -> Iterator[Delivery]:
    project_id, tenant_id = new_project(), new_tenant_id()
    control = control_plane.connect()
    with closing(stack.postgres.connect("control_plane")) as superuser, superuser.cursor() as cursor:
        cursor.execute(
            "INSERT INTO control_plane.tenants (tenant_id, cluster_id, project_id, job_id, state)"
            " SELECT %s, min(cluster_id), %s, %s, 'active' FROM control_plane.clusters",
            (tenant_id, project_id, f"job-{tenant_id}"),
        )
        cursor.execute(
            "INSERT INTO control_plane.api_key_secrets (tenant_id, job_id) VALUES (%s, %s)",
            (tenant_id, f"job-{tenant_id}"),
        )
        cursor.execute("UPDATE control_plane.projects SET status = 'active' WHERE project_id = %s", (project_id,))
        tenant = holding.find(control, tenant_id)
        assert tenant is not None
        made = Delivery(control, project_id, tenant, f"job-{tenant_id}")
        secrets.create(made.secret, {"api_keys": KEYS}, description="Made by a test.", tags={})
        yield made
        cursor.execute("DELETE FROM control_plane.api_key_secrets WHERE tenant_id = %s", (tenant_id,))
        cursor.execute("DELETE FROM control_plane.tenants WHERE tenant_id = %s", (tenant_id,))
        cursor.execute("DELETE FROM control_plane.projects WHERE project_id = %s", (project_id,))
    secrets.remove(made.secret, removed_before=False)


def test_keys_are_shown_once_and_their_secret_is_gone(delivery: Delivery) -> None:
    assert reveal_api_keys(delivery.project_id) == REVEALED
    assert secrets.read_if_exists(delivery.secret) is None
    assert reveal_api_keys(delivery.project_id) == []


def test_a_reveal_is_in_the_audit_log_once(delivery: Delivery) -> None:
    reveal_api_keys(delivery.project_id)
    reveal_api_keys(delivery.project_id)
    assert delivery.actions() == ["API keys revealed"]


def test_of_32_who_ask_at_once_exactly_one_gets_the_keys(delivery: Delivery) -> None:
    together = Barrier(AT_ONCE)

    def ask(_: int) -> list[RevealedKey]:
        control_plane.connect()
        together.wait()
        return reveal_api_keys(delivery.project_id)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(ask, range(AT_ONCE)))
    assert sorted(answers, key=len) == [[]] * (AT_ONCE - 1) + [REVEALED]
    assert delivery.actions() == ["API keys revealed"]


@pytest.mark.parametrize("status", ["created", "provisioning", "failed"])
def test_a_project_that_is_not_active_keeps_its_keys(stack: Stack, delivery: Delivery, status: str) -> None:
    with closing(stack.postgres.connect("control_plane")) as superuser, superuser.cursor() as cursor:
        cursor.execute(
            "UPDATE control_plane.tenants SET state = 'claimed' WHERE tenant_id = %s", (delivery.tenant.tenant_id,)
        )
        cursor.execute(
            "UPDATE control_plane.projects SET status = %s WHERE project_id = %s", (status, delivery.project_id)
        )
    said = f"^the project {delivery.project_id} is {status}: keys are revealed while it is active$"
    with pytest.raises(ProjectNotEligible, match=said):
        reveal_api_keys(delivery.project_id)
    assert secrets.read(delivery.secret) == {"api_keys": KEYS}


@pytest.mark.usefixtures("stack")
def test_a_project_that_does_not_exist_has_no_keys() -> None:
    with pytest.raises(ProjectNotFound, match=r"^there is no project nobody$"):
        reveal_api_keys("nobody")


def test_keys_that_could_not_be_read_are_shown_to_the_next_who_asks(delivery: Delivery) -> None:
    with refusing("GetSecretValue", UNREACHABLE), pytest.raises(SecretsUnavailable):
        reveal_api_keys(delivery.project_id)
    assert not delivery.has_look_ahead()
    assert [reveal_api_keys(delivery.project_id) for _ in range(2)] == [REVEALED, []]


def test_keys_that_could_not_be_read_in_time_stay_revealed(delivery: Delivery) -> None:
    def fail_late(**_: object) -> None:
        delivery.is_due()
        raise UNREACHABLE

    events = secrets_manager.client().meta.events
    events.register_first("before-call.secrets-manager.GetSecretValue", fail_late)
    try:
        with pytest.raises(SecretsUnavailable):
            reveal_api_keys(delivery.project_id)
    finally:
        events.unregister("before-call.secrets-manager.GetSecretValue", fail_late)
    assert delivery.secret in looked_again(delivery)
    assert reveal_api_keys(delivery.project_id) == []


def test_keys_whose_secret_could_not_be_deleted_are_shown_and_it_is_removed_later(delivery: Delivery) -> None:
    with refusing("DeleteSecret", UNREACHABLE):
        assert reveal_api_keys(delivery.project_id) == REVEALED
    assert reveal_api_keys(delivery.project_id) == []
    delivery.is_due()
    assert delivery.secret in looked_again(delivery)
    assert secrets.read_if_exists(delivery.secret) is None


def test_a_reveal_that_dies_has_lost_the_keys_and_leaves_no_secret(delivery: Delivery) -> None:
    with refusing("GetSecretValue", Died()), pytest.raises(Died):
        reveal_api_keys(delivery.project_id)
    assert reveal_api_keys(delivery.project_id) == []
    delivery.is_due()
    assert delivery.secret in looked_again(delivery)
    assert secrets.read_if_exists(delivery.secret) is None


def test_a_secret_is_not_looked_for_again_before_the_last_attempt_has_ended(delivery: Delivery) -> None:
    reveal_api_keys(delivery.project_id)
    delivery.superseded_attempt_wakes()
    delivery.is_due(seconds=60)
    assert delivery.secret not in looked_again(delivery)
    assert secrets.read_if_exists(delivery.secret) is not None


def test_what_a_superseded_attempt_creates_after_a_reveal_is_removed(delivery: Delivery) -> None:
    reveal_api_keys(delivery.project_id)
    delivery.superseded_attempt_wakes()
    assert secrets.read_if_exists(delivery.secret) is not None
    delivery.is_due()
    assert delivery.secret in looked_again(delivery)
    assert secrets.read_if_exists(delivery.secret) is None


def test_what_a_superseded_attempt_creates_after_a_reveal_is_shown_to_nobody(delivery: Delivery) -> None:
    reveal_api_keys(delivery.project_id)
    delivery.superseded_attempt_wakes()
    assert reveal_api_keys(delivery.project_id) == []


def test_a_look_that_found_something_is_followed_by_one_that_must_find_nothing(delivery: Delivery) -> None:
    reveal_api_keys(delivery.project_id)
    delivery.superseded_attempt_wakes()
    delivery.is_due()
    looked_again(delivery)
    assert delivery.has_look_ahead()
    delivery.is_due()
    assert delivery.secret not in looked_again(delivery)
    assert not delivery.has_look_ahead()
