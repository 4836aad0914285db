"""Functions, state machines, logs and network of the template, as CloudFormation sees it."""

import re
import subprocess
from collections.abc import Iterable, Iterator
from importlib import import_module

import pytest
import yaml

from provisioning.jobs.declaration import JobType
from provisioning.jobs.registry import DECLARATIONS
from provisioning.stage import Service
from tests import shipped
from tests.grants import FUNCTIONS, STAGES, role_of

every_job_type = pytest.mark.parametrize("job_type", DECLARATIONS)

EXTRA = {
    "MigrateFunction": {"ReservedConcurrentExecutions"},
    "DeploymentStepFunction": {"VpcConfig", "DeadLetterQueue", "ReservedConcurrentExecutions"},
    "RefillPoolsFunction": {"ReservedConcurrentExecutions", "EventInvokeConfig", "Events"},
    "DeliverEventsFunction": {"ReservedConcurrentExecutions", "EventInvokeConfig", "Events", "VpcConfig"},
    "ReconcileFunction": {"ReservedConcurrentExecutions", "EventInvokeConfig", "Events", "VpcConfig"},
    "RemoveOldVersionsFunction": {
        *("VpcConfig", "ReservedConcurrentExecutions", "DeadLetterQueue", "EventInvokeConfig", "Events")
    },
    "RecordStoppedExecutionsFunction": {
        *("ReservedConcurrentExecutions", "DeadLetterQueue", "EventInvokeConfig", "Events")
    },
    "AnswerRequestFunction": {"ReservedConcurrentExecutions", "Layers", "VpcConfig", "Environment"},
    "ExportDatabaseFunction": {"Layers", "VpcConfig"},
    "RemoveExportFunction": {"VpcConfig"},
}


OWN_GROUPS = {
    "AnswerRequestFunction": "AnswerRequestSecurityGroup",
    "DeliverEventsFunction": "DeliverEventsSecurityGroup",
    **dict.fromkeys(("ExportDatabaseFunction", "RemoveExportFunction", "ReconcileFunction"), "ExportSecurityGroup"),
}
"""The functions that reach more than databases, services and Secrets Manager."""


def incomplete_lists(descriptions: Iterable[str]) -> list[str]:
    """The descriptions that name several services, and not all."""
    named = [(one, set(map(str, Service)) & set(re.findall(r"\w+", one.lower()))) for one in descriptions]
    return [one for one, found in named if 1 < len(found) < len(Service)]


def descriptions(value: object) -> Iterator[str]:
    """Every description in the template, at any depth."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in {"Description", "AlarmDescription"} and isinstance(inner, str):
                yield inner
            yield from descriptions(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from descriptions(inner)


def test_template_definitions_and_declarations_name_the_same_job_types() -> None:
    files = {file.name.removesuffix(".asl.yaml") for file in (shipped.ROOT / "statemachine").iterdir()}
    assert set(shipped.state_machines()) == files == set(DECLARATIONS)


def test_what_a_job_type_has_in_the_template_is_named_for_it() -> None:
    assert shipped.state_machines() == {name: f"{shipped.resource_stem(name)}StateMachine" for name in DECLARATIONS}


def test_every_function_of_a_stage_is_invoked_by_a_state_machine() -> None:
    assert set(STAGES) == {name for job_type in DECLARATIONS for name in shipped.functions_of(job_type)}


@every_job_type
def test_states_functions_and_substitutions_share_one_stem(job_type: JobType) -> None:
    tasks = shipped.tasks(job_type)
    expected = {shipped.resource_name(shipped.stem(name)): name for name in tasks}
    substitutions = shipped.state_machine(job_type)["DefinitionSubstitutions"]
    functions = {f"{name}Arn": {"Ref": f"{name}.Version"} for name in expected}
    assert substitutions == functions | {"Partition": {"Ref": "AWS::Partition"}}
    for name, state in expected.items():
        assert tasks[state]["Parameters"]["FunctionName"] == f"${{{name}Arn}}"
        assert STAGES[name]["Handler"].rpartition(".")[2] == shipped.stem(state)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_handler_can_be_imported_and_called(name: str) -> None:
    module, _, function = FUNCTIONS[name]["Handler"].rpartition(".")
    assert callable(getattr(import_module(module), function))


def test_functions_differ_by_handler_and_not_by_environment_or_code() -> None:
    """Only that of the HTTP API has a setting of its own (tests/deployment/test_http_api.py)."""
    own = {"Description", "Handler", "Role", "Timeout"}
    # SAM accepts these only on each function.
    same = ("CodeSigningConfigArn", "VersionDescription")
    for name, properties in FUNCTIONS.items():
        assert [properties[key] for key in same] == [FUNCTIONS["FinalizeFunction"][key] for key in same]
        extra = set(properties) - own - set(same)
        assert extra == EXTRA.get(name, set())


def test_sam_writes_out_what_the_templates_have_aliases_for() -> None:
    """CloudFormation takes no aliases:
    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-formats.html
    """
    program = "import sys; from samcli.yamlhelper import *; print(yaml_dump(yaml_parse(sys.stdin.read())))"
    written = (shipped.ROOT / "template.yaml").read_text()
    command = [str(shipped.ROOT / ".venv-sam" / "bin" / "python"), "-c", program]
    dumped = subprocess.run(command, input=written, capture_output=True, text=True, check=True).stdout
    found = [any(isinstance(one, yaml.AliasEvent) for one in yaml.parse(text)) for text in (written, dumped)]
    assert found == [True, False]
    assert ["<<:" in text for text in (written, dumped)] == [True, False]


def test_each_function_has_a_role_of_its_own() -> None:
    for name, properties in FUNCTIONS.items():
        assert role_of(properties) == name.removesuffix("Function") + "Role"
    assert len({role_of(properties) for properties in FUNCTIONS.values()}) == len(FUNCTIONS)


def test_functions_know_the_name_of_their_stack() -> None:
    variables = shipped.template()["Globals"]["Function"]["Environment"]["Variables"]
    assert variables["STACK_NAME"] == {"Ref": "AWS::StackName"}


@every_job_type
def test_executions_are_traced_encrypted_and_logged_without_their_data(job_type: JobType) -> None:
    machine = shipped.state_machine(job_type)
    assert machine["StateMachineType"] == "STANDARD"
    assert machine["TracingConfiguration"] == {"Enabled": True}
    assert machine["EncryptionConfiguration"]["KmsKeyId"] == {"Fn::GetAtt": ["EncryptionKey", "Arn"]}
    logging = machine["LoggingConfiguration"]
    assert (logging["Level"], logging["IncludeExecutionData"]) == ("ALL", False)
    assert machine["DefinitionS3Location"] == str(shipped.definition_file(job_type).relative_to(shipped.ROOT))


def test_logs_are_encrypted_and_end() -> None:
    for group in shipped.made("AWS::Logs::LogGroup").values():
        assert group["KmsKeyId"] == {"Fn::GetAtt": ["EncryptionKey", "Arn"]}
        assert group["RetentionInDays"] == {"Ref": "LogRetentionDays"}


def test_every_function_is_traced_and_in_the_network_of_its_database() -> None:
    for name, function in shipped.made("AWS::Lambda::Function").items():
        assert function["TracingConfig"] == {"Mode": "Active"}
        outside = name in {"DeploymentStepFunction", "RemoveOldVersionsFunction"}
        # tests/deployment: test_way_to_step_functions.py, test_way_to_eventbridge.py and test_exports_bucket.py.
        own = [{"Ref": OWN_GROUPS[name]}] if name in OWN_GROUPS else []
        inside = {
            "SubnetIds": {"Ref": "PrivateSubnetIds"},
            "SecurityGroupIds": [{"Ref": "FunctionSecurityGroup"}, *own],
        }
        assert function["VpcConfig"] == ({"Ref": "AWS::NoValue"} if outside else inside)


def test_descriptions_that_list_services_list_all_of_them() -> None:
    assert incomplete_lists(descriptions(shipped.template())) == []


def test_the_check_sees_a_list_that_leaves_a_service_out() -> None:
    leaves_out, complete = "Auth, realtime and storage.", "Auth, realtime, storage and pooler."
    assert incomplete_lists([leaves_out, complete, "The auth service."]) == [leaves_out]
