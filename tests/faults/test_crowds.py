"""Concurrent jobs: for many projects, for one project, and a rollback beside a success."""

import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from unittest.mock import patch

import psycopg2
import pytest
from botocore.exceptions import ClientError
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from local.stack import Stack
from provisioning.errors import FinalizationFailed
from provisioning.ledger.job import Job
from provisioning.tenant import schema
from stages import activation
from tests.executions.looking import look
from tests.executions.running import ended, execute
from tests.executions.stage_faults import STAGES, Fault, failing
from tests.executions.worlds import problems_of_provisioned
from tests.faults.cells import payload
from tests.faults.jobs import new_project, problems_of, start_job

pytestmark = pytest.mark.slow

CROWD = 32


@pytest.mark.parametrize("ready", [0, CROWD], ids=["from nothing", "from the pool"])
def test_32_projects_are_provisioned_at_once(stack: Stack, ready: int) -> None:
    with patch.dict(os.environ, {"POOL_SIZE": str(ready)}):
        made = json.loads(stack.runtime.invoke("RefillPoolsFunction", "{}").payload)["made"]
    assert len(made) == ready
    projects = [new_project() for _ in range(CROWD)]
    executions = [start_job(stack, project_id) for project_id in projects]
    outcomes = [stack.wait(execution, timeout=110) for execution in executions]
    assert [outcome["status"] for outcome in outcomes] == ["SUCCEEDED"] * CROWD
    problems = {project_id: problems_of(stack, project_id, {"status": "SUCCEEDED"}) for project_id in projects}
    assert {project_id: found for project_id, found in problems.items() if found} == {}
    tenants = {str(look(stack, project_id).tenant["tenant_id"]) for project_id in projects}
    assert len(tenants) == CROWD
    assert tenants & set(made) == set(made)


def test_of_32_executions_for_one_project_one_wins_and_the_others_touch_nothing(stack: Stack) -> None:
    project_id = new_project()
    with ThreadPoolExecutor(CROWD) as pool:
        started = pool.map(
            lambda number: stack.start_execution(payload(project_id), f"{project_id}-{number}"), range(CROWD)
        )
        outcomes = [ended(stack, execution) for execution in started]
    winners = [ran for ran in outcomes if ran.status == "SUCCEEDED"]
    losers = [ran for ran in outcomes if ran.status == "FAILED"]
    assert (len(winners), len(losers)) == (1, CROWD - 1)
    # A job that starts after the winner's end finds an active project instead of one that is being provisioned.
    assert {ran.error for ran in losers} <= {"JobInProgress", "ProjectNotEligible"}
    assert "JobInProgress" in {ran.error for ran in losers}
    assert {tuple(ran.waits) for ran in losers} == {()}
    assert problems_of_provisioned(look(stack, project_id), payload(project_id)) == []


def test_a_rollback_beside_a_success_touches_only_its_own(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    failing, succeeding = [new_project() for _ in range(8)], [new_project() for _ in range(8)]
    real = activation.prove_services

    def fails_for_some(job: Job, ends_at: float) -> None:
        if job.project_id in failing:
            raise FinalizationFailed("this one fails")
        real(job, ends_at)

    monkeypatch.setattr(activation, "prove_services", fails_for_some)
    pairs = [project_id for pair in zip(failing, succeeding, strict=True) for project_id in pair]
    executions = [start_job(stack, project_id) for project_id in pairs]
    outcomes = [stack.wait(execution) for execution in executions]
    assert [outcome["status"] for outcome in outcomes] == ["FAILED", "SUCCEEDED"] * 8
    for project_id, outcome in zip(pairs, outcomes, strict=True):
        assert problems_of(stack, project_id, outcome) == []


def test_a_tenant_that_keeps_connecting_does_not_hold_up_its_databases_removal(stack: Stack) -> None:
    project_id = new_project()
    over = threading.Event()
    logins: list[int] = []

    def keep_connecting() -> None:
        with ExitStack() as sessions:
            while not over.is_set():
                try:
                    session = sessions.enter_context(closing(issued_connection(stack, project_id)))
                    logins.append(session.info.backend_pid)
                except (psycopg2.Error, ClientError, ValueError):
                    over.wait(0.002)

    tenant = threading.Thread(target=keep_connecting)
    with failing(stack, STAGES["finalizing"], Fault.ERROR):
        execution = start_job(stack, project_id)
        tenant.start()
        outcome = stack.wait(execution)
    over.set()
    tenant.join()
    assert logins
    assert outcome["status"] == "FAILED"
    assert problems_of(stack, project_id, outcome) == []


def issued_connection(stack: Stack, project_id: str) -> Connection:
    """Log in as the project's tenant. Raise ValueError until its secret is recorded."""
    asked = sql.SQL("SELECT secret_arn FROM control_plane.tenants WHERE project_id = {} AND secret_arn IS NOT NULL")
    ((arn,),) = execute(stack, asked.format(sql.Literal(project_id)), "control_plane")
    secret = stack.client("secretsmanager").get_secret_value(SecretId=arn)
    return schema.connect(json.loads(secret["SecretString"]))
