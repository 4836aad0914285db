"""Stage 1: is the payload right, is the project eligible, and which cluster has room? Opens the job if so.

There is no compensation: a job that was not opened has made nothing, and closing one is "Record failure"'s work.
"""

import json
from typing import Any

from provisioning import control_plane
from provisioning.control_plane import Row
from provisioning.errors import (
    ControlPlaneUnavailable,
    JobClosed,
    ProjectNotEligible,
    ProjectNotFound,
    ProvisioningInProgress,
    QuotaExceeded,
    RegionNotAvailable,
)
from provisioning.job_registry import JobType
from provisioning.naming import tenant_names
from provisioning.observability import measure_room
from provisioning.payload import Payload, parse_payload
from provisioning.stage import STEPS, Service, Stage
from provisioning.stage_runner import Event, LambdaContext, Output, reporting


def verify_project(event: Event, context: LambdaContext) -> Output:
    """Lambda handler. Takes {job_id, execution_arn, payload}, returns {job_id, project_id, services}."""
    del context
    with reporting(str(Stage.INITIALIZING), str(event["job_id"]), ControlPlaneUnavailable):
        return verify(event["job_id"], event["execution_arn"], event["payload"])


def verify(job_id: str, execution_arn: str, document: object) -> Output:
    """Opens the job, or returns what it returned before when the job is open already. One transaction,
    in two round trips.

    Raises InvalidPayload, ProjectNotFound, ProjectNotEligible, ProvisioningInProgress, RegionNotAvailable or
    QuotaExceeded, and JobClosed when this very job has ended without success.
    """
    payload = parse_payload(document)
    wanted = payload.database
    control, (found,) = control_plane.begin(
        "begin",
        "lock_project",
        "lock_clusters",
        "find_opening",
        project_id=payload.project_id,
        job_id=job_id,
        region=payload.region,
        engine=wanted.engine,
        version=wanted.version,
        size=wanted.size,
    )
    with control.deciding():
        if found["opened"] is not None:
            return _opened_before(found["opened"], payload)
        _check_eligible(found, payload)
        output = _output(job_id, payload)
        names = tenant_names(payload.project_id)
        control.execute(
            "open_job",
            "commit",
            job_id=job_id,
            job_type=str(JobType.PROVISION_PROJECT),
            project_id=payload.project_id,
            cluster_id=_pick_cluster(found["clusters"], payload),
            execution_arn=execution_arn,
            payload=payload.as_document(),
            tenant_names=names._asdict() | {"secret": names.secret},
            progress_percent=100 // len(STEPS),
            steps=json.dumps(_steps(payload)),
            output=json.dumps(output),
        )
    return output


def _opened_before(job: Row, payload: Payload) -> Output:
    if job["project_id"] != payload.project_id or job["status"] not in ("running", "succeeded"):
        raise JobClosed(f"the job is {job['status']}: start a new one")
    return _output(job["job_id"], payload)


def _check_eligible(found: Row, payload: Payload) -> None:
    project = found["project"]
    if (
        project is None
        or payload.organization_id not in (None, project["organization_id"])
        or payload.owner_id not in (None, project["owner_id"])
    ):
        raise ProjectNotFound(f"there is no project {payload.project_id} of this organization and owner")
    if project["status"] == "active":
        raise ProjectNotEligible(f"the project {payload.project_id} is active already")
    if found["running"] is not None:
        raise ProvisioningInProgress(f"the job {found['running']} is provisioning the project {payload.project_id}")
    if project["status"] not in ("created", "failed"):
        raise ProjectNotEligible(f"the project {payload.project_id} is {project['status']}")


def _pick_cluster(matching: list[Row], payload: Payload) -> str:
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
            "stage": str(stage),
            "position": position,
            "status": "succeeded" if stage is Stage.INITIALIZING else "skipped" if stage in unwanted else "pending",
        }
        for position, stage in enumerate(STEPS)
    ]


def _output(job_id: str, payload: Payload) -> Output:
    return {
        "job_id": job_id,
        "project_id": payload.project_id,
        "services": {str(service): wanted for service, wanted in payload.services.items()},
    }
