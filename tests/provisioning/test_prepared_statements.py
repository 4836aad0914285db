"""A session plans the ledger's statements once, and again after a failed round trip."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from local.stack import Stack
from provisioning import control_plane
from provisioning.control_plane import ControlPlane, prepared_statements
from provisioning.errors import StatementRejected
from provisioning.ledger.attempt import QUERIES, Work

PREPARED, REFUSED = QUERIES["find_work"], control_plane.QUERIES["record_project"]
KEY = {"job_id": "nobody", "stage": "finalizing"}


@pytest.fixture
def control(stack: Stack) -> Iterator[ControlPlane]:
    """The control plane over a separate session."""
    with closing(stack.postgres.connect("control_plane")) as session:
        session.autocommit = True
        yield ControlPlane(session)


def prepared(control: ControlPlane) -> list[str]:
    with control.connection.cursor() as cursor:
        cursor.execute("SELECT name FROM pg_prepared_statements ORDER BY name")
        return [name for (name,) in cursor.fetchall()]


def test_a_statement_is_prepared_once(control: ControlPlane) -> None:
    for _ in range(2):
        assert control.fetch_one(Work, PREPARED, **KEY) is None
    assert prepared(control) == ["find_work_0"]


def test_a_statement_without_typed_parameters_is_not_prepared(control: ControlPlane) -> None:
    control.execute(QUERIES["find_job_status"], stages=[], failed_stage="", **KEY)
    assert prepared(control) == []


def test_each_session_prepares_its_own(stack: Stack, control: ControlPlane) -> None:
    control.execute(PREPARED, **KEY)
    with closing(stack.postgres.connect("control_plane")) as session:
        session.autocommit = True
        assert ControlPlane(session).fetch_one(Work, PREPARED, **KEY) is None


def test_a_prepared_statement_takes_every_value_as_it_is(control: ControlPlane) -> None:
    for job_id in ("it's", "%s", "a\\b", "$1", '"'):
        assert control.fetch_one(Work, PREPARED, job_id=job_id, stage="finalizing") is None


def test_after_a_failure_it_is_prepared_again_whether_it_had_been_or_not(control: ControlPlane) -> None:
    refused = {"project_id": None, "organization_id": None, "owner_id": None, "region": None}
    with pytest.raises(StatementRejected):
        control.execute(REFUSED, PREPARED, **KEY, **refused)
    assert control.fetch_one(Work, PREPARED, **KEY) is None
    with pytest.raises(StatementRejected):
        control.execute(PREPARED, REFUSED, **KEY, **refused)
    assert control.fetch_one(Work, PREPARED, **KEY) is None
    assert prepared(control) == ["find_work_0", "find_work_1", "find_work_2"]


def test_an_attempt_that_dies_on_its_way_leaves_nothing_taken_for_prepared(control: ControlPlane) -> None:
    with pytest.raises(KeyboardInterrupt), prepared_statements.round_trip(control.connection, [PREPARED]):
        raise KeyboardInterrupt
    assert control.fetch_one(Work, PREPARED, **KEY) is None
