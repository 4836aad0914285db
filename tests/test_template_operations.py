"""Deployments, alarms, the dashboard and everything asynchronous in the template, as CloudFormation sees it."""

import inspect
import json
import re
from collections.abc import Iterable
from typing import Any

import pytest

from provisioning import observability
from provisioning.jobs.declaration import JobType, TenantOf
from provisioning.jobs.registry import DECLARATIONS
from provisioning.ledger.stopping import STOPPED
from tests import shipped

RESOURCES = shipped.transformed()["Resources"]
FUNCTIONS = shipped.functions()
STAGES = {name: found for name, found in FUNCTIONS.items() if found["Handler"].startswith("stages.")}
API = "AnswerRequestFunction"
DELIVERY = "DeliverEventsFunction"
OF_EACH_JOB_TYPE = {
    "FailedExecutionsAlarm": "ExecutionsFailed",
    "StoppedExecutionsAlarm": "ExecutionsAborted",
    "SlowJobsAlarm": "ExecutionTime",
}
"""The endings of its alarms' names, and what they watch."""
ENDED = {"SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"}

every_job_type = pytest.mark.parametrize("job_type", DECLARATIONS)


def machines(job_types: Iterable[JobType]) -> list[dict[str, str]]:
    """References to the state machines of job types."""
    return [{"Ref": f"{shipped.resource_stem(job_type)}StateMachine"} for job_type in job_types]


def widgets() -> list[dict[str, Any]]:
    """The dashboard's widgets."""
    body = RESOURCES["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    return list(json.loads(body)["widgets"])


def test_no_stage_gets_new_code_before_the_migrations_have_run() -> None:
    migration = RESOURCES["ControlPlaneMigration"]["Properties"]
    assert migration["ServiceToken"] == {"Fn::GetAtt": ["DeploymentStepFunction", "Arn"]}
    for name in (*STAGES, "RefillPoolsFunction", "ReconcileFunction", "RecordStoppedExecutionsFunction", DELIVERY, API):
        assert RESOURCES[name]["DependsOn"] == "ControlPlaneMigration"
    for name in ("MigrateFunction", "DeploymentStepFunction"):
        assert "DependsOn" not in RESOURCES[name]


def test_the_stack_protects_itself_unless_a_parameter_says_otherwise() -> None:
    parameter = shipped.template()["Parameters"]["TerminationProtection"]
    assert (parameter["Default"], parameter["AllowedValues"]) == ("true", ["true", "false"])
    protection = RESOURCES["StackProtection"]["Properties"]
    assert protection["Enabled"] == {"Ref": "TerminationProtection"}
    assert protection["ServiceToken"] == {"Fn::GetAtt": ["DeploymentStepFunction", "Arn"]}
    (policy,) = RESOURCES["DeploymentStepRole"]["Properties"]["Policies"]
    allowed = {str(one["Action"]): one["Resource"] for one in shipped.statements(policy["PolicyDocument"])}
    assert allowed["cloudformation:UpdateTerminationProtection"] == {"Ref": "AWS::StackId"}


def test_the_migrations_run_again_whenever_the_code_changes() -> None:
    version = RESOURCES["ControlPlaneMigration"]["Properties"]["MigrateFunction"]["Ref"]
    assert RESOURCES[version]["Properties"]["FunctionName"] == {"Ref": "MigrateFunction"}


def test_a_new_revision_publishes_new_versions_even_when_only_parameters_changed() -> None:
    versions = shipped.made("AWS::Lambda::Version")
    assert len(versions) == len(FUNCTIONS)
    # The description makes CloudFormation publish, and Lambda publishes only if a variable changes.
    assert all(version["Description"] == {"Ref": "Revision"} for version in versions.values())
    variables = shipped.template()["Globals"]["Function"]["Environment"]["Variables"]
    assert variables["REVISION"] == {"Ref": "Revision"}


@every_job_type
def test_the_alias_of_a_job_type_is_an_output_of_the_stack(job_type: JobType) -> None:
    stem = shipped.resource_stem(job_type)
    assert shipped.template()["Outputs"][f"{stem}StateMachineArn"]["Value"] == {"Ref": f"{stem}Alias"}


def test_the_key_outlives_the_stack() -> None:
    key = RESOURCES["EncryptionKey"]
    assert (key["DeletionPolicy"], key["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")
    assert key["Properties"]["EnableKeyRotation"] is True


def test_every_alarm_notifies_somebody() -> None:
    for alarm in shipped.made("AWS::CloudWatch::Alarm").values():
        assert alarm["AlarmActions"] == [{"Ref": "Notifications"}]


@every_job_type
@pytest.mark.parametrize(("ending", "metric"), OF_EACH_JOB_TYPE.items(), ids=OF_EACH_JOB_TYPE)
def test_every_job_type_has_alarms_of_its_own(job_type: JobType, ending: str, metric: str) -> None:
    alarm = shipped.made("AWS::CloudWatch::Alarm")[f"{shipped.resource_stem(job_type)}{ending}"]
    (machine,) = machines([job_type])
    assert alarm["Dimensions"] == [{"Name": "StateMachineArn", "Value": machine}]
    assert (alarm["Namespace"], alarm["MetricName"]) == ("AWS/States", metric)


@pytest.mark.parametrize("ending", OF_EACH_JOB_TYPE)
def test_an_alarm_of_every_job_type_goes_off_at_the_same_point(ending: str) -> None:
    alarms = [shipped.made("AWS::CloudWatch::Alarm")[f"{shipped.resource_stem(name)}{ending}"] for name in DECLARATIONS]
    alike = [{key: alarm[key] for key in alarm if key not in {"AlarmDescription", "Dimensions"}} for alarm in alarms]
    assert all(one == alike[0] for one in alike)


@every_job_type
def test_what_a_rollback_of_a_job_type_has_left_is_an_alarm_of_its_own(job_type: JobType) -> None:
    alarm = shipped.made("AWS::CloudWatch::Alarm")[f"{shipped.resource_stem(job_type)}RollbackIncompleteAlarm"]
    dimensions = {one["Name"]: one["Value"] for one in alarm["Dimensions"]}
    assert dimensions == {"service": "provisioner", "job_type": job_type, "outcome": "rollback_incomplete"}
    assert (alarm["MetricName"], alarm["Threshold"], alarm["Statistic"]) == ("FailedJobs", 1, "Sum")


def test_no_other_alarm_watches_state_machines() -> None:
    watching = {
        name for name, one in shipped.made("AWS::CloudWatch::Alarm").items() if one.get("Namespace") == "AWS/States"
    }
    assert watching == {
        f"{shipped.resource_stem(name)}{ending}" for name in DECLARATIONS for ending in OF_EACH_JOB_TYPE
    }


@every_job_type
def test_executions_and_durations_of_a_job_type_are_on_the_dashboard(job_type: JobType) -> None:
    machine = f"${{{shipped.resource_stem(job_type)}StateMachine}}"
    shown = [one for one in widgets() if machine in str(one["properties"].get("metrics"))]
    assert all(one["properties"]["title"].startswith(f"{job_type}: ") for one in shown)
    metrics = [row[1] for one in shown for row in one["properties"]["metrics"] if row[0] != "..."]
    names = ("ExecutionsStarted", "ExecutionsSucceeded", "ExecutionsFailed", "ExecutionsAborted", "ExecutionTime")
    assert metrics == list(names)


def test_no_two_widgets_of_the_dashboard_overlap() -> None:
    covered = [
        (x, y)
        for one in widgets()
        for x in range(one["x"], one["x"] + one["width"])
        for y in range(one["y"], one["y"] + one["height"])
    ]
    assert len(covered) == len(set(covered))


def test_every_alarm_is_on_the_dashboard() -> None:
    body = RESOURCES["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    assert set(re.findall(r"\$\{(\w+)\.Arn\}", body)) == set(shipped.made("AWS::CloudWatch::Alarm"))


def test_every_own_metric_that_an_alarm_or_the_dashboard_reads_is_written() -> None:
    read = {
        alarm["MetricName"]
        for alarm in shipped.made("AWS::CloudWatch::Alarm").values()
        if alarm.get("Namespace") == "Provisioner"
    }
    body = RESOURCES["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    read |= set(re.findall(r'\["Provisioner", "(\w+)"', body)) | set(re.findall(r'MetricName=\\"(\w+)\\"', body))
    written = re.findall(r'add_metric\(name="(\w+)"', inspect.getsource(observability))
    assert read == set(written)


def test_errors_throttles_and_concurrency_of_every_stage_are_on_the_dashboard() -> None:
    for metric in ("ConcurrentExecutions", "Errors", "Throttles"):
        shown = [one["properties"]["metrics"] for one in widgets() if metric in str(one["properties"].get("metrics"))]
        assert [[row[-1] for row in rows] for rows in shown] == [[f"${{{name}}}" for name in STAGES]]


def test_what_happens_asynchronously_has_somewhere_to_go_when_it_fails() -> None:
    queue = {"Fn::GetAtt": ["Undelivered", "Arn"]}
    for rule in shipped.made("AWS::Events::Rule").values():
        assert [target["DeadLetterConfig"] for target in rule["Targets"]] == [{"Arn": queue}]
    (policy,) = shipped.made("AWS::SQS::QueuePolicy").values()
    ((statement),) = shipped.statements(policy["PolicyDocument"])
    senders = statement["Condition"]["ArnEquals"]["aws:SourceArn"]
    assert sorted(sender["Fn::GetAtt"][0] for sender in senders) == sorted(shipped.made("AWS::Events::Rule"))
    kept = {name: one for name, one in shipped.made("AWS::Lambda::Function").items() if "DeadLetterConfig" in one}
    # What a schedule repeats is not kept: tests/deployment/test_alarms.py.
    assert set(kept) == {"DeploymentStepFunction", "RecordStoppedExecutionsFunction", "RemoveOldVersionsFunction"}
    assert all(one["DeadLetterConfig"] == {"TargetArn": queue} for one in kept.values())


def test_everybody_who_subscribes_hears_of_the_end_of_every_execution() -> None:
    detail = shipped.made("AWS::Events::Rule")["ExecutionEnded"]["EventPattern"]["detail"]
    assert detail["stateMachineArn"] == machines(DECLARATIONS)
    assert set(detail["status"]) == ENDED


def test_pools_are_refilled_regularly_and_after_every_job_that_takes_a_tenant() -> None:
    rules = [rule for rule in shipped.made("AWS::Events::Rule").values() if "RefillPools" in str(rule["Targets"])]
    assert [rule.get("ScheduleExpression") for rule in rules if "EventPattern" not in rule] == ["rate(5 minutes)"]
    (nudge,) = (rule["EventPattern"]["detail"] for rule in rules if "EventPattern" in rule)
    taking = [job_type for job_type, declared in DECLARATIONS.items() if declared.tenant is TenantOf.NEW]
    assert nudge["stateMachineArn"] == machines(taking)
    assert set(nudge["status"]) == ENDED


def test_removals_are_finished_every_minute() -> None:
    (rule,) = (rule for rule in shipped.made("AWS::Events::Rule").values() if "Reconcile" in str(rule["Targets"]))
    assert rule["ScheduleExpression"] == "rate(1 minute)"
    assert FUNCTIONS["ReconcileFunction"]["Handler"] == "upkeep.reconcile.reconcile"


def test_upkeep_hears_of_every_execution_of_any_type_that_did_not_succeed() -> None:
    (rule,) = (one for one in shipped.made("AWS::Events::Rule").values() if "RecordStopped" in str(one["Targets"]))
    pattern = rule["EventPattern"]
    assert (pattern["source"], pattern["detail-type"]) == (["aws.states"], ["Step Functions Execution Status Change"])
    assert pattern["detail"]["stateMachineArn"] == machines(DECLARATIONS)
    assert set(pattern["detail"]["status"]) == set(STOPPED) == ENDED - {"SUCCEEDED"}
    (target,) = rule["Targets"]
    # The most that EventBridge offers: for a day.
    assert target["RetryPolicy"] == {"MaximumRetryAttempts": 185, "MaximumEventAgeInSeconds": 86400}
    settings = shipped.made("AWS::Lambda::EventInvokeConfig").values()
    (kept,) = (one for one in settings if "RecordStopped" in str(one["FunctionName"]))
    assert (kept["MaximumRetryAttempts"], kept["MaximumEventAgeInSeconds"]) == (2, 21600)


def test_what_records_a_stopped_execution_has_the_rights_of_every_stage_and_its_queue() -> None:
    role = RESOURCES["RecordStoppedExecutionsRole"]["Properties"]
    assert role["ManagedPolicyArns"] == [{"Ref": "EveryStagePolicy"}]
    ((policy),) = (one for policy in role["Policies"] for one in shipped.statements(policy["PolicyDocument"]))
    assert (policy["Action"], policy["Resource"]) == ("sqs:SendMessage", {"Fn::GetAtt": ["Undelivered", "Arn"]})


def test_every_parameter_is_described_and_bounded() -> None:
    for name, parameter in shipped.template()["Parameters"].items():
        assert parameter["Description"].endswith("."), name
        # CloudFormation itself looks up what has a type of AWS's own.
        looked_up = "AWS::" in parameter["Type"]
        assert looked_up or {"AllowedPattern", "AllowedValues", "MaxValue"} & set(parameter), name
        if "AllowedPattern" in parameter and "Default" in parameter:
            assert re.search(parameter["AllowedPattern"], parameter["Default"]), name
