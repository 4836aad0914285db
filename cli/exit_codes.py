"""The exit code of an error, whoever raised it: this program, the HTTP API, AWS, PostgreSQL or the system.

Libraries that a command has not imported cannot have raised anything, so none is imported here: their errors are told
by the names of their classes.
"""

from http import HTTPStatus

from local.errors import HumanError
from local.exit_codes import ExitCode
from provisioning import errors
from provisioning.errors import ProvisioningError, TransientError
from provisioning.requests import refusals

OF_TYPES = {
    "InvalidPayload": ExitCode.USAGE,
    "ProjectNotFound": ExitCode.NOT_FOUND,
    "JobNotFound": ExitCode.NOT_FOUND,
    "ClusterNotFound": ExitCode.NOT_FOUND,
    "ProjectExists": ExitCode.ALREADY_EXISTS,
    "CallerUnknown": ExitCode.DENIED,
    "InsufficientPermissions": ExitCode.DENIED,
    "StepFunctionsUnavailable": ExitCode.UNAVAILABLE,
    "UnexpectedFailure": ExitCode.UNUSABLE,
}
"""The typed errors, which are the HTTP API's types of problems too, that the rule of `of_type` does not cover."""

OF_STATUSES = {
    HTTPStatus.BAD_REQUEST: ExitCode.USAGE,
    HTTPStatus.UNAUTHORIZED: ExitCode.DENIED,
    HTTPStatus.FORBIDDEN: ExitCode.DENIED,
    HTTPStatus.NOT_FOUND: ExitCode.NOT_FOUND,
    HTTPStatus.METHOD_NOT_ALLOWED: ExitCode.USAGE,
    HTTPStatus.CONFLICT: ExitCode.CONFLICT,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: ExitCode.USAGE,
    HTTPStatus.UNPROCESSABLE_ENTITY: ExitCode.CONFLICT,
    HTTPStatus.TOO_MANY_REQUESTS: ExitCode.UNAVAILABLE,
    HTTPStatus.BAD_GATEWAY: ExitCode.UNAVAILABLE,
    HTTPStatus.SERVICE_UNAVAILABLE: ExitCode.UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT: ExitCode.UNAVAILABLE,
}
"""The statuses of the HTTP API and of API Gateway, whose own answers have no type of problem."""

REFUSED_BY_AWS = (
    *("AccessDenied", "AuthFailure", "ExpiredToken", "Forbidden", "IncompleteSignature", "InvalidAccessKeyId"),
    *("InvalidClientTokenId", "InvalidSignature", "MissingAuthenticationToken", "NotAuthorized", "OptInRequired"),
    *("RequestExpired", "SignatureDoesNotMatch", "Unauthorized", "UnrecognizedClient"),
)
BUSY_AWS = ("Internal", "RequestLimitExceeded", "ServiceUnavailable", "Throttl", "TooManyRequests")
"""How AWS's error codes begin: https://docs.aws.amazon.com/general/latest/gr/api-retries.html and each service's
Common Errors.
"""

OF_LIBRARIES = {
    "NoCredentialsError": ExitCode.DENIED,
    "PartialCredentialsError": ExitCode.DENIED,
    "CredentialRetrievalError": ExitCode.DENIED,
    "TokenRetrievalError": ExitCode.DENIED,
    "SSOError": ExitCode.DENIED,
    "NoRegionError": ExitCode.USAGE,
    "ProfileNotFound": ExitCode.USAGE,
    "ParamValidationError": ExitCode.USAGE,
    "InvalidRegionError": ExitCode.USAGE,
    "HTTPClientError": ExitCode.UNAVAILABLE,
    "ConnectionError": ExitCode.UNAVAILABLE,
    "InsufficientPrivilege": ExitCode.DENIED,
    "OperationalError": ExitCode.UNAVAILABLE,
}
"""Classes of botocore.exceptions and of psycopg2."""
LIBRARIES = ("botocore", "psycopg2")
BAD_LOGIN = ("28P01", "28000")
"""SQLSTATE: invalid_password, invalid_authorization_specification."""


def exit_code_of(error: BaseException) -> ExitCode:
    """Return the exit code of an error. One that nobody expected is a defect."""
    if (status := getattr(error, "status", None)) is not None and isinstance(error, HumanError):
        return of_problem(str(getattr(error, "type", "")), int(status))
    if isinstance(error, HumanError) and type(error) is not HumanError:
        return error.exit_code
    if isinstance(error, ProvisioningError):
        return of_type(type(error).__name__) or ExitCode.UNUSABLE
    if (known := _of_library(error)) is not None:
        return known
    if (cause := error.__cause__) is not None and _is_told(cause):
        # What a person reads was said again, for the same reason.
        return exit_code_of(cause)
    return _of_the_rest(error)


def of_problem(name: str, status: int) -> ExitCode:
    """Return the exit code of a problem of the HTTP API, by its type or, if API Gateway has answered, its status."""
    unknown = ExitCode.UNUSABLE
    return of_type(name) or OF_STATUSES.get(HTTPStatus(status), unknown) if status in set(HTTPStatus) else unknown


def of_type(name: str) -> ExitCode | None:
    """Return the exit code of a typed error by its name, or None if there is no such error.

    As the HTTP API answers: what is no fault is in the way, and what is transient may pass.
    """
    if name in OF_TYPES:
        return OF_TYPES[name]
    kind = getattr(errors, name, None) or getattr(refusals, name, None)
    if not (isinstance(kind, type) and issubclass(kind, ProvisioningError)):
        return None
    if not kind.is_fault:
        return ExitCode.CONFLICT
    return ExitCode.UNAVAILABLE if issubclass(kind, TransientError) else ExitCode.UNUSABLE


def is_of(error: BaseException, library: str) -> bool:
    """Return whether a library's class, or one that derives from it, is the error's."""
    return any(one.__module__.partition(".")[0] == library for one in type(error).__mro__)


def _is_told(error: BaseException) -> bool:
    return isinstance(error, HumanError | ProvisioningError) or any(is_of(error, one) for one in LIBRARIES)


def _of_library(error: BaseException) -> ExitCode | None:
    """Return the exit code of an error of AWS, of botocore or of PostgreSQL."""
    if not any(is_of(error, library) for library in LIBRARIES):
        return None
    answer = getattr(error, "response", None)
    if isinstance(answer, dict) and "Error" in answer:
        return _of_aws(str(answer["Error"].get("Code", "")))
    if getattr(error, "sqlstate", None) in BAD_LOGIN or getattr(error, "pgcode", None) in BAD_LOGIN:
        return ExitCode.DENIED
    known = (OF_LIBRARIES.get(one.__name__) for one in type(error).__mro__)
    return next((code for code in known if code is not None), ExitCode.UNUSABLE)


def _of_aws(code: str) -> ExitCode:
    if code.startswith(REFUSED_BY_AWS):
        return ExitCode.DENIED
    if code.startswith("NoSuch") or code.removesuffix("Exception").endswith(("NotFound", "DoesNotExist")):
        return ExitCode.NOT_FOUND
    if code.removesuffix("Exception").endswith(("AlreadyExists", "ResourceExists")):
        return ExitCode.ALREADY_EXISTS
    if code.startswith(BUSY_AWS):
        return ExitCode.UNAVAILABLE
    return ExitCode.USAGE if code.startswith(("Invalid", "Validation")) else ExitCode.UNUSABLE


def _of_the_rest(error: BaseException) -> ExitCode:
    if type(error).__name__ == "Absent":
        # The console's name for an execution that Step Functions does not have.
        return ExitCode.NOT_FOUND
    if isinstance(error, PermissionError):
        return ExitCode.DENIED
    return ExitCode.USAGE if isinstance(error, HumanError | UnicodeEncodeError) else ExitCode.UNUSABLE
