"""Alarms in the forms that CloudWatch documents, and red only for what somebody has to mend."""

import json
import re

import pytest

from tests import shipped
from tests.grants import FUNCTIONS, STAGES

ALARMS = shipped.made("AWS::CloudWatch::Alarm")
LIMIT = 10
"""The metrics of an alarm's metric math, a hard limit: CloudWatch's guide, "Limits" of alarms."""

UPKEEP = {"RefillPoolsFunction", "ReconcileFunction", "RecordStoppedExecutionsFunction", "DeliverEventsFunction"}


def functions_in(metric: str) -> list[list[str]]:
    """The functions whose metric the alarms with metric math add up, by alarm."""
    found = []
    for alarm in ALARMS.values():
        metrics = [one["MetricStat"]["Metric"] for one in alarm.get("Metrics", []) if "MetricStat" in one]
        if {one["MetricName"] for one in metrics} == {metric}:
            found.append([one["Dimensions"][0]["Value"]["Ref"] for one in metrics])
    return found


def test_no_alarm_asks_metrics_insights() -> None:
    """Its WHERE is `labelKey OPERATOR labelValue [AND ...]`: CloudWatch's guide, "Metrics Insights query components and
    syntax". A query with OR is refused, and the stack rolls back.
    """
    assert not re.search(r"\bSELECT\b", json.dumps(ALARMS))


@pytest.mark.parametrize("name", [name for name, alarm in ALARMS.items() if "Metrics" in alarm])
def test_metric_math_takes_ten_metrics_and_returns_one(name: str) -> None:
    metrics = ALARMS[name]["Metrics"]
    assert len([one for one in metrics if "MetricStat" in one]) <= LIMIT
    (returned,) = [one for one in metrics if one.get("ReturnData", True)]
    # A function that nobody invoked in a period has no data for it.
    assert returned["Expression"] == "SUM(FILL(METRICS(), 0))"
    assert len({one["Id"] for one in metrics}) == len(metrics)


@pytest.mark.parametrize("metric", ["Errors", "Throttles"])
def test_every_stage_is_in_exactly_one_alarm_on(metric: str) -> None:
    of_stages = [one for found in functions_in(metric) if set(found) <= set(STAGES) for one in found]
    assert sorted(of_stages) == sorted(STAGES)


def test_errors_of_what_runs_outside_jobs_are_an_alarm_of_their_own() -> None:
    assert UPKEEP in map(set, functions_in("Errors"))


def test_what_a_schedule_repeats_does_not_fill_the_queue_of_the_undelivered() -> None:
    """A burst of jobs nudges the refill more often than one run at a time can take in five minutes.

    Lambda's guide, "How Lambda handles errors and retries with asynchronous invocation": an event that is too old goes
    to the function's queue, if it has one.
    """
    made = shipped.made("AWS::Lambda::Function")
    scheduled = {
        name
        for name, one in FUNCTIONS.items()
        if any(event["Type"] == "Schedule" for event in one.get("Events", {}).values())
    }
    # Once a day: what it could not remove has nowhere else to be heard of.
    every_few_minutes = {"RefillPoolsFunction", "ReconcileFunction", "DeliverEventsFunction"}
    assert scheduled == {*every_few_minutes, "RemoveOldVersionsFunction"}
    assert {name for name in scheduled if "DeadLetterConfig" in made[name]} == {"RemoveOldVersionsFunction"}
    for one in shipped.made("AWS::Lambda::EventInvokeConfig").values():
        assert not one.get("DestinationConfig")


def test_an_empty_pool_is_red_only_where_there_should_be_something_in_it() -> None:
    """tests/stages/test_pool_metric.py shows which pools the metric counts."""
    alarm = ALARMS["EmptyPoolAlarm"]
    assert (alarm["MetricName"], alarm["Threshold"], alarm["TreatMissingData"]) == ("EmptyPools", 1, "notBreaching")
    # Each refill writes it. The least of five minutes forgives a refill that found a pool empty and filled it.
    assert (alarm["Statistic"], alarm["EvaluationPeriods"]) == ("Minimum", 3)
