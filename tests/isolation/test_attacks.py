"""Two tenants send every line of attacks/, each with its issued credentials, while a third is at work.

Each line is refused as it says, or is harmless: the third tenant's work goes on while what the line began is open.
"""

from collections.abc import Iterator
from contextlib import closing

import psycopg2
import pytest
from psycopg2 import sql

from local.stack import Stack
from tests.executions.running import execute
from tests.isolation.attack_lists import GROUPS, SUCCESSES, Attack, parameters
from tests.isolation.attackers import LONGEST_ROUND_SECONDS, Attacker, Work, names_of, names_of_the_platform, version_of
from tests.isolation.conftest import Tenant, query

SLOT = "of_the_victim"
PREPARED = "of the victim"


@pytest.fixture(scope="module")
def work(stack: Stack, victim: Tenant) -> Iterator[Work]:
    """The third tenant's work, a slot in its database, and a transaction that it has prepared."""
    slot = sql.Literal(SLOT)
    make = sql.SQL("SELECT pg_create_logical_replication_slot({}, 'pgoutput')").format(slot)
    execute(stack, make, victim.names.database)
    session = victim.connect()
    prepare = sql.SQL("BEGIN; SELECT txid_current(); PREPARE TRANSACTION {}").format(sql.Literal(PREPARED))
    query(session, prepare)
    with Work(victim) as working:
        yield working
    # Both are still there, so nobody has ended them.
    execute(stack, sql.SQL("SELECT pg_drop_replication_slot({})").format(slot))
    query(session, sql.SQL("ROLLBACK PREPARED {}").format(sql.Literal(PREPARED)))
    session.close()


@pytest.fixture(scope="module")
def attackers(stack: Stack, attacker: Tenant, ally: Tenant, victim: Tenant, work: Work) -> Iterator[list[Attacker]]:
    names = names_of_the_platform(stack) | names_of("victim", victim.names)
    names |= {"victim_pid": work.pid, "victim_slot": SLOT, "victim_transaction": PREPARED}
    pairs = ((attacker, ally), (ally, attacker))
    both = [Attacker(one, names | names_of("ally", other.names)) for one, other in pairs]
    yield both
    for each in both:
        each.close()


@pytest.fixture(scope="module")
def version(stack: Stack) -> int:
    return version_of(stack)


@pytest.mark.parametrize("attack", parameters(*GROUPS))
def test_it_is_refused_or_harms_nobody(attack: Attack, attackers: list[Attacker], work: Work, version: int) -> None:
    answers = {attacker.send(attack) for attacker in attackers}
    assert answers <= attack.expected_of(version)
    # Work that a refused line has ended fails at the next that succeeds.
    if answers & set(SUCCESSES):
        work.must_go_on()


def test_the_third_tenants_work_has_gone_on_all_the_time(stack: Stack, victim: Tenant, work: Work) -> None:
    work.must_go_on()
    assert max(work.rounds) < LONGEST_ROUND_SECONDS
    ((rows,),) = execute(stack, "SELECT count(*) FROM tenant.work", victim.names.database)
    assert rows >= len(work.rounds) > 2


def test_work_that_a_lock_holds_up_would_be_noticed(stack: Stack, ally: Tenant) -> None:
    """The proof that these tests can fail: a superuser can do what no tenant can."""
    with Work(ally) as working, closing(stack.postgres.connect(ally.names.database)) as superuser:
        working.must_go_on()
        query(superuser, "BEGIN; LOCK TABLE pg_shdepend IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(psycopg2.errors.LockNotAvailable):
            working.must_go_on()
