"""What a lost commit may leave: a whole world, or an ending that names what nobody knows; upkeep repairs the rest."""

import re
from dataclasses import replace
from typing import Any

from local.stack import Stack
from provisioning.cluster.creators import is_creator
from provisioning.jobs.executions import roll_back
from provisioning.jobs.registry import StepFunctions
from provisioning.jobs.resume_project import RESUME_PROJECT
from tests.executions.last_look import look_last
from tests.executions.rolling_back import wait_for_outcome
from tests.executions.suspended import problems_of_closed, problems_of_job, problems_of_open
from tests.executions.worlds import World, look, problems_of_gone, problems_of_provisioned
from tests.faults.cells import payload
from tests.faults.kinds import Job

LOOKS = 3


class Judge:
    """Look at the world of one job of a project that has ended, given the world of the project's live tenant."""

    def __init__(self, stack: Stack, project_id: str, job: Job, job_id: str, before: World) -> None:
        self._stack = stack
        self._project_id = project_id
        self._job = job
        self._job_id = job_id
        self._before = before

    def problems(self, execution: dict[str, Any]) -> list[str]:
        """Return what breaks the promise."""
        succeeded, cause = execution["status"] == "SUCCEEDED", str(execution.get("cause"))
        if succeeded and self._job.is_rolled_back:
            return ["it succeeded although its last stage fails"]
        world = look(self._stack, self._project_id)
        if succeeded:
            return self._problems_of_success(world)
        problems = [] if cause.count("\n") == 0 and len(cause) > 10 else [f"the cause is {cause!r}"]
        # Of a job that failed in its first stage the ending says nothing, because it has made nothing.
        if "Nothing is left" in cause or cause.startswith("failed: initializing failed"):
            return problems + self._problems_of_nothing(world)
        if not re.search(r"Still there: |Not known whether ", cause):
            return [*problems, f"the ending says nothing of what is left: {execution.get('error')}: {cause}"]
        return problems + self._problems_of_repair()

    def _problems_of_success(self, world: World) -> list[str]:
        if self._job.makes_tenant:
            return problems_of_provisioned(world, payload(self._project_id, self._job.size))
        problems = self._problems_of_live(world, "SUCCEEDED")
        if problems or not self._job.leaves_closed(succeeded=True):
            return problems
        # What was recorded of the access shows only when the tenant is opened again.
        self._stack.run(
            {"project_id": self._project_id}, f"resumed-{self._job_id}", timeout=120, job_type=RESUME_PROJECT.job_type
        )
        world = look(self._stack, self._project_id)
        return problems_of_open(replace(world, roles=_without_creators(world.roles)), self._before)

    def _problems_of_live(self, world: World, status: str) -> list[str]:
        problems = problems_of_job(world, self._job.declared, self._job_id, status)
        world = replace(world, roles=_without_creators(world.roles))
        if self._job.leaves_closed(succeeded=status == "SUCCEEDED"):
            return problems + problems_of_closed(self._stack, world, self._before, had_prepared=False)
        return problems + problems_of_open(world, self._before)

    def _problems_of_nothing(self, world: World) -> list[str]:
        if not self._job.makes_tenant:
            return self._problems_of_live(world, "FAILED")
        for _ in range(LOOKS):
            look_last(self._stack, self._project_id)
        problems = problems_of_gone(look(self._stack, self._project_id))
        # A job whose opening is lost is rolled back where it would be "failed" if it had never been opened.
        return [one for one in problems if one != "the job is rolled_back"]

    def _problems_of_repair(self) -> list[str]:
        """Of what an ending names, upkeep or a rollback by hand repairs what anybody knows; the rest stays named."""
        for _ in range(LOOKS):
            look_last(self._stack, self._project_id)
        if (found := look(self._stack, self._project_id).job) is not None and found["status"] == "rollback_incomplete":
            place = StepFunctions(self._stack.client("stepfunctions"), self._stack.state_machine_arn)
            again = roll_back(self._job.job_type, self._job_id, place)
            outcome = wait_for_outcome(place.client, again.execution_arn)
            if not outcome.clean:
                return self._problems_of_unknown(outcome.text)
        return self._problems_of_nothing(look(self._stack, self._project_id))

    def _problems_of_unknown(self, cause: str) -> list[str]:
        """Whatever is left is named by its tenant in an ending that nobody can complete."""
        for _ in range(LOOKS):
            look_last(self._stack, self._project_id)
        left = {row["tenant_id"] for row in look(self._stack, self._project_id).tenants if row["state"] != "gone"}
        named = set(re.findall("[a-z]{20}", cause))
        if "Not known whether " not in cause and "has lost the access that tenant " not in cause:
            return [f"rolled back again: {cause}"]
        return [f"tenants {left - named} are not named by: {cause}"] if left - named else []


def _without_creators(roles: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A cluster may lose that a creator has left a tenant's roles, until it joins and leaves them the next time."""
    return [{**role, "used_by": [one for one in role["used_by"] if not is_creator(one)]} for role in roles]
