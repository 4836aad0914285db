"""Whole jobs of the fault tests: with every service, on the stack that all tests share."""

import uuid
from typing import Any

from local.stack import Stack
from provisioning import control_plane
from provisioning.control_plane import Project
from tests.executions.rolling_back import Outcome, roll_back_again
from tests.executions.worlds import look, problems_after_last_look, problems_of_provisioned
from tests.faults.cells import ORGANIZATION, payload


def start_job(stack: Stack, project_id: str | None = None) -> str:
    """Make a project, start a job for it named "job-" and the project, and return the execution's ARN."""
    name = project_id or new_project()
    return stack.start_execution(payload(name), f"job-{name}")


def new_project() -> str:
    """Make a project and return its id."""
    project_id = f"p-{uuid.uuid4().hex[:12]}"
    control_plane.connect().record_project(Project(project_id, ORGANIZATION, "owner", "us-east-1"))
    return project_id


def roll_back(stack: Stack, project_id: str) -> Outcome:
    """Do what `provision rollback` does."""
    return roll_back_again(stack.client("stepfunctions"), stack.state_machine_arn, f"job-{project_id}")


def problems_of(stack: Stack, project_id: str, execution: dict[str, Any]) -> list[str]:
    """Return what is wrong with the world that an ended execution must leave."""
    if execution["status"] == "SUCCEEDED":
        return problems_of_provisioned(look(stack, project_id), payload(project_id))
    return problems_after_last_look(stack, project_id)
