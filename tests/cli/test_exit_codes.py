"""Each class of error has an exit code of its own, whoever raised it."""

import re

import pytest
from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError, NoCredentialsError, ProfileNotFound
from psycopg2 import OperationalError, errors

from api import problems
from cli.exit_codes import OF_STATUSES, exit_code_of, of_problem
from local.errors import HumanError
from local.exit_codes import ExitCode
from local.template import REPOSITORY
from provisioning.errors import ProvisioningError
from provisioning.requests import refusals


def typed_errors() -> list[type[ProvisioningError]]:
    found, known = [ProvisioningError], []
    while found:
        known.append(one := found.pop())
        found += one.__subclasses__()
    shipped = ("provisioning.errors", refusals.__name__)
    return [one for one in known if one.__module__ in shipped and not one.__subclasses__()]


def aws(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "m"}}, "DescribeExecution")


def test_the_table_in_the_documentation_is_the_list_in_the_code() -> None:
    page = (REPOSITORY / "docs" / "command-line.md").read_text()
    rows = re.findall(r"^\| (\d+) \| (.+) \| (.+) \|$", page, re.MULTILINE)
    assert rows == [(str(int(one)), one.name.lower().replace("_", " "), one.meaning) for one in ExitCode]


@pytest.mark.parametrize("kind", typed_errors())
def test_a_typed_error_has_the_exit_code_of_its_status_in_the_api(kind: type[ProvisioningError]) -> None:
    error = kind("message")
    status = int(problems.of_error(error).status_code)
    usual = {429: ExitCode.CONFLICT, 500: ExitCode.UNUSABLE}.get(status) or OF_STATUSES[status]  # type: ignore[index]
    own = {"ProjectExists": ExitCode.ALREADY_EXISTS, "InsufficientPermissions": ExitCode.DENIED}
    assert exit_code_of(error) == own.get(kind.__name__, usual)
    assert of_problem(kind.__name__, status) == exit_code_of(error)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (aws("AccessDeniedException"), ExitCode.DENIED),
        (aws("ExpiredTokenException"), ExitCode.DENIED),
        (aws("ExecutionDoesNotExist"), ExitCode.NOT_FOUND),
        (aws("ResourceNotFoundException"), ExitCode.NOT_FOUND),
        (aws("ResourceExistsException"), ExitCode.ALREADY_EXISTS),
        (aws("ThrottlingException"), ExitCode.UNAVAILABLE),
        (aws("InvalidArn"), ExitCode.USAGE),
        (aws("Nobody'sCode"), ExitCode.UNUSABLE),
        (NoCredentialsError(), ExitCode.DENIED),
        (ProfileNotFound(profile="p"), ExitCode.USAGE),
        (ConnectTimeoutError(endpoint_url="e"), ExitCode.UNAVAILABLE),
        (BotoCoreError(), ExitCode.UNUSABLE),
        (OperationalError("m"), ExitCode.UNAVAILABLE),
        (errors.InsufficientPrivilege(), ExitCode.DENIED),
        (PermissionError(13, "m"), ExitCode.DENIED),
        (OSError(28, "m"), ExitCode.UNUSABLE),
        (ZeroDivisionError(), ExitCode.UNUSABLE),
    ],
    ids=repr,
)
def test_an_error_of_others_has_the_code_of_its_class(error: Exception, code: ExitCode) -> None:
    assert exit_code_of(error) == code


def test_an_error_that_is_said_again_keeps_its_code() -> None:
    for cause, code in ((aws("AccessDenied"), ExitCode.DENIED), (refusals.JobNotFound("j"), ExitCode.NOT_FOUND)):
        again = HumanError("it failed")
        again.__cause__ = cause
        assert exit_code_of(again) == code


@pytest.mark.parametrize(("status", "code"), [(404, 3), (429, 7), (500, 8), (503, 7), (403, 6), (599, 8)], ids=str)
def test_an_answer_of_api_gateway_has_the_code_of_its_status(status: int, code: int) -> None:
    assert of_problem("about:blank", status) == code
