"""What a deployment replaces, keeps and asks before it, in the template as CloudFormation sees it."""

from importlib import import_module

import pytest

from provisioning.handler import needs_of
from provisioning.jobs.declaration import JobType
from provisioning.jobs.registry import DECLARATIONS
from provisioning.needs import Need
from provisioning.stage import Service
from tests import shipped
from tests.grants import FUNCTIONS, STAGES, attached, granted, role_of, written

RESOURCES = shipped.transformed()["Resources"]
ALARMS = shipped.made("AWS::CloudWatch::Alarm")
CANARY = ("FaultyAttemptsAlarm", "FaultyJobsAlarm")

every_job_type = pytest.mark.parametrize("job_type", DECLARATIONS)


@pytest.mark.parametrize("kind", ["AWS::Lambda::Version", "AWS::StepFunctions::StateMachineVersion"])
def test_a_version_is_kept_when_another_takes_its_place_under_the_same_name(kind: str) -> None:
    """An execution uses the versions that it began with.

    Any change of AWS::Lambda::Version replaces it: "Update requires: Replacement" in CloudFormation's reference. SAM
    names it by a hash of code and environment, in which a parameter is only its name (samtranslator 1.115.0,
    sam_resources.py, _construct_version), so another Revision replaces it under the same name. DeletionPolicy is for
    resources that leave the template, and UpdateReplacePolicy for those that are replaced:
    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-attribute-updatereplacepolicy.html
    """
    versions = [found for found in RESOURCES.values() if found["Type"] == kind]
    assert len(versions) == len(shipped.functions() if kind == "AWS::Lambda::Version" else DECLARATIONS)
    assert {(found["DeletionPolicy"], found["UpdateReplacePolicy"]) for found in versions} == {("Retain", "Retain")}


def test_a_function_itself_goes_with_its_stack() -> None:
    assert {RESOURCES[name].get("DeletionPolicy") for name in shipped.functions()} == {None}


@every_job_type
def test_a_new_version_gets_a_tenth_of_the_executions_and_is_taken_back_by_its_faults(job_type: JobType) -> None:
    stem = shipped.resource_stem(job_type)
    alias = shipped.made("AWS::StepFunctions::StateMachineAlias")[f"{stem}Alias"]
    assert alias["Name"] == "live"
    preference = alias["DeploymentPreference"]
    assert preference["StateMachineVersionArn"] == {"Ref": f"{stem}Version"}
    assert preference["Percentage"] == 10
    assert preference["Alarms"] == [{"Ref": name} for name in CANARY]
    assert RESOURCES[f"{stem}Version"]["Properties"]["StateMachineArn"] == {"Ref": f"{stem}StateMachine"}


@every_job_type
def test_a_canary_waits_for_two_jobs_in_turn_to_fail_and_for_the_alarm(job_type: JobType) -> None:
    """The alarm on failed jobs looks at periods of five minutes, and CloudWatch may need one more for its data.

    A stage that may take more than a minute is left out: a canary does not wait for the largest export to fail.
    """
    longest = 0
    for task in (one for one in shipped.tasks(job_type).values() if one["TimeoutSeconds"] == 60):
        retry = task["Retry"][-1]
        assert (retry["ErrorEquals"], retry["BackoffRate"]) == (["States.ALL"], 1.0)
        attempts = retry["MaxAttempts"] + 1
        longest = max(longest, attempts * task["TimeoutSeconds"] + retry["MaxAttempts"] * retry["IntervalSeconds"])
    stem = shipped.resource_stem(job_type)
    alias = shipped.made("AWS::StepFunctions::StateMachineAlias")[f"{stem}Alias"]
    interval = 60 * alias["DeploymentPreference"]["Interval"]
    assert longest == 780
    assert interval >= 2 * longest
    assert interval >= longest + 2 * max(ALARMS[name]["Period"] for name in ("FaultyJobsAlarm",))


def test_three_attempts_of_one_job_put_two_faults_into_one_period() -> None:
    alarm = ALARMS["FaultyAttemptsAlarm"]
    assert (alarm["Threshold"], alarm["Statistic"], alarm["EvaluationPeriods"]) == (2, "Sum", 1)
    assert alarm["Period"] > 2 * 300 + 3 * 60


@pytest.mark.parametrize(("name", "kind"), [*zip(CANARY, ("attempt", "job"), strict=True)])
def test_what_takes_a_version_back_sees_only_the_faults_of_its_revision(name: str, kind: str) -> None:
    """Otherwise what an outage or the last version did would keep its repair from being deployed.

    "When you update an existing alarm, its state is left unchanged" (API reference, PutMetricAlarm), so another
    revision has an alarm of another name, which begins without a state. The deployment asks for alarms in the state
    ALARM by their names: TrafficShiftingUtils.getActiveAlarms in
    https://github.com/aws-cloudformation/aws-cloudformation-resource-providers-stepfunctions at 3df87f8.
    """
    alarm = ALARMS[name]
    dimensions = {one["Name"]: one["Value"] for one in alarm["Dimensions"]}
    assert dimensions == {"service": "provisioner", "revision": {"Ref": "Revision"}, "kind": kind}
    assert (alarm["Namespace"], alarm["MetricName"]) == ("Provisioner", "Faults")
    assert "${Revision}" in alarm["AlarmName"]["Fn::Sub"]
    assert alarm["TreatMissingData"] == "notBreaching"


def test_a_parameter_deploys_a_repair_to_all_executions_at_once() -> None:
    """ALL_AT_ONCE reads no alarm, and ignores percentage and interval: UpdateHandler.handleAllAtOnceUpdate and
    ResourceModelUtils.validateDeploymentPreference in
    https://github.com/aws-cloudformation/aws-cloudformation-resource-providers-stepfunctions at 3df87f8.
    """
    parameter = shipped.template()["Parameters"]["DeploymentType"]
    assert (parameter["Default"], parameter["AllowedValues"]) == ("CANARY", ["CANARY", "ALL_AT_ONCE"])
    for alias in shipped.made("AWS::StepFunctions::StateMachineAlias").values():
        assert alias["DeploymentPreference"]["Type"] == {"Ref": "DeploymentType"}


PROBED = [*STAGES, "DeliverEventsFunction", "AnswerRequestFunction"]
NEW_VERSIONS = RESOURCES["NewVersions"]["Properties"]
GRANTED = {
    Need.CLUSTERS: "secretsmanager:GetSecretValue on secret:${ClusterSecretPrefix}/*",
    Need.TENANT_SECRETS: "secretsmanager:GetSecretValue on secret:${TenantSecretPrefix}/*",
    Need.REALTIME_DATABASE: "secretsmanager:GetSecretValue on RealtimeDatabaseSecretArn",
    Need.SEVERAL_SECRETS: "secretsmanager:BatchGetSecretValue on *",
    Need.EVENT_BUS: "events:DescribeEventBus on event-bus/${AWS::StackName}",
    Need.STEP_FUNCTIONS: "states:DescribeExecution on execution:${AWS::StackName}-provision-project:*",
    Need.EXPORTS: "s3:ListBucket on ['ExportsBucket', 'Arn']",
}
TOKENS = "secretsmanager:GetSecretValue on ServiceTokensSecretArn"


def rights(role: str) -> set[str]:
    """What a role may read, in a text for each right."""
    return {
        f"{action} on {_named(on) or written(on)}" for who, action, on in granted() if who in {role, *attached(role)}
    }


def _named(resource: object) -> str:
    """The resource of the template that is meant as a whole."""
    found = (resource.get("Ref") or resource.get("Fn::GetAtt")) if isinstance(resource, dict) else None
    return str(found or "")


def test_every_version_is_probed_before_any_alias_moves() -> None:
    for alias in shipped.made("AWS::StepFunctions::StateMachineAlias"):
        assert RESOURCES[alias]["DependsOn"] == "NewVersions"
    probed = [RESOURCES[one["Ref"]]["Properties"]["FunctionName"]["Ref"] for one in NEW_VERSIONS["Functions"]]
    assert sorted(probed) == sorted(PROBED)
    assert {RESOURCES[one["Ref"]]["Type"] for one in NEW_VERSIONS["Functions"]} == {"AWS::Lambda::Version"}


def test_every_alias_is_compared_with_the_version_that_it_was_given() -> None:
    assert NEW_VERSIONS["Versions"] == [{"Ref": f"{shipped.resource_stem(name)}Version"} for name in DECLARATIONS]
    asked = [on["Fn::Sub"] for who, action, on in granted() if who == "ProbePolicy" and action.startswith("states:")]
    assert asked == [f"${{{shipped.resource_stem(name)}StateMachine}}:live" for name in DECLARATIONS]


@pytest.mark.parametrize("name", PROBED)
def test_a_probe_checks_what_its_functions_role_may_read(name: str) -> None:
    path = FUNCTIONS[name]["Handler"]
    import_module(path.rpartition(".")[0])
    needs, may = set(needs_of(path)), rights(role_of(FUNCTIONS[name]))
    if Need.SERVICE_CREDENTIALS in needs:
        needs = needs - {Need.SERVICE_CREDENTIALS} | {Need.TENANT_SECRETS}
    # It is a program, for which no right is needed.
    needs -= {Need.PG_DUMP}
    assert {need for need in Need if need in needs} == {need for need, right in GRANTED.items() if right in may}
    assert any(service in needs for service in Service) == (TOKENS in may)


def test_what_removes_old_versions_may_remove_versions_and_no_function() -> None:
    """A version's ARN restricts an action to that version: Lambda's guide, "Fine-tuning the Resources and Conditions
    sections of policies".
    """
    may = {
        action: sorted(str(next(iter(on.values()))) for who, named, on in granted() if (who, named) == (policy, action))
        for policy in ("RemoveOldVersionsPolicy",)
        for action in ("lambda:DeleteFunction", "lambda:ListAliases", "states:DeleteStateMachineVersion")
    }
    functions, machines = shipped.functions(), shipped.state_machines().values()
    assert may["lambda:DeleteFunction"] == sorted(f"${{{name}.Arn}}:*" for name in functions)
    assert may["lambda:ListAliases"] == sorted(str([name, "Arn"]) for name in functions)
    assert may["states:DeleteStateMachineVersion"] == sorted(f"${{{name}}}:*" for name in machines)
