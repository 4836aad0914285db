"""The monthly table of docs/cost.md, computed from the template and the prices that the page names."""

import re

import pytest

from local.template import REPOSITORY
from provisioning.jobs.provision_project import PROVISION_PROJECT
from provisioning.planning import prices
from provisioning.services import repairs
from tests import shipped
from tests.upkeep.test_repaired_tenants import READS_OF_A_VERSION

PAGE = (REPOSITORY / "docs" / "cost.md").read_text()
SECRET, CALLS = prices.SECRET_MONTH.dollars, prices.SECRETS_CALL.dollars
ZONE_HOUR, KEY, ALARM_METRIC, CUSTOM_METRIC = 0.01, 1.00, 0.10, 0.30
HOURS, DAYS, TENANTS = 730, 30, 3000
EVENT = 1.00 / 1e6
CUSTOM_METRICS = 25
"""21 that were found in the log of a provision, those of the pools, and that of the events."""


def row(begin: str) -> float:
    """The sum in the row that begins so."""
    (found,) = re.findall(rf"^\| {re.escape(begin)}[^|]*\| ([\d,.]+) \|$", PAGE, re.MULTILINE)
    return float(found.replace(",", ""))


def alarm_metrics() -> int:
    alarms = shipped.made("AWS::CloudWatch::Alarm").values()
    return sum(len([one for one in alarm.get("Metrics", []) if "MetricStat" in one]) or 1 for alarm in alarms)


def refills() -> int:
    (event,) = (
        one["Properties"]["Schedule"]
        for one in shipped.functions()["RefillPoolsFunction"]["Events"].values()
        if one["Type"] == "Schedule"
    )
    (minutes,) = re.findall(r"rate\((\d+) minutes\)", event)
    return DAYS * 24 * 60 // int(minutes)


def of_the_stack() -> dict[str, float]:
    size = shipped.template()["Parameters"]["PoolSize"]["Default"]
    return {
        "the stack: the endpoint for Secrets Manager": 2 * HOURS * ZONE_HOUR,
        "the stack: the endpoint for Step Functions": 2 * HOURS * ZONE_HOUR,
        "the stack: the endpoint for EventBridge": 2 * HOURS * ZONE_HOUR,
        "the stack: its key": KEY * len(shipped.made("AWS::KMS::Key")),
        "the stack: its alarms": alarm_metrics() * ALARM_METRIC,
        f"the stack: {CUSTOM_METRICS} custom metrics": CUSTOM_METRICS * CUSTOM_METRIC,
        f"the stack: a pool of {size} on one cluster": size * SECRET + size * refills() * CALLS,
    }


@pytest.mark.parametrize("begin", of_the_stack())
def test_a_row_of_the_stack_is_what_the_template_makes(begin: str) -> None:
    assert row(begin) == round(of_the_stack()[begin], 2)


def test_the_reads_of_a_services_new_version_are_those_of_its_repairs() -> None:
    """That many reads are counted in tests/upkeep/test_repaired_tenants.py."""
    text = " ".join(PAGE.split())
    assert f"${TENANTS * READS_OF_A_VERSION * CALLS:.2f} a version for 3,000 tenants" in text
    assert f"every {repairs.LOOK_SECONDS // 60} minutes, and reads its secret twice" in text


def test_the_events_of_all_provisions_cost_less_than_a_cent() -> None:
    """One event each: tests/upkeep/test_deliver_events.py."""
    assert f"those of {TENANTS:,} provisions cost ${TENANTS * EVENT:.3f}." in " ".join(PAGE.split())


def test_the_rows_say_what_they_count() -> None:
    size = shipped.template()["Parameters"]["PoolSize"]["Default"]
    assert f"its alarms, on {alarm_metrics()} metrics" in PAGE
    assert f"with {size * refills():,} reads" in PAGE


def test_3000_tenants_are_their_secrets_and_the_stack() -> None:
    assert row("3,000 tenants with revealed keys") == round(TENANTS * SECRET + sum(of_the_stack().values()), 2)


def test_the_rows_of_a_provision_are_what_it_is_declared_to_call() -> None:
    steps = PROVISION_PROJECT.steps
    calls = sum(len(step.calls.secrets_manager) for step in steps)
    rows = {
        f"{PROVISION_PROJECT.transitions} state transitions": PROVISION_PROJECT.transitions * prices.TRANSITION.dollars,
        f"{len(steps)} requests to Lambda": len(steps) * prices.INVOCATION.dollars,
        f"{calls} calls of Secrets Manager, from the pool": calls * CALLS,
    }
    assert {name: row(name) for name in rows} == {name: round(1000 * one, 4) for name, one in rows.items()}
    assert row("in all") == round(sum(row(name) for name in (*rows, "0.062 GB-seconds")), 4)


def test_a_secret_costs_in_a_month_what_many_provisions_cost() -> None:
    provision = row("in all") / 1000
    assert f"what {SECRET / provision:,.0f} provisions cost" in " ".join(PAGE.split())
    assert f"the 3,000 once costs ${TENANTS * provision:.2f}" in PAGE
