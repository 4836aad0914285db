"""What is reserved of Lambda's concurrency, and the connections that follow from it."""

import re
from typing import Any

from local.template import REPOSITORY
from tests import shipped
from tests.grants import FUNCTIONS, attached, role_of

UNRESERVED = 100
"""What Lambda keeps for functions without a reservation: its guide, "Configuring reserved concurrency"."""

PAGE = " ".join((REPOSITORY / "docs" / "operations.md").read_text().split())
PARAMETER = shipped.template()["Parameters"]["MaximumParallelJobs"]
REQUESTS = shipped.template()["Parameters"]["MaximumParallelRequests"]
NOTHING = {"Ref": "AWS::NoValue"}


def reserved(function: str, parallel: int, requests: int = REQUESTS["Default"]) -> int:
    """What a function reserves if these are MaximumParallelJobs and MaximumParallelRequests."""
    match shipped.made("AWS::Lambda::Function")[function]["ReservedConcurrentExecutions"]:
        case {"Ref": "AWS::NoValue"}:
            return 0
        case {"Fn::If": ["ReservesConcurrency", one, {"Ref": "AWS::NoValue"}]}:
            given = {"MaximumParallelJobs": parallel, "MaximumParallelRequests": requests}
            return (given[one["Ref"]] if isinstance(one, dict) else int(one)) if parallel else 0
        case other:
            raise AssertionError(other)


def reserved_by_all(parallel: int, requests: int = REQUESTS["Default"]) -> int:
    return sum(reserved(name, parallel, requests) for name in FUNCTIONS)


def connected(policy: str) -> list[str]:
    """The functions that keep a connection to what the policy reads the secret of."""
    return [name for name, one in FUNCTIONS.items() if policy in attached(role_of(one))]


def connections(functions: list[str], parallel: int) -> tuple[int, int]:
    """The most that these functions keep open, and the most while a deployment replaces their versions.

    Reserved concurrency bounds the runs of all versions together, not the environments of an older version that are
    still warm. What runs once has no older one.
    """
    often = [name for name in functions if reserved(name, parallel)]
    kept = sum(reserved(name, parallel) for name in often)
    return kept + len(functions) - len(often), 2 * kept + len(functions) - len(often)


def test_no_reservation_at_all_is_possible() -> None:
    """A new account has a quota of 10 concurrent runs, of which none can be reserved.

    Lambda's guide, "Lambda quotas"; the error is "decreases account's UnreservedConcurrentExecution below its minimum".
    """
    assert PARAMETER["MinValue"] == 0
    # The value of a parameter is a text, of a number's too.
    condition: Any = shipped.template()["Conditions"]["ReservesConcurrency"]
    assert condition == {"Fn::Not": [{"Fn::Equals": [{"Ref": "MaximumParallelJobs"}, "0"]}]}
    assert reserved_by_all(0) == 0


def test_nothing_is_reserved_for_what_runs_once() -> None:
    once = {name for name in FUNCTIONS if not reserved(name, 5)}
    assert once == {"MigrateFunction", "DeploymentStepFunction", "RemoveOldVersionsFunction"}


def test_the_page_says_what_is_reserved_and_which_quota_that_takes() -> None:
    default = PARAMETER["Default"]
    (said,) = re.findall(r"reserves (\d+) concurrent runs with the defaults and up to (\d+)", PAGE)
    most = reserved_by_all(PARAMETER["MaxValue"], REQUESTS["MaxValue"])
    assert [int(one) for one in said] == [reserved_by_all(default), most]
    (quota,) = re.findall(r"a quota of at least (\d+)", PAGE)
    assert int(quota) == reserved_by_all(default) + UNRESERVED


def test_the_default_leaves_an_ordinary_quota_of_1000_mostly_free() -> None:
    assert reserved_by_all(PARAMETER["Default"]) + UNRESERVED <= 500


def test_the_http_api_keeps_a_connection_to_the_control_plane_for_each_of_its_runs() -> None:
    """So MaximumParallelRequests says of itself."""
    assert reserved("AnswerRequestFunction", 5, 7) == 7
    assert "AnswerRequestFunction" in connected("EveryStagePolicy")
    assert "AnswerRequestFunction" not in connected("ReadClusterSecretsPolicy")
    assert "keeps a connection to the control plane" in REQUESTS["Description"]


def test_the_page_says_how_many_connections_the_default_takes() -> None:
    of_each = re.findall(r"\| (?:the control plane|each cluster) \| (\d+) \| (\d+) \|", PAGE)
    policies = ("EveryStagePolicy", "ReadClusterSecretsPolicy")
    expected = [connections(connected(policy), PARAMETER["Default"]) for policy in policies]
    assert [(int(one), int(other)) for one, other in of_each] == expected


def test_the_default_takes_more_connections_than_the_smallest_instance_has() -> None:
    """The default of max_connections is LEAST(DBInstanceClassMemory / 9531392, 5000).

    RDS's guide, "Quotas and constraints for Amazon RDS", Maximum number of database connections. A db.t3.micro has
    1 GiB.
    """
    smallest = 2**30 // 9531392
    _, most = connections(connected("EveryStagePolicy"), PARAMETER["Default"])
    assert smallest < most < 3 * smallest
    assert f"a db.t3.micro has at most {smallest}" in PAGE
