"""Nothing that a tenant sends keeps its own database, or another's, from being closed, and nobody stays in it."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from local.stack import Stack
from tests.conftest import NewProject
from tests.isolation.attack_lists import Attack, parameters
from tests.isolation.attackers import Attacker, names_of, names_of_the_platform
from tests.isolation.conftest import Tenant
from tests.stages import suspending
from tests.stages.jobs import lambda_environment
from tests.stages.suspending import inside, live_tenant

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def leaving(stack: Stack, new_project: NewProject) -> Iterator[suspending.Tenant]:
    """A tenant that is suspended and resumed again and again."""
    with lambda_environment():
        yield live_tenant(stack, new_project())


@pytest.mark.parametrize("attack", parameters("own_suspension"))
def test_a_tenant_does_not_keep_its_own_database_open(
    stack: Stack, victim: Tenant, leaving: suspending.Tenant, attack: Attack
) -> None:
    names = names_of_the_platform(stack) | names_of("victim", victim.names)
    itself = Tenant(leaving.project_id, leaving.names, leaving.document, [])
    with closing(Attacker(itself, names)) as attacking:
        assert attacking.send(attack) == "open"
        leaving.suspend()
        assert inside(leaving) == []
    leaving.resume()


@pytest.mark.parametrize("attack", parameters("suspended"))
def test_a_tenant_does_not_keep_anothers_database_open(
    stack: Stack, attacker: Tenant, leaving: suspending.Tenant, attack: Attack
) -> None:
    names = names_of_the_platform(stack) | names_of("victim", leaving.names)
    with closing(Attacker(attacker, names)) as attacking:
        assert attacking.send(attack) == "open"
        leaving.suspend()
        assert inside(leaving) == []
    leaving.resume()
