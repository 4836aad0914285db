"""Plans: what a job would do, and an id with which it does exactly that or is refused."""

from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Body
from pydantic import AfterValidator, BaseModel, Field, WithJsonSchema

from api.problems import Broken
from api.starting import faults_of, known
from provisioning.jobs.declaration import JobType
from provisioning.jobs.provision_project import PROVISION_PROJECT
from provisioning.jobs.registry import DECLARATIONS
from provisioning.planning import plan, prices
from provisioning.planning.plan import Explained


class Planned(BaseModel):
    """What to plan."""

    job_type: Annotated[str, AfterValidator(known), WithJsonSchema({"type": "string", "enum": list(DECLARATIONS)})] = (
        PROVISION_PROJECT.job_type
    )
    payload: dict[str, Any] = Field(description="The payload of the job: docs/payload.md. Its plan_id is left out.")


class Cluster(BaseModel):
    """A cluster, and why the job uses it, or does not."""

    cluster_id: str
    why: str


class Tenant(BaseModel):
    """The tenant that the job works on."""

    source: str = Field(description="pool: its cluster keeps it ready. new: the job makes it. project: the project's.")
    tenant_id: str | None = Field(description="None for a new one: its id is drawn when the job opens.")


class Resource(BaseModel):
    """Resources of one kind, to which the same happens."""

    action: str = Field(description="make, take, close, open, suspend, resume or change.")
    kind: str
    number: int
    names: list[str] = Field(description="{tenant_id} stands for what is drawn when the job opens. None of a secret.")


class Call(BaseModel):
    """Calls of one kind. PostgreSQL is counted in round trips."""

    kind: str
    number: int | None = Field(description="None where an adapter asks until the service is ready.")


class Price(BaseModel):
    """What AWS charges in US dollars for what a plan counts: docs/cost.md."""

    once: float = Field(description="For state transitions, requests to Lambda, and calls of Secrets Manager.")
    per_month: float = Field(description="For the secrets that the project then has beside those from before.")
    region: str
    read_on: str = Field(description="The day on which AWS's pages had these prices.")


class Plan(BaseModel):
    """What a job does that succeeds without a retry, if nothing that decides this changes before it opens."""

    plan_id: str = Field(description="As plan_id in the payload: the job does exactly this, or is refused.")
    job_type: str
    project_id: str
    is_new_project: bool = Field(description="Whether POST /v1/projects has to create the project.")
    cluster: Cluster
    other_clusters: list[Cluster]
    tenant: Tenant
    services: list[str]
    resources: list[Resource]
    calls: list[Call]
    transitions: int = Field(description="How many states the execution enters.")
    price: Price


def plan_job(planned: Annotated[Planned, Body(description="The type of the job, and its payload.")]) -> Plan:
    """Return what a job would do if it opened now. Nothing is written, locked or started."""
    job_type = JobType(planned.job_type)
    document = {name: value for name, value in planned.payload.items() if name != "plan_id"}
    if faults := faults_of(job_type, document, "/payload"):
        raise Broken(faults)
    return _plan(plan.make(job_type, document))


def _plan(found: Explained) -> Plan:
    made, decided = found.plan, found.plan.decision
    return Plan(
        plan_id=made.plan_id,
        job_type=decided.declared.job_type,
        project_id=decided.payload.project_id,
        is_new_project=found.is_new_project,
        cluster=Cluster(**found.chosen._asdict()),
        other_clusters=[Cluster(**one._asdict()) for one in found.others],
        tenant=Tenant(source=decided.source, tenant_id=decided.tenant_id),
        services=[str(one) for one in decided.services],
        resources=[Resource(**{**one._asdict(), "names": list(one.names)}) for one in made.resources],
        calls=[Call(**one._asdict()) for one in made.calls],
        transitions=made.transitions,
        price=Price(
            once=round(made.dollars, 9),
            per_month=round(made.dollars_a_month, 2),
            region=prices.REGION,
            read_on=prices.READ_ON,
        ),
    )
