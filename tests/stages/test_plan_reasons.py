"""A plan says why its job would use one cluster, and of every other why not."""

from local.stack import Stack
from provisioning.planning import plan
from tests.conftest import NewProject
from tests.other_server import chosen_version
from tests.stages.jobs import a_job
from tests.stages.test_verify_project import ANOTHER_VERSION, cluster, region

__all__ = ["region"]


def test_each_cluster_has_its_reason(stack: Stack, new_project: NewProject, region: str) -> None:
    cluster(stack, region, "b", 3)
    cluster(stack, region, "a", 3)
    cluster(stack, region, "full", 0)
    cluster(stack, region, "less", 2)
    cluster(stack, region, "older", 9, version=ANOTHER_VERSION)
    job = a_job(new_project(region), region=region)
    found = plan.make(job.job_type, job.payload)
    assert found.chosen.cluster_id == f"{region}-a"
    offers = f"postgresql {chosen_version()} as db.t3.micro in {region}"
    assert found.chosen.why == f"of those with {offers} it has the most room: 3"
    others = {one.cluster_id.removeprefix(f"{region}-"): one.why for one in found.others}
    assert {name: others[name] for name in ("b", "full", "less", "older", "local")} == {
        "b": "it has as much room, and a later id",
        "full": "it is full",
        "less": "it has less room: 2",
        "older": f"it has postgresql {ANOTHER_VERSION} as db.t3.micro",
        "local": "it is in us-east-1",
    }
