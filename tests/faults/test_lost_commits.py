"""A job whose control plane or cluster loses its last commits, by recovery to an LSN, while the job runs."""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from tests.faults.losses import Loser, Verdict
from tests.faults.lost_commits import Case, run_cases

pytestmark = pytest.mark.slow

CONTROL_PLANE, CLUSTER = Loser
CONNECT = "connect to control_plane"
CASES = {
    "stages before the last": Case("provision_project", CONTROL_PLANE, "FinalizeFunction", CONNECT, 4),
    "a suspension's stages": Case("suspend_project", CONTROL_PLANE, "FinalizeFunction", CONNECT, 2),
    "the secret of a new tenant": Case("provision_project from nothing", CONTROL_PLANE, "CreateSchemaFunction", "", 1),
    "the registrations": Case("provision_project rolled back", CONTROL_PLANE, "RevokeApiKeysFunction", CONNECT, 11),
    "the whole job": Case("provision_project rolled back", CONTROL_PLANE, "RevokeApiKeysFunction", CONNECT, None),
    "a job that did nothing": Case("provision_project", CONTROL_PLANE, "CreateDatabaseFunction", CONNECT, None),
    "the access before": Case("suspend_project rolled back", CONTROL_PLANE, "RestoreAccessFunction", CONNECT, None),
    "the access while it is closed": Case("suspend_project", CONTROL_PLANE, "SuspendAccessFunction", "UPDATE", None),
    "an opened login": Case("resume_project", CLUSTER, "FinalizeFunction", "connect to provisioner_register", 3),
    "a closed login": Case("resume_project rolled back", CLUSTER, "SuspendAccessFunction", "UPDATE register", 4),
    "a finished resumption": Case("resume_project", CONTROL_PLANE, "FinalizeFunction", "SET plan", 5),
    "a whole resumption": Case("resume_project rolled back", CONTROL_PLANE, "RecordFailureFunction", "BEGIN", None),
    "a request": Case("provision_project asked for", CONTROL_PLANE, "VerifyProjectFunction", CONNECT, None),
    "a claim": Case("provision_project", CLUSTER, "FinalizeFunction", "UPDATE register", None),
}


@pytest.fixture(scope="module")
def verdicts() -> Iterator[dict[str, Verdict]]:
    """Every case, on a stack whose control plane and cluster are on servers of their own, in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        yield dict(zip(CASES, pool.submit(run_cases, list(CASES.values())).result(), strict=True))


@pytest.mark.parametrize("case", CASES)
def test_whatever_is_lost_is_repaired_or_named(verdicts: dict[str, Verdict], case: str) -> None:
    assert verdicts[case].struck
    assert verdicts[case].problems == []


@pytest.mark.parametrize("case", ["stages before the last", "a suspension's stages"])
def test_no_job_succeeds_whose_ledger_has_lost_a_stage(verdicts: dict[str, Verdict], case: str) -> None:
    verdict = verdicts[case]
    assert (verdict.status, verdict.error) == ("FAILED", "RecordLost")
    assert "finalizing failed on attempt 1: the control plane has lost the record of " in verdict.cause


def test_a_lost_secret_is_said_to_be_lost(verdicts: dict[str, Verdict]) -> None:
    verdict = verdicts["the secret of a new tenant"]
    assert verdict.error == "RecordLost"
    assert "the control plane has lost the record of tenant " in verdict.cause


@pytest.mark.parametrize("case", ["the registrations", "the whole job"])
def test_registrations_that_the_ledger_has_lost_are_removed(verdicts: dict[str, Verdict], case: str) -> None:
    for service in ("auth", "realtime", "storage", "pooler"):
        assert f"{service} registration" in verdicts[case].cause
    assert "Nothing is left" in verdicts[case].cause


def test_the_tenant_of_a_lost_job_is_removed_where_the_register_names_it(verdicts: dict[str, Verdict]) -> None:
    removed = verdicts["the whole job"].cause.partition("Rolled back: ")[2].partition(". ")[0]
    assert {"_login", "_owner"} <= {name[-6:] for name in removed.split(", ")}
    assert "/api-keys/" in removed


def test_a_lost_job_that_did_nothing_leaves_nothing_unknown(verdicts: dict[str, Verdict]) -> None:
    assert "Nothing had to be rolled back. Nothing is left" in verdicts["a job that did nothing"].cause


@pytest.mark.parametrize("case", ["the access before", "the access while it is closed"])
def test_access_that_nobody_knows_any_more_is_named_and_never_called_nothing(
    verdicts: dict[str, Verdict], case: str
) -> None:
    assert "Nothing is left" not in verdicts[case].cause
    assert "the control plane does not know the access that it had" in verdicts[case].cause


def test_a_job_whose_request_is_lost_before_it_opens_gives_its_project_one_tenant(
    verdicts: dict[str, Verdict],
) -> None:
    assert (verdicts["a request"].status, verdicts["a request"].problems) == ("SUCCEEDED", [])


@pytest.mark.parametrize("case", ["an opened login", "a closed login"])
def test_what_a_cluster_loses_after_it_was_looked_at_is_done_again(verdicts: dict[str, Verdict], case: str) -> None:
    assert verdicts[case].problems == []
