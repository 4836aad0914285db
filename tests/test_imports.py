"""What importing a handler brings in. Counted in modules, because milliseconds depend on the machine."""

import subprocess
import sys
from pathlib import Path

import pytest

FUNCTIONS = Path(__file__).parents[1] / "functions"
EVERY_STAGE = {"aws_lambda_powertools", "botocore", "jmespath", "psycopg2", "typing_extensions"}
"""botocore and jmespath come with Powertools, and of botocore only its outermost module: no client is made of it."""

PACKAGES = {
    "create_database": EVERY_STAGE,
    "create_schema": EVERY_STAGE,
    "finalize": EVERY_STAGE | {"urllib3"},
    "generate_api_keys": EVERY_STAGE,
    "record_failure": EVERY_STAGE,
    "register_services": EVERY_STAGE | {"urllib3"},
    "verify_project": EVERY_STAGE,
}
NEVER_AT_IMPORT = {"boto3", "botocore.client", "botocore.session", "jsonschema", "fastjsonschema", "yoyo"}


def imported(stage: str) -> set[str]:
    """Returns the installed modules that a fresh interpreter has once it has imported the stage."""
    program = (
        "import sys; before = set(sys.modules); sys.path.insert(0, sys.argv[1]); __import__('stages.' + sys.argv[2]);"
        "print(*(n for n, m in sys.modules.items() if n not in before"
        " and 'site-packages' in (getattr(m, '__file__', '') or '')))"
    )
    command = [sys.executable, "-c", program, str(FUNCTIONS), stage]
    return set(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())


def test_every_stage_has_its_list() -> None:
    assert PACKAGES.keys() == {file.stem for file in (FUNCTIONS / "stages").glob("[a-z]*.py")}


@pytest.mark.parametrize("stage", PACKAGES)
def test_a_stage_imports_what_is_on_its_list_and_no_more(stage: str) -> None:
    modules = imported(stage)
    assert {module.partition(".")[0] for module in modules} <= PACKAGES[stage]
    assert not modules & NEVER_AT_IMPORT
