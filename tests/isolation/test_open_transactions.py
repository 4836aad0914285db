"""A tenant's open transaction, whatever it locks, delays no claim from the pool; its locks affect nobody else's."""

from collections.abc import Iterator
from contextlib import closing

import psycopg2
import pytest
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from local.bootstrap import ADMIN, CONTROL_PLANE_OWNER
from local.stack import Stack
from provisioning.cluster.session import REGISTER
from provisioning.identity import TenantNames
from stages.activation import finalize
from stages.database import create_database
from tests.conftest import NewProject
from tests.executions.running import execute
from tests.isolation.attack_lists import Attack, parameters
from tests.isolation.attackers import Attacker, names_of, names_of_the_platform
from tests.isolation.conftest import Tenant, query
from tests.stages.jobs import lambda_environment, open_job, refilled

LOCK_TIMEOUT = sql.SQL("ALTER ROLE {} {}")


@pytest.fixture(scope="module", autouse=True)
def impatient(stack: Stack) -> Iterator[None]:
    """Sessions of the platform that would rather fail than wait for a lock."""
    for role in (ADMIN, CONTROL_PLANE_OWNER):
        execute(stack, LOCK_TIMEOUT.format(sql.Identifier(role), sql.SQL("SET lock_timeout = '50ms'")))
    with lambda_environment():
        yield
    for role in (ADMIN, CONTROL_PLANE_OWNER):
        execute(stack, LOCK_TIMEOUT.format(sql.Identifier(role), sql.SQL("RESET lock_timeout")))


@pytest.mark.parametrize("attack", parameters("claims"))
def test_no_open_transaction_of_a_tenant_delays_a_claim_from_the_pool(
    stack: Stack, attacker: Tenant, new_project: NewProject, attack: Attack
) -> None:
    with refilled(stack):
        ready = "SELECT tenant_id FROM control_plane.tenants WHERE state = 'ready'"
        ((pooled,),) = execute(stack, ready, "control_plane")
        names = names_of_the_platform(stack) | names_of("victim", TenantNames(pooled))
        with closing(Attacker(attacker, names)) as attacking:
            assert attacking.send(attack) == "open"
            job = open_job(new_project())
            job.run_until(finalize)
            assert job.tenant_id == pooled
            assert attacking.is_in_a_transaction()


def test_the_locks_of_the_register_are_out_of_a_tenants_reach(
    attacker: Tenant, session: Connection, new_project: NewProject
) -> None:
    """A lock's key derives from a tenant_id, which every login can read; but advisory locks are per database."""
    with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
        attacker.connect(REGISTER)
    job = open_job(new_project())
    keys = [str(job.tenant_id), f"{job.job_id}/creating_database"]
    query(session, "SELECT pg_advisory_lock(hashtextextended(key, 0)) FROM unnest(%s) AS key", keys)
    job.run(create_database)
    held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND pid = pg_backend_pid()"
    assert query(session, held) == [(len(keys),)]
