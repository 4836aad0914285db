import json
from pathlib import Path

import pytest

from local.template import TemplateError, read_template

TEMPLATE = """
Parameters:
  Url: {Type: String}
  Prefix: {Type: String, Default: tenants}
  Memory: {Type: Number, Default: 256}
Globals:
  Function:
    CodeUri: code/
    Timeout: 50
    MemorySize: !Ref Memory
    Environment:
      Variables: {URL: !Ref Url, PREFIX: !Ref Prefix, KEY: !Ref Key, PATH_TO: !Sub "${Url}/${Prefix}", PLAIN: 1}
Resources:
  Key: {Type: "AWS::KMS::Key"}
  OneFunction: {Type: "AWS::Serverless::Function", Properties: {Handler: stages.one.one}}
  TwoFunction: {Type: "AWS::Serverless::Function", Properties: {Handler: stages.two.two, Timeout: 300}}
  Machine:
    Type: AWS::StepFunctions::StateMachine
    Properties:
      DefinitionS3Location: machine.asl.yaml
      DefinitionSubstitutions: {OneFunctionArn: !GetAtt OneFunction.Arn}
"""
SECOND = """
  SecondMachine:
    Type: AWS::StepFunctions::StateMachine
    Properties:
      StateMachineName: !Sub ${AWS::StackName}-suspend-project
      DefinitionS3Location: second.asl.yaml
      DefinitionSubstitutions: {TwoFunctionArn: !Ref TwoFunction.Version}
"""


@pytest.fixture
def template(tmp_path: Path) -> Path:
    (tmp_path / "machine.asl.yaml").write_text('StartAt: A\nStates: {A: {Resource: "${OneFunctionArn}"}}\n')
    path = tmp_path / "template.yaml"
    path.write_text(TEMPLATE)
    return path


def test_functions_have_their_own_limits_or_the_global_ones(template: Path) -> None:
    functions = read_template(template).functions
    assert [(one.resource, one.handler, one.timeout_seconds, one.memory_megabytes) for one in functions] == [
        ("OneFunction", "stages.one.one", 50, 256),
        ("TwoFunction", "stages.two.two", 300, 256),
    ]


def test_environment_takes_what_is_given_then_defaults_then_nothing(template: Path) -> None:
    assert read_template(template).environment({"Url": "http://a"}) == {
        "URL": "http://a",
        "PREFIX": "tenants",
        "KEY": "",
        "PATH_TO": "http://a/tenants",
        "PLAIN": "1",
    }


def test_a_resource_in_the_environment_can_be_given_too(template: Path) -> None:
    assert read_template(template).environment({"Key": "alias/own"})["KEY"] == "alias/own"


def test_an_unknown_parameter_is_refused(template: Path) -> None:
    with pytest.raises(TemplateError, match="no parameter Urll"):
        read_template(template).environment({"Urll": "http://a"})


def test_definition_gets_the_arns_of_its_functions(template: Path) -> None:
    definition = read_template(template).state_machines[0].definition({"OneFunction": "arn:one"})
    assert json.loads(definition)["States"]["A"]["Resource"] == "arn:one"


def test_a_placeholder_without_a_substitution_is_refused(template: Path) -> None:
    (template.parent / "machine.asl.yaml").write_text('StartAt: A\nStates: {A: {Resource: "${Other}"}}\n')
    with pytest.raises(TemplateError, match="needs a substitution for Other"):
        read_template(template).state_machines[0].definition({"OneFunction": "arn:one"})


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("!Ref AWS::Partition", "arn:aws:states"),
        ('!Sub "${AWS::Partition}"', "arn:aws:states"),
        ("!Ref Prefix", "arn:tenants:states"),
        ("plain", "arn:plain:states"),
    ],
)
def test_a_substitution_may_be_a_text(template: Path, value: str, expected: str) -> None:
    template.write_text(TEMPLATE.replace("!GetAtt OneFunction.Arn", f"!GetAtt OneFunction.Arn, Partition: {value}"))
    (template.parent / "machine.asl.yaml").write_text('States: {A: {Resource: "arn:${Partition}:states"}}\n')
    (machine,) = read_template(template).state_machines
    definition = machine.definition({"OneFunction": "arn:one"})
    assert json.loads(definition)["States"]["A"]["Resource"] == expected
    assert set(machine.substitutions) == {"OneFunctionArn"}


@pytest.mark.parametrize("value", ["!GetAtt Key.Arn", '!Sub "${Key}"', "!Ref Nothing"])
def test_a_substitution_that_is_not_known_here_is_refused(template: Path, value: str) -> None:
    template.write_text(TEMPLATE.replace("!GetAtt OneFunction.Arn", value))
    with pytest.raises(TemplateError, match="must be a function's Arn or version, or known here"):
        read_template(template)


def test_a_pseudo_parameter_in_the_environment_has_a_value(template: Path) -> None:
    template.write_text(TEMPLATE.replace("PLAIN: 1", "STACK: !Ref AWS::StackName"))
    assert read_template(template).environment({})["STACK"] == "laptop"


def test_an_intrinsic_function_that_is_not_followed_is_refused(template: Path) -> None:
    template.write_text(TEMPLATE.replace("!Ref Prefix", "!ImportValue Prefix"))
    with pytest.raises(TemplateError, match="does not know Fn::ImportValue"):
        read_template(template).environment({})


def test_the_shipped_template_names_a_function_for_every_substitution() -> None:
    template = read_template()
    for machine in template.state_machines:
        assert set(machine.substitutions.values()) <= {function.resource for function in template.functions}
        assert machine.texts == {"Partition": "aws"}
    assert len(template.state_machines[0].substitutions) == 13


def test_every_state_machine_has_its_own_name_file_and_functions(template: Path) -> None:
    template.write_text(TEMPLATE + SECOND)
    (template.parent / "second.asl.yaml").write_text('StartAt: B\nStates: {B: {Resource: "${TwoFunctionArn}"}}\n')
    first, second = read_template(template).state_machines
    assert (first.resource, first.name) == ("Machine", "Machine")
    assert (second.resource, second.name) == ("SecondMachine", "laptop-suspend-project")
    assert json.loads(second.definition({"TwoFunction": "arn:two"}))["States"]["B"]["Resource"] == "arn:two"
    assert first.substitutions == {"OneFunctionArn": "OneFunction"}


def test_a_template_without_a_state_machine_is_refused(template: Path) -> None:
    template.write_text(TEMPLATE.partition("  Machine:")[0])
    with pytest.raises(TemplateError, match="has no state machine"):
        read_template(template)
