"""Decide whether a job may be opened for its project, and for which tenant, and open it.

There is no compensation: a job that got no further has made nothing, and "Record failure" closes it.
"""

import json
from typing import Any, NamedTuple

from provisioning import control_plane, queries
from provisioning.control_plane import BEGIN, COMMIT, ControlPlane
from provisioning.errors import ControlPlaneUnavailable, JobClosed
from provisioning.handler import handler
from provisioning.jobs import opening, quotas
from provisioning.jobs.declaration import Declaration, JobPayload, TenantOf
from provisioning.jobs.eligibility import check_eligible
from provisioning.jobs.opening import Opening
from provisioning.jobs.payload import Placement
from provisioning.jobs.registry import DECLARATIONS
from provisioning.jobs.reused_names import asks_for, still_holds
from provisioning.ledger.runner import Event, LambdaContext, Output, reporting
from provisioning.observability import measure_room
from provisioning.stage import Stage
from provisioning.tenant import holding

QUERIES = queries.load(__file__)


class _Opened(NamedTuple):
    output: dict[str, Any]


@handler()
def verify_project(event: Event, context: LambdaContext) -> Output:
    """Lambda handler. Take {job_type, job_id, execution_arn, payload} and return {job_id, project_id, tenant_id}."""
    del context
    with reporting(str(Stage.INITIALIZING), str(event["job_id"]), ControlPlaneUnavailable):
        declared = DECLARATIONS[event["job_type"]]
        return verify(declared, event["job_id"], event["execution_arn"], event["payload"])


def verify(declared: Declaration, job_id: str, execution_arn: str, document: object) -> Output:
    """Open the job for its tenant, or return the recorded output if the job is already open.

    One transaction, in two round trips; in three if the payload names a plan, which is compared with what the job has
    then claimed. Raise InvalidPayload, what jobs.eligibility.check_eligible raises, OrganizationQuotaExceeded,
    RegionNotAvailable or ClusterFull, PlanStale in place of these if there is a plan, and JobClosed if the execution's
    name is that of another job, or of one that has ended: Step Functions forgets names after 90 days, and keeps them
    unique only within a state machine.
    """
    payload = declared.parse(document)
    # Only a job that gets a new tenant reads the clusters, and locks them, so that no other job takes the last place.
    is_placed = declared.tenant is TenantOf.NEW
    locks = [QUERIES["lock_project"]]
    if declared.adds:
        # Every job takes the locks in this order: its project, its organization, its clusters.
        locks.append(quotas.QUERIES["claim_organization"])
    if is_placed:
        locks.append(QUERIES["lock_clusters"])
    asked = (BEGIN, *locks, opening.QUERIES["find_opening"])
    facts = opening.facts(declared, payload, job_id)
    control, found = control_plane.kept_or_new(lambda control: control.fetch_one(Opening, *asked, **facts))
    with control.transaction():
        if found is None:
            raise ControlPlaneUnavailable("the control plane gave no answer")
        if found.opened is not None:
            return _opened_before(found.opened, declared, payload, found.project or {})
        with opening.as_planned(payload.plan_id):
            opened = _open(control, declared, payload, found, {"job_id": job_id, "execution_arn": execution_arn})
    if opened is None:
        raise ControlPlaneUnavailable("the control plane did not keep the job")
    return opened.output


def _open(
    control: ControlPlane, declared: Declaration, payload: JobPayload, found: Opening, job: dict[str, str]
) -> _Opened | None:
    status_on_failure = check_eligible(declared, payload, found.project, found.running)
    if declared.adds:
        quotas.check(found.usage, payload.storage_gb)
    tenant_queries, choice = _tenant(control, declared, payload, job["job_id"], found)
    facts = {
        **job,
        **declared.record(payload.project_id, status_on_failure),
        **choice,
        "retries": payload.retries,
        "project_id": payload.project_id,
        "payload": payload.as_document(),
        "adds": declared.adds,
        "storage_gb": payload.storage_gb,
        "progress_percent": 100 // len(declared.steps),
        "steps": json.dumps(_steps(declared, payload)),
    }
    claimed = [QUERIES["record_job"], QUERIES["claim_project"], *tenant_queries]
    if payload.plan_id is not None:
        # Imported here, because most jobs have no plan.
        from provisioning.planning import decision, plan

        taken = decision.taken(control, declared, payload, status_on_failure, claimed, facts)
        plan.check(payload.plan_id, taken)
        claimed = []
    return control.fetch_one(
        _Opened,
        *claimed,
        QUERIES["record_retried"],
        QUERIES["record_opened"],
        QUERIES["record_steps"],
        COMMIT,
        QUERIES["find_opened"],
        **facts,
    )


def _opened_before(job: dict[str, Any], declared: Declaration, payload: JobPayload, project: dict[str, Any]) -> Output:
    if not asks_for(declared, payload, job, project):
        raise JobClosed("the execution has the name of another job: start it under a new name")
    if job["status"] not in ("running", "succeeded"):
        raise JobClosed(f"the job is {job['status']}: start a new one")
    if job["status"] == "succeeded" and not still_holds(job, project):
        raise JobClosed("the job has succeeded, and its project has changed since: start a new one")
    output: Output = job["output"]
    return output


def _tenant(
    control: ControlPlane, declared: Declaration, payload: JobPayload, job_id: str, found: Opening
) -> tuple[list[queries.Query], dict[str, object]]:
    """Return the queries that give the job its tenant, and their parameters."""
    if declared.tenant is TenantOf.PROJECT:
        return [QUERIES["record_project_tenant"]], {}
    sent = [holding.QUERIES["record_superseded"], holding.QUERIES["claim_tenant"], holding.QUERIES["record_new_tenant"]]
    cluster_id = _pick_cluster(control, found.clusters, payload.placement)
    choice = holding.choice(job_id, payload.project_id, cluster_id)
    return sent, {name: value for name, value in choice.items() if name not in ("job_id", "project_id")}


def _pick_cluster(control: ControlPlane, matching: list[dict[str, Any]], wanted: Placement) -> str:
    if matching:
        measure_room(matching[0]["room"])
    opening.check_room(control, matching, wanted)
    return str(matching[0]["cluster_id"])


def _steps(declared: Declaration, payload: JobPayload) -> list[dict[str, Any]]:
    return [
        {
            "stage": str(step.stage),
            "position": position,
            "leaves": step.leaves,
            "status": "succeeded" if position == 0 else "skipped" if step.stage in payload.skipped else "pending",
        }
        for position, step in enumerate(declared.steps)
    ]
