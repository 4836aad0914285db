"""What a first deployment meets, in the template as CloudFormation sees it."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests import shipped
from tests.grants import RESOURCES

DECLARED = shipped.template()["Resources"]
PARAMETERS = shipped.template()["Parameters"]
# Parts of an ARN that an AllowedPattern takes apart.
SECRET_ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:{}-Abc123"


def references(value: Any) -> Iterator[str]:
    """Yield the resources that a part of the template refers to, by Ref, Fn::GetAtt, Fn::Sub or DependsOn."""
    match value:
        case {**members}:
            for name, member in members.items():
                yield from _named(str(name), member)
                yield from references(member)
        case [*items]:
            for item in items:
                yield from references(item)


def _named(function: str, value: Any) -> list[str]:
    """The resources that one intrinsic function, or DependsOn, names."""
    if function in {"Ref", "DependsOn"}:
        return [str(one).split(".")[0] for one in shipped.listed(value)]
    first = str(shipped.listed(value)[0]) if value else ""
    if function == "Fn::GetAtt":
        return first.split(".")[:1]
    return [one.split(".")[0] for one in re.findall(r"\$\{([^!}]+)\}", first)] if function == "Fn::Sub" else []


def before(name: str) -> set[str]:
    """The resources that are made before this one."""
    found: set[str] = set()
    next_ones = {name}
    while next_ones:
        found |= next_ones
        next_ones = {one for known in next_ones for one in references(RESOURCES[known]) if one in RESOURCES} - found
    return found - {name}


def test_the_migrations_run_once_their_way_to_secrets_and_database_is_there() -> None:
    """Neither the function nor its version refers to the rules and the endpoint, so CloudFormation orders nothing.

    Its guide, "DependsOn attribute". cfn-lint's E3005 refuses DependsOn on what has a condition; a Ref inside an Fn::If
    is a dependency too.
    """
    way = {"FunctionsToSecretsManager", "FunctionsIntoDatabases", "FunctionsIntoEndpoint", "SecretsManagerEndpoint"}
    network = {name for name, one in RESOURCES.items() if one["Type"].startswith("AWS::EC2::")}
    # The ways of the HTTP API, of the events and of exports, which the migrations do not need.
    others = (
        *("AnswerRequest", "StepFunctions", "DeliverEvents", "EventBridge"),
        *("ExportSecurityGroup", "ExportsToS3"),
    )
    network -= {name for name in network if name.startswith(others)}
    assert network == way | {"FunctionSecurityGroup", "EndpointSecurityGroup"}
    assert network <= before("ControlPlaneMigration")


def test_the_stack_is_protected_when_everything_else_is_made() -> None:
    """A stack whose creation fails ends in ROLLBACK_COMPLETE, and can only be deleted.

    CloudFormation's guide, "Understand CloudFormation stack creation events". What is not written in template.yaml, but
    made by SAM for a function, may still fail later: then the protection ends with its resource
    (tests/upkeep/test_deployment_step.py).
    """
    made = before("StackProtection")
    # SAM gives each version of a layer a name of its own.
    layers = {name for name, one in DECLARED.items() if one["Type"] == "AWS::Serverless::LayerVersion"}
    assert {name for name, one in RESOURCES.items() if one["Type"] == "AWS::Lambda::LayerVersion"} <= made
    assert set(DECLARED) - layers - made - {"StackProtection"} <= monitored()


def monitored() -> set[str]:
    """What the nested stack makes: it is one resource to the other, which UndeliveredPolicy refers to."""
    assert "Monitoring" in references(raw("UndeliveredPolicy"))
    return set(shipped.monitoring()["Resources"])


def raw(name: str) -> Any:
    """A resource of template.yaml, before the two templates are read as one."""
    from cfnlint.decode import cfn_yaml

    return cfn_yaml.load(str(shipped.ROOT / "template.yaml"))["Resources"][name]


def test_logs_exports_and_key_outlive_the_stack_but_not_a_first_deployment_that_fails() -> None:
    """CloudFormation's guide, "DeletionPolicy attribute", of RetainExceptOnCreate."""
    kept = {name for name, one in RESOURCES.items() if one.get("DeletionPolicy") == "RetainExceptOnCreate"}
    assert kept == {"EncryptionKey", "ExportsBucket", "StageLogs", "ExecutionLogs", "RequestLogs"}
    assert all(RESOURCES[name]["UpdateReplacePolicy"] == "Retain" for name in kept)


@pytest.mark.parametrize("name", PARAMETERS)
def test_only_a_text_has_a_pattern(name: str) -> None:
    """CloudFormation's guide, "CloudFormation template Parameters syntax": AllowedPattern is for the types String and
    CommaDelimitedList. The types of AWS's own are looked up in the account.
    """
    assert "AllowedPattern" not in PARAMETERS[name] or PARAMETERS[name]["Type"] in {"String", "CommaDelimitedList"}


def test_no_partition_is_written_out() -> None:
    """An ARN begins with another partition in AWS GovCloud (US) and in AWS China."""
    for source in (RESOURCES, *(shipped.definition(job_type) for job_type in shipped.state_machines())):
        assert re.findall(r"arn:aws[a-z-]*:[a-z]", json.dumps(source)) == []


def test_a_principal_with_a_region_has_the_suffix_of_its_partition() -> None:
    """In AWS China: logs.cn-north-1.amazonaws.com.cn (aws/aws-cdk, packages/@aws-cdk/region-info/lib/default.ts)."""
    assert re.findall(r"\$\{AWS::Region\}\.amazonaws\.com", json.dumps(RESOURCES)) == []
    assert "logs.${AWS::Region}.${AWS::URLSuffix}" in json.dumps(RESOURCES)


def test_the_rights_to_tenants_secrets_cover_no_other_secret_of_the_stack() -> None:
    """The patterns refuse it. Rules cannot: their functions compare whole values only.

    CloudFormation's guide, "Rule-specific intrinsic functions". Tenants' secrets are in a folder named tenants, and no
    other secret may be in or below such a folder.
    """

    def allowed(parameter: str, value: str) -> bool:
        return re.search(PARAMETERS[parameter]["AllowedPattern"], value) is not None

    tenants = {"a/tenants": True, "a/b/tenants": True, "provisioner": False, "tenants": False}
    tenants |= {"a/clusters/tenants": False, "clusters/tenants": False}
    assert {one: allowed("TenantSecretPrefix", one) for one in tenants} == tenants
    clusters = {"a/clusters": True, "a/b/clusters": True, "a/tenants/clusters": False, "tenants/clusters": False}
    assert {one: allowed("ClusterSecretPrefix", one) for one in clusters} == clusters
    for parameter in ("ControlPlaneSecretArn", "ServiceTokensSecretArn", "RealtimeDatabaseSecretArn"):
        assert allowed(parameter, SECRET_ARN.format("provisioner/control-plane"))
        assert allowed(parameter, SECRET_ARN.format("provisioner/tenants-of-mine"))
        assert not allowed(parameter, SECRET_ARN.format("provisioner/tenants/control-plane"))
        assert not allowed(parameter, SECRET_ARN.format("tenants/control-plane"))


def test_what_lambda_filters_leaves_the_metrics_in_the_logs() -> None:
    """Lambda's guide, "Log-level filtering": a line without a level counts as INFO. The metrics are such lines.

    CloudWatch's guide, "Specification: Embedded metric format", has no level.
    """
    for function in shipped.made("AWS::Lambda::Function").values():
        config = function["LoggingConfig"]
        assert config["ApplicationLogLevel"] == {"Fn::If": ["LogsDebug", "DEBUG", "INFO"]}
        assert function["Environment"]["Variables"]["POWERTOOLS_LOG_LEVEL"] == {"Ref": "LogLevel"}
    assert shipped.template()["Conditions"]["LogsDebug"] == {"Fn::Equals": [{"Ref": "LogLevel"}, "DEBUG"]}
