"""What `sam build` and `sam package` make: one build for all functions; definitions and a nested template, uploaded."""

import json
import os
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from local.aws_client import aws_environment
from local.stack import Stack
from local.template import REPOSITORY, read_document
from tests import shipped
from tests.sam.artefact import BUILT as ARTEFACT
from tests.sam.artefact import LAYER, LAYER_LIMIT_MIB, LIMIT_MIB, PG_DUMP_LAYER, PG_DUMP_LIMIT_MIB, zipped_mib
from tests.sam.conftest import SAM

BUILT = REPOSITORY / ".aws-sam"
BUCKET = "packages"


@pytest.fixture(scope="module")
def packaged(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What was built, packaged into the stack's S3: the template as it would be deployed."""
    stack.client("s3").create_bucket(Bucket=BUCKET)
    written = tmp_path_factory.mktemp("package") / "packaged.yaml"
    command = [str(SAM), "package", "--s3-bucket", BUCKET, "--region", "us-east-1", "--output-template-file"]
    environment = os.environ | aws_environment() | stack.aws.key.environment()
    environment |= {"AWS_ENDPOINT_URL": stack.endpoint_url, "SAM_CLI_TELEMETRY": "0"}
    done = subprocess.run(
        [*command, str(written)], cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return read_document(written)


def test_all_functions_share_one_build() -> None:
    builds = tomllib.loads((BUILT / "build.toml").read_text())["function_build_definitions"]
    (build,) = builds.values()
    assert set(build["functions"]) == set(shipped.functions())


def test_the_zipped_artefact_is_no_larger_than_it_has_to_be() -> None:
    assert zipped_mib() < LIMIT_MIB
    assert zipped_mib(LAYER) < LAYER_LIMIT_MIB
    assert zipped_mib(PG_DUMP_LAYER) < PG_DUMP_LIMIT_MIB


def test_pydantic_is_in_the_layer_of_the_http_api_and_nowhere_else() -> None:
    """Lambda has a layer's packages for Python in /opt/python, which is on the path: its guide, "Packaging your layer
    content" (https://docs.aws.amazon.com/lambda/latest/dg/packaging-layers.html).
    """
    assert (LAYER / "python" / "pydantic" / "__init__.py").is_file()
    assert not list(ARTEFACT.glob("pydantic*"))
    functions = shipped.functions()
    layers = {name: function["Layers"] for name, function in functions.items() if "Layers" in function}
    assert layers == {
        "AnswerRequestFunction": [{"Ref": "ValidationLayer"}],
        "ExportDatabaseFunction": [{"Ref": "PgDumpLayer"}],
    }


def test_every_module_comes_with_its_bytecode() -> None:
    modules = [*ARTEFACT.rglob("*.py"), *LAYER.rglob("*.py")]
    assert [file.name for file in modules if not list(file.parent.glob(f"__pycache__/{file.stem}.*.pyc"))] == []


def test_the_package_has_the_code_once_and_the_definitions_as_they_are_written(
    stack: Stack, packaged: dict[str, Any]
) -> None:
    resources = packaged["Resources"]
    code = {one["Properties"]["CodeUri"] for one in resources.values() if one["Type"] == "AWS::Serverless::Function"}
    assert len(code) == 1
    for job_type, machine in shipped.state_machines().items():
        location = resources[machine]["Properties"]["DefinitionS3Location"]
        uploaded = stack.client("s3").get_object(Bucket=location["Bucket"], Key=location["Key"])
        assert uploaded["Body"].read() == shipped.definition_file(job_type).read_bytes()


def test_the_package_has_the_nested_template_as_it_is_written(
    stack: Stack, packaged: dict[str, Any], tmp_path: Path
) -> None:
    key = packaged["Resources"]["Monitoring"]["Properties"]["TemplateURL"].rpartition("/")[2]
    uploaded = tmp_path / "monitoring.yaml"
    uploaded.write_bytes(stack.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read())
    nested, written = read_document(uploaded), read_document(REPOSITORY / "monitoring.yaml")
    # SAM notes the name of each resource in its metadata.
    for resource in nested["Resources"].values():
        resource.pop("Metadata", None)
    assert nested == written


def test_sam_s_own_state_machine_still_knows_no_encryption(tmp_path: Path) -> None:
    template = tmp_path / "template.json"
    machine = {
        "Type": "AWS::Serverless::StateMachine",
        "Properties": {
            "Role": "arn:aws:iam::123456789012:role/any",
            "Definition": {"StartAt": "End", "States": {"End": {"Type": "Succeed"}}},
            "EncryptionConfiguration": {"Type": "AWS_OWNED_KEY"},
        },
    }
    template.write_text(json.dumps({"Globals": {"Function": {}}, "Parameters": {}, "Resources": {"Machine": machine}}))
    program = [str(SAM.with_name("python")), str(REPOSITORY / "tests" / "transform_template.py"), str(template), "{}"]
    environment = os.environ | {"AWS_DEFAULT_REGION": "us-east-1"}
    done = subprocess.run(program, capture_output=True, text=True, check=False, env=environment)
    assert "property EncryptionConfiguration not defined for resource of type" in done.stderr
