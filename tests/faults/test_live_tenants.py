"""Not a byte of a live tenant changes, whatever jobs, failures and duplicates its cluster sees."""

import json
import os
import uuid
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from psycopg2 import sql

from local.stack import Stack
from provisioning import control_plane
from provisioning.control_plane import Project
from tests.executions.running import HANDLERS, SERVICES, execute, payload_for, run
from tests.executions.stage_faults import STAGES, Fault, failing
from tests.executions.worlds import look, problems_after_last_look, problems_of_provisioned
from tests.faults.live_tenants import everything_of, tenant_of, write_something

pytestmark = pytest.mark.slow

SPELLINGS = ("a-b{}", "a_b{}", "A-B{}", "A_B{}", "a-b-{}")
"""Ids that differ only in case and punctuation, so that a name derived from one could collide with another's."""

FORWARD = [name for name in HANDLERS if name.startswith(("Create", "Register", "Generate", "Finalize"))]
COMPENSATIONS = ["RevokeApiKeysFunction", "DeregisterServicesFunction", "DropDatabaseFunction"]


@dataclass
class Known:
    """A project of this run: its jobs, and what it was when it became active."""

    project_id: str
    payload: dict[str, Any]
    jobs: list[str]
    sacred: dict[str, Any] | None = None


class LiveTenants(RuleBasedStateMachine):
    """Any sequence of jobs, failures, retries and duplicates over a few projects whose ids nearly collide."""

    stack: Stack

    @initialize()
    def make_projects(self) -> None:
        suffix = uuid.uuid4().hex[:8]
        self.projects = []
        for spelling in SPELLINGS:
            project_id = spelling.format(suffix)
            control_plane.connect().record_project(Project(project_id, "org-test", "user-test", "us-east-1"))
            self.projects.append(Known(project_id, payload_for(project_id, *SERVICES), []))

    @rule(number=st.integers(0, len(SPELLINGS) - 1))
    def a_job_runs(self, number: int) -> None:
        known = self.projects[number]
        status = self._run(known)
        assert status == ("SUCCEEDED" if known.sacred is None else "FAILED")
        self._take_note(known)

    @rule(
        number=st.integers(0, len(SPELLINGS) - 1),
        stage=st.sampled_from(list(STAGES)),
        fault=st.sampled_from(Fault),
        times=st.sampled_from((1, 2, 3)),
    )
    def a_job_runs_into_a_fault(self, number: int, stage: str, fault: Fault, times: int) -> None:
        known = self.projects[number]
        with failing(self.stack, STAGES[stage], fault, times):
            status = self._run(known)
        if known.sacred is None and times < 3:
            assert status == "SUCCEEDED"
        self._take_note(known)

    @rule(number=st.integers(0, len(SPELLINGS) - 1), function=st.sampled_from(FORWARD + COMPENSATIONS))
    def an_event_of_an_earlier_job_is_delivered_once_more(self, number: int, function: str) -> None:
        for job_id in self.projects[number].jobs:
            self.stack.runtime.invoke(function, json.dumps({"job_id": job_id}))

    @rule(number=st.integers(0, len(SPELLINGS) - 1))
    def an_earlier_job_is_rolled_back_once_more(self, number: int) -> None:
        for job_id in self.projects[number].jobs:
            run(self.stack, {"rolls_back": job_id})

    @rule(size=st.sampled_from((0, 2)))
    def upkeep_runs(self, size: int) -> None:
        with patch.dict(os.environ, {"POOL_SIZE": str(size)}):
            assert not self.stack.runtime.invoke("RefillPoolsFunction", "{}").failed
        assert not self.stack.runtime.invoke("ReconcileFunction", "{}").failed

    @rule(number=st.integers(0, len(SPELLINGS) - 1), other=st.integers(0, len(SPELLINGS) - 1))
    def a_job_of_one_project_is_started_again_for_another(self, number: int, other: int) -> None:
        if number == other or not self.projects[number].jobs:
            return
        event = {
            "job_id": self.projects[number].jobs[-1],
            "execution_arn": "arn:again",
            "payload": self.projects[other].payload,
        }
        assert self.stack.runtime.invoke("VerifyProjectFunction", json.dumps(event)).failed

    @invariant()
    def no_live_tenant_has_changed(self) -> None:
        for known in getattr(self, "projects", []):
            if known.sacred is not None:
                assert everything_of(self.stack, known.project_id) == known.sacred

    @invariant()
    def every_other_project_has_nothing(self) -> None:
        for known in getattr(self, "projects", []):
            if known.sacred is None and known.jobs:
                assert problems_after_last_look(self.stack, known.project_id) == []

    def _run(self, known: Known) -> str:
        ran = run(self.stack, known.payload)
        known.jobs.append(ran.job_id)
        return ran.status

    def _take_note(self, known: Known) -> None:
        world = look(self.stack, known.project_id)
        assert world.project is not None
        if known.sacred is None and world.project["status"] == "active":
            assert problems_of_provisioned(world, known.payload) == []
            write_something(self.stack, known.project_id)
            known.sacred = everything_of(self.stack, known.project_id)


@pytest.mark.timeout(300)
def test_no_sequence_of_jobs_and_failures_changes_a_live_tenant(stack: Stack) -> None:
    machine = type("OnThisStack", (LiveTenants,), {"stack": stack})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=6,
            stateful_step_count=12,
            deadline=None,
            derandomize=True,
            # A sequence takes a minute of jobs, so none is repeated in search of a shorter one.
            phases=[Phase.generate],
            print_blob=False,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.parametrize(
    ("what", "changes"),
    [
        ("a row of a table", "INSERT INTO tenant.notes VALUES ('x')"),
        ("a row that is written again as it was", "UPDATE tenant.notes SET note = note"),
        ("the catalog", "CREATE TABLE tenant.more ()"),
        ("a privilege", "GRANT SELECT ON tenant.users TO PUBLIC"),
        ("a role", "ALTER ROLE {login} CONNECTION LIMIT 7"),
        ("a password", "ALTER ROLE {login} PASSWORD 'other'"),
        ("a setting", "ALTER ROLE {login} SET work_mem = '1MB'"),
        ("a membership", "GRANT {owner} TO provisioner_admin"),
        ("the database", "ALTER DATABASE {database} CONNECTION LIMIT 7"),
        ("a comment", "COMMENT ON DATABASE {database} IS 'other'"),
    ],
)
def test_a_change_of_a_live_tenant_would_be_seen(stack: Stack, project_id: str, what: str, changes: str) -> None:
    assert run(stack, payload_for(project_id)).status == "SUCCEEDED"
    write_something(stack, project_id)
    name, before = f"tenant_{tenant_of(stack, project_id)}", everything_of(stack, project_id)
    assert everything_of(stack, project_id) == before
    names = {"login": f"{name}_login", "owner": f"{name}_owner", "database": name}
    identifiers = {key: sql.Identifier(value) for key, value in names.items()}
    execute(stack, sql.SQL(changes).format(**identifiers), name)
    assert everything_of(stack, project_id) != before, what
