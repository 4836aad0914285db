"""A session plans the ledger's statements once; after a round trip that failed it plans them anew."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from local.stack import Stack
from provisioning import kept_plans, postgres
from provisioning.control_plane import ControlPlane
from provisioning.errors import StatementRejected

ATTEMPT = {"job_id": "nobody", "stage": "finalizing", "attempt": 1}


@pytest.fixture
def control(stack: Stack) -> Iterator[ControlPlane]:
    """The control plane over a session of its own."""
    with closing(stack.postgres.connect("control_plane")) as session:
        session.autocommit = True
        yield ControlPlane(session)


def planned(control: ControlPlane) -> list[str]:
    with control.connection.cursor() as cursor:
        cursor.execute("SELECT name FROM pg_prepared_statements ORDER BY name")
        return [name for (name,) in cursor.fetchall()]


@pytest.mark.parametrize("name", sorted(kept_plans.KEPT))
def test_what_is_kept_is_one_statement_of_known_parameters(name: str) -> None:
    text = postgres.statement(name)
    assert sum(line.rstrip().endswith(";") for line in text.splitlines()) == 1
    assert set(kept_plans.PARAMETER.findall(text)) <= set(kept_plans.TYPES)


def test_a_statement_is_planned_once(control: ControlPlane) -> None:
    for _ in range(2):
        assert control.fetch_one("check_attempt", **ATTEMPT) is None
    assert planned(control) == ["check_attempt_0"]


def test_after_a_failure_it_is_planned_anew_whether_it_had_been_planned_or_not(control: ControlPlane) -> None:
    refused = {"project_id": None, "organization_id": None, "owner_id": None, "region": None}
    with pytest.raises(StatementRejected):
        control.fetch_one("create_project", "check_attempt", **ATTEMPT, **refused)
    assert control.fetch_one("check_attempt", **ATTEMPT) is None
    with pytest.raises(StatementRejected):
        control.fetch_one("check_attempt", "create_project", **ATTEMPT, **refused)
    assert control.fetch_one("check_attempt", **ATTEMPT) is None
    assert planned(control) == ["check_attempt_0", "check_attempt_1", "check_attempt_2"]


def test_an_attempt_that_dies_on_its_way_leaves_nothing_that_could_be_taken_for_planned(control: ControlPlane) -> None:
    with pytest.raises(KeyboardInterrupt), kept_plans.round_trip(control.connection, ["check_attempt"]):
        raise KeyboardInterrupt
    assert control.fetch_one("check_attempt", **ATTEMPT) is None
