"""What importing the HTTP API's handler loads, by package: no other function pays for it (tests/test_imports.py)."""

from tests.test_imports import NEVER_AT_IMPORT, imported

VALIDATION = {"pydantic", "pydantic_core", "annotated_types", "typing_inspection"}
PACKAGES = VALIDATION | {"aws_lambda_powertools", "botocore", "jmespath", "psycopg2", "typing_extensions"}
OWN = {"api", "provisioning"}
LISTED_OF_PYTHON = {"dataclasses", "hashlib", "secrets", "uuid"}


def test_the_api_imports_what_is_on_its_list() -> None:
    found = {module.partition(".")[0] for module in imported("api.requests")} - LISTED_OF_PYTHON
    assert found == PACKAGES | OWN
    assert not imported("api.requests") & NEVER_AT_IMPORT
