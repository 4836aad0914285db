"""A live tenant is sacred: whatever jobs do around it, not a byte of it changes."""

import json
import uuid
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from local.stack import Stack
from provisioning import control_plane
from provisioning.control_plane import Project
from provisioning.naming import tenant_names
from stages.create_database import create_database, drop_database
from tests.executions.running import SERVICES, execute, payload_for, run
from tests.executions.stage_faults import STAGES, Fault, failing
from tests.executions.worlds import look, problems_of_provisioned, problems_of_rolled_back
from tests.faults.jobs import roll_back
from tests.faults.live_tenants import everything_of, of_cluster, write_something
from tests.stages.jobs import StagedJob, open_job

ORGANIZATION = "org-live"
EXAMPLES, STEPS = 6, 8
FUNCTIONS = (
    *("VerifyProjectFunction", "CreateDatabaseFunction", "CreateSchemaFunction", "RegisterAuthFunction"),
    *("GenerateApiKeysFunction", "FinalizeFunction"),
    *("RevokeApiKeysFunction", "DeregisterServicesFunction", "DropDatabaseFunction"),
)


def colliding(unique: str) -> list[str]:
    """Ids that are one another's prefix, differ in case or in a dash alone, or only past where a name is readable."""
    long = f"{unique}-abcdefghijklmnopqrstuvwxyz-abcdefghijklmnopqrstuvwxyz"[:63]
    return [
        f"{unique}-a",
        f"{unique}_a",
        f"{unique}-A",
        f"{unique}-a-",
        f"{unique}-a1",
        f"{long}1"[:64],
        f"{long}2"[:64],
    ]


class Tenants(RuleBasedStateMachine):
    """Jobs for projects whose ids nearly collide: in any order, failing anywhere, delivered again, rolled back."""

    stack: Stack

    def __init__(self) -> None:
        super().__init__()
        self.projects = colliding(f"p{uuid.uuid4().hex[:8]}")
        self.jobs: dict[str, list[str]] = {project_id: [] for project_id in self.projects}
        self.live: dict[str, dict[str, Any]] = {}
        for project_id in self.projects:
            control_plane.connect().create_project(Project(project_id, ORGANIZATION, "owner", "us-east-1"))

    @rule(which=st.integers(0, 6))
    def job(self, which: int) -> None:
        """A job that nothing fails; for a project that is active it is refused."""
        project_id = self.projects[which]
        expected = "FAILED" if project_id in self.live else "SUCCEEDED"
        assert self._run(project_id) == expected
        if expected == "SUCCEEDED":
            assert problems_of_provisioned(look(self.stack, project_id), self._payload(project_id)) == []
            write_something(self.stack, project_id)
            self.live[project_id] = everything_of(self.stack, project_id)

    @rule(
        which=st.integers(0, 6),
        stage=st.sampled_from(sorted(STAGES)),
        fault=st.sampled_from(list(Fault)),
        times=st.sampled_from([1, 2, 1_000]),
    )
    def failing_job(self, which: int, stage: str, fault: Fault, times: int) -> None:
        """A job with failures at one stage: retried, or rolled back."""
        project_id = self.projects[which]
        with failing(self.stack, STAGES[stage], fault, times):
            status = self._run(project_id)
        if project_id in self.live:
            assert status == "FAILED"
        elif status == "SUCCEEDED":
            write_something(self.stack, project_id)
            self.live[project_id] = everything_of(self.stack, project_id)
        else:
            assert problems_of_rolled_back(look(self.stack, project_id)) == []

    @precondition(lambda self: any(self.jobs.values()))
    @rule(data=st.data())
    def redelivery(self, data: st.DataObject) -> None:
        """An event of a job that has ended, delivered once more: a stage's or a compensation's."""
        job_id = data.draw(st.sampled_from([job_id for jobs in self.jobs.values() for job_id in jobs]))
        function = data.draw(st.sampled_from(FUNCTIONS))
        project_id = next(project_id for project_id, jobs in self.jobs.items() if job_id in jobs)
        event = {"job_id": job_id, "execution_arn": f"arn:{job_id}", "payload": self._payload(project_id)}
        self.stack.runtime.invoke(function, json.dumps(event))

    @precondition(lambda self: any(self.jobs.values()))
    @rule(data=st.data())
    def rollback_on_demand(self, data: st.DataObject) -> None:
        """`provision rollback` of any job that has ended."""
        job_id = data.draw(st.sampled_from([job_id for jobs in self.jobs.values() for job_id in jobs]))
        roll_back(self.stack, job_id.removeprefix("job-"))

    @invariant()
    def no_byte_of_a_live_tenant_has_changed(self) -> None:
        for project_id, before in self.live.items():
            after = everything_of(self.stack, project_id)
            assert {part for part in before if before[part] != after[part]} == set(), project_id

    def _run(self, project_id: str) -> str:
        job_id = f"job-{uuid.uuid4().hex[:12]}"
        self.jobs[project_id].append(job_id)
        return run(self.stack, self._payload(project_id), job_id).status

    def _payload(self, project_id: str) -> dict[str, Any]:
        return payload_for(project_id, *SERVICES, organization_id=ORGANIZATION)


@pytest.mark.timeout(400)
def test_no_sequence_of_jobs_changes_a_byte_of_a_live_tenant(stack: Stack) -> None:
    run_state_machine_as_test(
        type("TenantsOnTheStack", (Tenants,), {"stack": stack}),
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            derandomize=True,
            database=None,
        ),
    )


@pytest.mark.parametrize(
    ("what", "changes"),
    [
        ("a row of a table", "INSERT INTO tenant.notes VALUES ('x')"),
        ("a row that is written anew as it was", "UPDATE tenant.notes SET note = note"),
        ("the catalog", "CREATE TABLE tenant.more ()"),
        ("a privilege", "GRANT SELECT ON tenant.users TO PUBLIC"),
        ("a role", "ALTER ROLE {login} CONNECTION LIMIT 7"),
        ("a password", "ALTER ROLE {login} PASSWORD 'other'"),
        ("a setting", "ALTER ROLE {login} SET work_mem = '1MB'"),
        ("the database", "ALTER DATABASE {database} CONNECTION LIMIT 7"),
        ("the mark", "COMMENT ON DATABASE {database} IS 'other'"),
    ],
)
def test_a_change_of_a_live_tenant_would_be_seen(stack: Stack, project_id: str, what: str, changes: str) -> None:
    assert run(stack, payload_for(project_id)).status == "SUCCEEDED"
    write_something(stack, project_id)
    names, before = tenant_names(project_id), everything_of(stack, project_id)
    assert everything_of(stack, project_id) == before
    execute(stack, changes.format(login=names.login_role, database=names.database), names.database)
    assert everything_of(stack, project_id) != before, what


@pytest.fixture
def opened(project_id: str) -> StagedJob:
    """A job that has been opened and has done nothing."""
    return open_job(project_id)


@pytest.mark.parametrize("mark", [None, "by hand", "provisioner project={} job=another"])
@pytest.mark.parametrize("kind", ["database", "owner_role", "login_role"])
def test_what_does_not_carry_the_mark_of_the_job_is_never_altered_or_dropped(
    stack: Stack, opened: StagedJob, kind: str, mark: str | None
) -> None:
    name = getattr(opened.names, kind)
    what = "DATABASE" if kind == "database" else "ROLE"
    execute(stack, f"CREATE {what} {name}")
    try:
        if mark is not None:
            execute(stack, f"COMMENT ON {what} {name} IS '{mark.format(opened.project_id)}'")
        before = of_cluster(stack, opened.names)
        assert before
        with pytest.raises(Exception, match="was not created by this job") as raised:
            opened.run(create_database)
        assert type(raised.value).__name__ == "ResourceConflict"
        foreign = [row for row in of_cluster(stack, opened.names) if row in before]
        assert foreign == before
        opened.run(drop_database)
        assert of_cluster(stack, opened.names) == before
    finally:
        execute(stack, f"DROP {what} {name}")
