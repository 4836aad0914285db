"""Is the payload right, the project eligible, and which cluster has room? Opens the job, with a tenant.

There is no compensation: a job that came no further has made nothing, and closing one is "Record failure"'s work.
"""

import json
from typing import Any, NamedTuple

from provisioning import control_plane, queries
from provisioning.control_plane import BEGIN, COMMIT
from provisioning.errors import (
    ControlPlaneUnavailable,
    JobClosed,
    JobInProgress,
    ProjectNotEligible,
    ProjectNotFound,
    QuotaExceeded,
    RegionNotAvailable,
)
from provisioning.jobs.payload import Payload, parse_payload
from provisioning.jobs.provision_project import PROVISION_PROJECT
from provisioning.ledger.runner import Event, LambdaContext, Output, reporting
from provisioning.observability import measure_room
from provisioning.stage import Service, Stage
from provisioning.tenant import holding

QUERIES = queries.load(__file__)


class Opening(NamedTuple):
    """What decides whether a job may be opened."""

    project: dict[str, Any] | None
    opened: dict[str, Any] | None
    running: str | None
    clusters: list[dict[str, Any]]


class _Opened(NamedTuple):
    output: dict[str, Any]


def verify_project(event: Event, context: LambdaContext) -> Output:
    """Lambda handler. Takes {job_id, execution_arn, payload}, returns {job_id, project_id, tenant_id}."""
    del context
    with reporting(str(Stage.INITIALIZING), str(event["job_id"]), ControlPlaneUnavailable):
        return verify(event["job_id"], event["execution_arn"], event["payload"])


def verify(job_id: str, execution_arn: str, document: object) -> Output:
    """Open the job and choose its tenant, or return what it returned before when the job is open already.

    One transaction, in two round trips. Raises InvalidPayload, ProjectNotFound, ProjectNotEligible,
    JobInProgress, RegionNotAvailable or QuotaExceeded, and JobClosed when this very job has ended without
    success.
    """
    payload = parse_payload(document)
    declared = PROVISION_PROJECT.record(payload.project_id)
    facts = {"project_id": payload.project_id, "job_id": job_id, "region": payload.region, **payload.database._asdict()}
    asked = (BEGIN, QUERIES["lock_project"], QUERIES["lock_clusters"], QUERIES["find_opening"])
    control, found = control_plane.kept_or_new(lambda control: control.fetch_one(Opening, *asked, **facts, **declared))
    with control.transaction():
        if found is None:
            raise ControlPlaneUnavailable("the control plane gave no answer")
        if found.opened is not None:
            return _opened_before(found.opened, payload)
        _check_eligible(found, payload)
        opened = control.fetch_one(
            _Opened,
            QUERIES["record_job"],
            QUERIES["claim_project"],
            QUERIES["record_opened"],
            holding.QUERIES["record_superseded"],
            holding.QUERIES["claim_tenant"],
            QUERIES["record_steps"],
            COMMIT,
            QUERIES["find_opened"],
            execution_arn=execution_arn,
            payload=payload.as_document(),
            progress_percent=100 // len(PROVISION_PROJECT.steps),
            steps=json.dumps(_steps(payload)),
            **declared,
            **holding.choice(job_id, payload.project_id, _pick_cluster(found.clusters, payload)),
        )
    if opened is None:
        raise ControlPlaneUnavailable("the control plane did not keep the job")
    return opened.output


def _opened_before(job: dict[str, Any], payload: Payload) -> Output:
    if job["project_id"] != payload.project_id or job["status"] not in ("running", "succeeded"):
        raise JobClosed(f"the job is {job['status']}: start a new one")
    output: Output = job["output"]
    return output


def _check_eligible(found: Opening, payload: Payload) -> None:
    project = found.project
    if (
        project is None
        or payload.organization_id not in (None, project["organization_id"])
        or payload.owner_id not in (None, project["owner_id"])
    ):
        raise ProjectNotFound(f"there is no project {payload.project_id} of this organization and owner")
    if project["status"] == PROVISION_PROJECT.on_success:
        raise ProjectNotEligible(f"the project {payload.project_id} is active already")
    if found.running is not None:
        raise JobInProgress(f"the job {found.running} is provisioning the project {payload.project_id}")
    if project["status"] not in PROVISION_PROJECT.opens_in:
        raise ProjectNotEligible(f"the project {payload.project_id} is {project['status']}")


def _pick_cluster(matching: list[dict[str, Any]], payload: Payload) -> str:
    wanted = payload.database
    if not matching:
        raise RegionNotAvailable(
            f"no cluster in {payload.region} offers {wanted.engine} {wanted.version} as {wanted.size}"
        )
    measure_room(matching[0]["room"])
    if matching[0]["room"] <= 0:
        raise QuotaExceeded(f"every cluster for {wanted.engine} {wanted.version} in {payload.region} is full")
    return str(matching[0]["cluster_id"])


def _steps(payload: Payload) -> list[dict[str, Any]]:
    unwanted = {service.stage for service in Service if not payload.services[service]}
    return [
        {
            "stage": str(step.stage),
            "position": position,
            "status": "succeeded" if position == 0 else "skipped" if step.stage in unwanted else "pending",
        }
        for position, step in enumerate(PROVISION_PROJECT.steps)
    ]
