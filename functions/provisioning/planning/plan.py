"""A plan: what a job would do, why on this cluster, at which price, and an id that stands for exactly this.

The id is a digest, so a plan is kept nowhere and has no age: it holds as long as the job would do the same. "Verify
project" makes the digest again of what it has claimed, in the transaction that opens the job.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from provisioning import control_plane
from provisioning.control_plane import ControlPlane
from provisioning.errors import ControlPlaneUnavailable, PlanStale
from provisioning.jobs import opening
from provisioning.jobs.declaration import Declaration, JobPayload, JobType
from provisioning.jobs.opening import Opening
from provisioning.jobs.payload import Placement
from provisioning.jobs.registry import DECLARATIONS
from provisioning.planning import counting, decision, prices, resources
from provisioning.planning.counting import Call
from provisioning.planning.decision import Decision, Room, Source
from provisioning.planning.resources import Resource

FORMAT = 1
"""Another number for another meaning of the same plan."""


class Reason(NamedTuple):
    """Why a cluster was chosen, or was not."""

    cluster_id: str
    why: str


class Plan(NamedTuple):
    """What a job would do."""

    decision: Decision
    resources: list[Resource]
    calls: list[Call]

    @property
    def transitions(self) -> int:
        """How many states the execution enters."""
        return self.decision.declared.transitions

    @property
    def plan_id(self) -> str:
        """The SHA-256 of all that the plan promises, in hexadecimal."""
        import hashlib
        import json

        return hashlib.sha256(json.dumps(self._promised(), sort_keys=True).encode()).hexdigest()

    @property
    def dollars(self) -> float:
        """What AWS charges for the job's transitions, invocations and calls of Secrets Manager."""
        secrets = sum(one.number or 0 for one in self.calls if one.kind.startswith(counting.SECRETS_MANAGER))
        invoked = next(one.number or 0 for one in self.calls if one.kind == counting.LAMBDA)
        return (
            self.transitions * prices.TRANSITION.dollars
            + invoked * prices.INVOCATION.dollars
            + secrets * prices.SECRETS_CALL.dollars
        )

    @property
    def dollars_a_month(self) -> float:
        """What AWS charges for the secrets that the project then has beside those from before."""
        return prices.SECRET_MONTH.dollars * sum(one.number for one in self.resources if one.kind == "secret")

    def _promised(self) -> dict[str, Any]:
        made = self.decision
        document = made.payload.as_document()
        document.pop("plan_id", None)
        return {
            "format": FORMAT,
            "job_type": made.declared.job_type,
            "payload": document,
            "status_on_success": str(made.declared.on_success),
            "status_on_failure": made.status_on_failure,
            "cluster_id": made.cluster_id,
            "source": made.source,
            "tenant_id": made.tenant_id,
            "services": made.services,
            "resources": self.resources,
            "calls": self.calls,
            "transitions": self.transitions,
        }


class Explained(NamedTuple):
    """A plan, and why it is that one."""

    plan: Plan
    is_new_project: bool
    chosen: Reason
    others: list[Reason]


def make(job_type: JobType, document: Mapping[str, Any]) -> Explained:
    """Return what a job of a type with a payload would do if it opened now. Nothing is written or locked.

    Raise InvalidPayload, and what the job would be refused with, or would wait for: ProjectNotFound, JobInProgress,
    ProjectNotEligible, SuspendInProgress, OrganizationQuotaExceeded, RegionNotAvailable and ClusterFull.
    """
    declared = DECLARATIONS[job_type]
    payload = declared.parse(document)
    control = control_plane.connect()
    with control.transaction():
        control.execute(decision.QUERIES["begin_reading"])
        found = _find_opening(control, declared, payload)
        made = decision.decide(control, declared, payload, found)
        rooms = decision.find_rooms(control) if made.source is not Source.PROJECT else []
    return Explained(of(made), found.project is None, *_reasons(made, rooms))


def of(made: Decision) -> Plan:
    """Return the plan of what a job is given. Raise Misconfigured for a service without an adapter."""
    return Plan(made, resources.find(made), counting.count(made))


def check(plan_id: str, made: Decision) -> None:
    """Raise PlanStale, which says what a job would be given now, if that is not what was planned."""
    if of(made).plan_id != plan_id:
        tenant = made.tenant_id or "a new tenant"
        said = f"the job would now use {tenant} on {made.cluster_id}, or its payload, code or settings differ"
        raise PlanStale(f"the plan no longer holds: {said}")


def check_now(control: ControlPlane, declared: Declaration, payload: JobPayload) -> None:
    """Raise PlanStale if a job that names a plan would not keep it if it opened now. The job decides when it opens."""
    if payload.plan_id is None:
        return
    with opening.as_planned(payload.plan_id):
        check(payload.plan_id, decision.decide(control, declared, payload, _find_opening(control, declared, payload)))


def _find_opening(control: ControlPlane, declared: Declaration, payload: JobPayload) -> Opening:
    asked = opening.facts(declared, payload, job_id="")
    found = control.fetch_one(Opening, opening.QUERIES["find_opening"], **asked)
    if found is None:
        raise ControlPlaneUnavailable("the control plane gave no answer")
    return found


def _reasons(made: Decision, rooms: Sequence[Room]) -> tuple[Reason, list[Reason]]:
    if made.source is Source.PROJECT:
        return Reason(made.cluster_id, "the project's tenant is on it"), []
    asked = made.payload.placement
    chosen = next(one for one in rooms if one.cluster_id == made.cluster_id)
    others = [Reason(one.cluster_id, _why_not(one, asked, chosen)) for one in rooms if one is not chosen]
    offers = f"{asked.engine} {asked.version} as {asked.size} in {asked.region}"
    return Reason(chosen.cluster_id, f"of those with {offers} it has the most room: {chosen.room}"), others


def _why_not(one: Room, asked: Placement, chosen: Room) -> str:
    if one.region != asked.region:
        return f"it is in {one.region}"
    if (one.engine, one.version, one.size) != (asked.engine, asked.version, asked.size):
        return f"it has {one.engine} {one.version} as {one.size}"
    if one.room <= 0:
        return "it is full"
    return "it has as much room, and a later id" if one.room == chosen.room else f"it has less room: {one.room}"
