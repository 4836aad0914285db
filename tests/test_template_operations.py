"""Deployments, alarms, the dashboard and everything asynchronous in the template, as CloudFormation sees it."""

import inspect
import json
import re

from provisioning import observability
from tests import shipped

RESOURCES = shipped.transformed()["Resources"]
FUNCTIONS = shipped.functions()
STAGES = {name: found for name, found in FUNCTIONS.items() if found["Handler"].startswith("stages.")}


def test_no_stage_gets_new_code_before_the_migrations_have_run() -> None:
    migration = RESOURCES["ControlPlaneMigration"]["Properties"]
    assert migration["ServiceToken"] == {"Fn::GetAtt": ["DeploymentStepFunction", "Arn"]}
    for name in (*STAGES, "RefillPoolsFunction", "ReconcileFunction"):
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
    # The description makes CloudFormation publish, and a changed variable is what Lambda publishes.
    assert all(version["Description"] == {"Ref": "Revision"} for version in versions.values())
    variables = shipped.template()["Globals"]["Function"]["Environment"]["Variables"]
    assert variables["REVISION"] == {"Ref": "Revision"}


def test_traffic_shifts_to_a_new_version_and_back_when_the_alarms_go_off() -> None:
    alias = shipped.made("AWS::StepFunctions::StateMachineAlias")["ProvisionProjectAlias"]["DeploymentPreference"]
    assert alias["StateMachineVersionArn"] == {"Ref": "ProvisionProjectVersion"}
    assert (alias["Type"], alias["Percentage"]) == ("CANARY", 10)
    assert alias["Alarms"] == [{"Ref": "FailedExecutionsAlarm"}, {"Ref": "RollbackIncompleteAlarm"}]
    version = RESOURCES["ProvisionProjectVersion"]
    assert (version["DeletionPolicy"], version["UpdateReplacePolicy"]) == ("Retain", "Retain")


def test_the_key_outlives_the_stack() -> None:
    key = RESOURCES["EncryptionKey"]
    assert (key["DeletionPolicy"], key["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")
    assert key["Properties"]["EnableKeyRotation"] is True


def test_every_alarm_notifies_somebody() -> None:
    for alarm in shipped.made("AWS::CloudWatch::Alarm").values():
        assert alarm["AlarmActions"] == [{"Ref": "Notifications"}]


def test_every_alarm_is_on_the_dashboard() -> None:
    body = RESOURCES["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    assert set(re.findall(r"\$\{(\w+)\.Arn\}", body)) == set(shipped.made("AWS::CloudWatch::Alarm"))


def test_every_metric_of_ours_that_an_alarm_or_the_dashboard_reads_is_one_that_is_written() -> None:
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
    widgets = json.loads(RESOURCES["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"])["widgets"]
    for metric in ("ConcurrentExecutions", "Errors", "Throttles"):
        shown = [one["properties"]["metrics"] for one in widgets if metric in str(one["properties"].get("metrics"))]
        assert [[row[-1] for row in rows] for rows in shown] == [[f"${{{name}}}" for name in STAGES]]


def test_what_happens_asynchronously_has_somewhere_to_go_when_it_fails() -> None:
    queue = {"Fn::GetAtt": ["Undelivered", "Arn"]}
    for rule in shipped.made("AWS::Events::Rule").values():
        assert [target["DeadLetterConfig"] for target in rule["Targets"]] == [{"Arn": queue}]
    (policy,) = shipped.made("AWS::SQS::QueuePolicy").values()
    ((statement),) = shipped.statements(policy["PolicyDocument"])
    senders = statement["Condition"]["ArnEquals"]["aws:SourceArn"]
    assert sorted(sender["Fn::GetAtt"][0] for sender in senders) == sorted(shipped.made("AWS::Events::Rule"))
    for name in ("DeploymentStepFunction", "RefillPoolsFunction", "ReconcileFunction"):
        assert shipped.made("AWS::Lambda::Function")[name]["DeadLetterConfig"] == {"TargetArn": queue}


def test_pools_are_refilled_regularly_and_after_every_job() -> None:
    rules = [rule for rule in shipped.made("AWS::Events::Rule").values() if "RefillPools" in str(rule["Targets"])]
    assert [rule.get("ScheduleExpression") for rule in rules if "EventPattern" not in rule] == ["rate(5 minutes)"]
    (nudge,) = (rule["EventPattern"]["detail"] for rule in rules if "EventPattern" in rule)
    assert nudge["stateMachineArn"] == [{"Ref": "ProvisionProjectStateMachine"}]
    assert set(nudge["status"]) == {"SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"}


def test_removals_are_finished_every_minute() -> None:
    (rule,) = (rule for rule in shipped.made("AWS::Events::Rule").values() if "Reconcile" in str(rule["Targets"]))
    assert rule["ScheduleExpression"] == "rate(1 minute)"
    assert FUNCTIONS["ReconcileFunction"]["Handler"] == "upkeep.reconcile.reconcile"


def test_every_parameter_is_described_and_bounded() -> None:
    for name, parameter in shipped.template()["Parameters"].items():
        assert parameter["Description"].endswith("."), name
        assert {"AllowedPattern", "AllowedValues", "MaxValue"} & set(parameter), name
        if "AllowedPattern" in parameter and "Default" in parameter:
            assert re.search(parameter["AllowedPattern"], parameter["Default"]), name
