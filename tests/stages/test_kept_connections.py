"""If a warm environment has lost its connections, the next attempt replaces them and counts as one attempt."""

import pytest

from local.stack import Stack
from provisioning.errors import StatementRejected
from stages.database import create_database
from stages.schema import create_schema
from tests.conftest import NewProject
from tests.executions.looking import look
from tests.stages.jobs import execute, open_job

END_SESSIONS = """
    SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity
    WHERE pid <> pg_backend_pid() AND starts_with(application_name, 'provisioner')
        AND datname IN ('control_plane', 'provisioner_register')
"""


def test_sessions_that_the_server_ended_are_replaced_within_the_attempt(stack: Stack, new_project: NewProject) -> None:
    open_job(new_project()).run(create_database)
    job = open_job(new_project())
    assert execute(stack, "postgres", END_SESSIONS)[0][0] >= 2
    job.run(create_database)
    execute(stack, "postgres", END_SESSIONS)
    job.run(create_schema)
    steps = {step["stage"]: step for step in look(stack, job.project_id).steps[job.job_id]}
    assert [
        (steps[stage]["status"], steps[stage]["attempt"]) for stage in ("creating_database", "creating_schema")
    ] == [("succeeded", 1)] * 2


def test_verifying_a_project_replaces_a_session_that_the_server_ended(stack: Stack, new_project: NewProject) -> None:
    open_job(new_project())
    execute(stack, "postgres", END_SESSIONS)
    assert open_job(new_project()).run(create_database)["name"]


def test_a_statement_that_fails_in_the_middle_leaves_no_transaction_open(stack: Stack, new_project: NewProject) -> None:
    job = open_job(new_project())
    job.run(create_database)
    execute(
        stack, "control_plane", "ALTER TABLE control_plane.audit_log ADD CONSTRAINT nothing CHECK (false) NOT VALID"
    )
    try:
        for _ in range(2):
            with pytest.raises(StatementRejected, match="nothing"):
                job.run(create_schema)
    finally:
        execute(stack, "control_plane", "ALTER TABLE control_plane.audit_log DROP CONSTRAINT nothing")
    job.run(create_schema)
