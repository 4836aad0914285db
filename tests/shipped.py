"""What ships, for the tests to read: the template, the state machines, and the names that connect them."""

import copy
import functools
import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import yaml
from cfnlint.decode import cfn_yaml

from provisioning import queries
from provisioning.jobs.declaration import JobType
from provisioning.jobs.provision_project import PROVISION_PROJECT
from provisioning.queries import Query
from tests.nested_stack import read_as_one

ROOT = Path(__file__).parent.parent
FUNCTIONS = ROOT / "functions"
PROVISION = PROVISION_PROJECT.job_type
"""The default job type."""

Node = dict[str, Any]


def template() -> Node:
    """The template and what it nests, with short forms (!Ref) written out ({"Ref": ...})."""
    return copy.deepcopy(_template())


@functools.cache
def _template() -> Node:
    return read_as_one(cast("Node", cfn_yaml.load(str(ROOT / "template.yaml"))), monitoring(), "Monitoring")


def monitoring() -> Node:
    """The template that is nested, as it stands."""
    return cast("Node", cfn_yaml.load(str(ROOT / "monitoring.yaml")))


def resources(kind: str) -> dict[str, Node]:
    """The properties of every resource of that type, by name."""
    return {name: found["Properties"] for name, found in template()["Resources"].items() if found["Type"] == kind}


def functions() -> dict[str, Node]:
    """The properties of every Lambda function, by name."""
    return resources("AWS::Serverless::Function")


def state_machines() -> dict[JobType, str]:
    """The resource name of every state machine, by the job type that its own name ends with."""
    found = resources("AWS::StepFunctions::StateMachine")
    return {
        JobType(machine["StateMachineName"]["Fn::Sub"].removeprefix("${AWS::StackName}-").replace("-", "_")): name
        for name, machine in found.items()
    }


def state_machine(job_type: JobType = PROVISION) -> Node:
    """The properties of a job type's state machine."""
    return resources("AWS::StepFunctions::StateMachine")[state_machines()[job_type]]


@functools.cache
def transformed() -> Node:
    """The template as CloudFormation sees it: SAM's resources written out, its globals merged into them.

    The resources of the nested stack stand among them.
    """
    program = [str(ROOT / ".venv-sam" / "bin" / "python"), str(Path(__file__).with_name("transform_template.py"))]
    command = [*program, str(ROOT / "template.yaml"), "{}"]
    environment = os.environ | {"AWS_DEFAULT_REGION": "us-east-1"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return read_as_one(json.loads(done.stdout), monitoring(), "Monitoring")


def made(kind: str) -> dict[str, Node]:
    """The properties of the transformed resources of a type, by name."""
    return {name: found["Properties"] for name, found in transformed()["Resources"].items() if found["Type"] == kind}


def listed(value: Any) -> list[Any]:
    """One thing or a list of them, as a list."""
    return value if isinstance(value, list) else [value]


def statements(document: Node) -> Iterator[Node]:
    """The statements of a policy, each as if its condition holds."""
    for statement in listed(document["Statement"]):
        yield from statement["Fn::If"][1:2] if "Fn::If" in statement else [statement]


def definition_file(job_type: JobType = PROVISION) -> Path:
    """The file with the definition of a job type's state machine."""
    return ROOT / "statemachine" / f"{job_type}.asl.yaml"


DEFINITION = definition_file()


def definition(job_type: JobType = PROVISION) -> Node:
    """The definition of a job type's state machine, before its substitutions."""
    return cast("Node", yaml.load(definition_file(job_type).read_text(), yaml.CSafeLoader))


def states(machine: Mapping[str, Any] | None = None) -> Iterator[tuple[str, Node]]:
    """Every state by name, those inside the branches of a Parallel included."""
    for name, state in (machine or definition())["States"].items():
        yield name, state
        for branch in state.get("Branches", []):
            yield from states(branch)


def tasks(job_type: JobType = PROVISION) -> dict[str, Node]:
    """Every Task state of a job type that invokes a function, by name."""
    found = {name: state for name, state in states(definition(job_type)) if state["Type"] == "Task"}
    return {name: state for name, state in found.items() if "FunctionName" in state["Parameters"]}


def sql_files() -> dict[Path, Mapping[str, Query]]:
    """The queries of every .sql file that a module sends, by file and name; migrations are no queries."""
    found = sorted(file for file in FUNCTIONS.rglob("*.sql") if not re.match(r"\d{4}_", file.name))
    return {file: queries.load(str(file)) for file in found}


def stem(state_name: str) -> str:
    """The name of a stage in code: "Create tenant database" is create_database."""
    return state_name.lower().replace(" tenant ", " ").replace(" ", "_")


def resource_name(function_stem: str) -> str:
    """The name of a stage's function in the template: create_database is CreateDatabaseFunction."""
    return resource_stem(function_stem) + "Function"


def resource_stem(name: str) -> str:
    """The prefix of its resources' names in the template: suspend_project is SuspendProject."""
    return re.sub(r"(?:^|_)([a-z])", lambda letter: letter[1].upper(), name)


def functions_of(job_type: JobType) -> list[str]:
    """The functions that a job type's state machine invokes, in the order of its states."""
    return [resource_name(stem(state)) for state in tasks(job_type)]
