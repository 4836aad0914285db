"""What a handler imports is its cold start: a package that is not on the list has to earn its place there."""

import subprocess
import sys

import pytest

from tests import shipped

POWERTOOLS = {"aws_lambda_powertools", "botocore", "jmespath", "typing_extensions"}
"""botocore's name comes with Powertools, which imports a few of its small modules; its client does not."""

EVERYWHERE = {
    "aws_lambda_powertools",
    "botocore",
    "jmespath",
    "provisioning",
    "psycopg2",
    "stages",
    "typing_extensions",
}
"""botocore's name comes with Powertools, which imports a few of its small modules; its client does not."""

EVERYWHERE = POWERTOOLS | {"provisioning", "psycopg2", "stages"}

HTTP = EVERYWHERE | {"urllib3"}
ALLOWED = {
    "stages.register_services": HTTP,
    "stages.finalize": HTTP,
    "provisioning.deployment": HTTP - {"psycopg2", "stages"},
    "provisioning.database_pool": EVERYWHERE - {"stages"},
    "provisioning.migrate": EVERYWHERE - {"stages"} | {"yoyo", "sqlparse", "importlib_metadata", "lazy_importer"},
}
NEEDED_LATER = ("boto3", "botocore.client", "botocore.session", "jsonschema")
PROGRAM = "import sys; before = set(sys.modules); __import__(sys.argv[1]); print(*(set(sys.modules) - before))"
MODULES = sorted({function["Handler"].rpartition(".")[0] for function in shipped.functions().values()})


def imported_by(module: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, module],
        env={"PYTHONPATH": str(shipped.FUNCTIONS)},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


@pytest.mark.parametrize("module", MODULES)
def test_a_handler_imports_the_packages_on_its_list_and_no_others(module: str) -> None:
    packages = {name.partition(".")[0] for name in imported_by(module)}
    foreign = {name for name in packages if name not in sys.stdlib_module_names and not name.startswith("_")}
    assert foreign <= ALLOWED.get(module, EVERYWHERE)


@pytest.mark.parametrize("module", MODULES)
def test_no_handler_imports_awss_client_or_the_payloads_parser_before_it_needs_them(module: str) -> None:
    assert not imported_by(module) & set(NEEDED_LATER)
