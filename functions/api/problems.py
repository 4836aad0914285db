"""Problems, as RFC 9457 has them: the type is the name of the error, as Step Functions shows it.

https://www.rfc-editor.org/rfc/rfc9457. A type is a reference to a URI, relative here: the name alone.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field

from provisioning.errors import (
    InvalidPayload,
    OrganizationQuotaExceeded,
    ProjectNotFound,
    ProvisioningError,
    TransientError,
    UnexpectedFailure,
)
from provisioning.observability import describe_exception, logger
from provisioning.requests.refusals import (
    CallerUnknown,
    ClusterNotFound,
    IdempotencyKeyReused,
    JobNotFound,
    StepFunctionsUnavailable,
)

CONTENT_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 5
MEANING = {
    400: "Parameters or the body break rules, all of which are named.",
    403: "The request does not say who sends it.",
    404: "There is no such project, job or cluster.",
    409: "The project, or a job of it, is in the way; job_id names the job, revealed_at when its keys were revealed.",
    415: "The body is of another media type than JSON.",
    422: "The Idempotency-Key was sent with another body before.",
    429: "The job would exceed a limit of the organization; the detail names it.",
    500: "The request failed through no fault of the caller; the log has the reason.",
    503: "Something that the request needs does not answer: try again.",
}
STATUSES: dict[type[Exception], int] = {
    InvalidPayload: 400,
    ProjectNotFound: 404,
    CallerUnknown: 403,
    JobNotFound: 404,
    ClusterNotFound: 404,
    IdempotencyKeyReused: 422,
    StepFunctionsUnavailable: 503,
    OrganizationQuotaExceeded: 429,
    UnexpectedFailure: 500,
}
"""The status of each error that has one of its own."""


class Broken(Exception):
    """A request breaks these rules."""

    def __init__(self, faults: Sequence["Fault"]) -> None:
        super().__init__("The request breaks rules.")
        self.faults = faults


class Fault(BaseModel):
    """One rule that a request breaks. It never repeats a value."""

    detail: str
    pointer: str | None = Field(default=None, description="Of a body: the JSON pointer to a member, as a fragment.")
    parameter: str | None = Field(default=None, description="The name of the parameter.")


class Problem(BaseModel):
    """A problem, as RFC 9457 has it."""

    type: str = Field(description="The name of the error, as Step Functions shows it, or about:blank.")
    title: str
    status: int
    detail: str | None = None
    job_id: str | None = Field(default=None, description="The job that is in the way.")
    revealed_at: datetime | None = Field(
        default=None, description="When the API keys were revealed to another request."
    )
    errors: list[Fault] | None = Field(default=None, description="Every rule that the request breaks.")


NO_SUCH_PATH = Problem(type="about:blank", title="Not Found", status=404, detail="There is no such path.")


def of_parameters(error: RequestValidationError, of_body: Sequence["Fault"]) -> Response[Any]:
    """Return one problem with every rule that parameters break, and those that the body breaks by itself."""
    found = [_fault(one["loc"], str(one["msg"])) for one in error.errors()]
    has_body = all(one.pointer != "#" for one in found)
    return of_broken(Broken([*found, *(of_body if has_body else ())]))


def of_broken(error: Broken) -> Response[Any]:
    """Return one problem with every rule that a request breaks."""
    problem = _problem(InvalidPayload.__name__, 400, str(error))
    problem.errors = list(error.faults)
    return response(problem)


def of_body(error: Exception) -> Response[Any]:
    """Return the problem of a body that is no JSON in UTF-8."""
    del error
    return of_broken(Broken([Fault(detail="must be JSON, in UTF-8", pointer="#")]))


def of_error(error: ProvisioningError) -> Response[Any]:
    """Return the problem of a typed error, whose message fits on one line and has no secret."""
    status = _status(error)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        logger().warning(str(error), error=type(error).__name__, raised=describe_exception(error))
    problem = _problem(type(error).__name__, status, str(error))
    problem.job_id = getattr(error, "job_id", None)
    problem.revealed_at = getattr(error, "revealed_at", None)
    return response(problem)


def of_unexpected(error: Exception) -> Response[Any]:
    """Return the problem of any other exception, whose message could quote a value: only the log has its place."""
    logger().error("request failed", raised=describe_exception(error))
    return response(_problem(UnexpectedFailure.__name__, 500, f"{type(error).__name__}: the log has its place"))


def method_not_allowed(methods: Iterable[str]) -> dict[str, Any]:
    """Return the event's answer for a path that exists with other methods (RFC 9110, 15.5.6)."""
    allowed = ", ".join(sorted(methods))
    problem = Problem(
        type="about:blank", title="Method Not Allowed", status=405, detail=f"The path exists with {allowed}."
    )
    return _answer(problem, {"Allow": allowed})


def no_json() -> dict[str, Any]:
    """Return the event's answer for a body of another media type than JSON."""
    detail = "The body has to be application/json."
    return _answer(Problem(type="about:blank", title="Unsupported Media Type", status=415, detail=detail), {})


def no_such_path() -> dict[str, Any]:
    """Return the event's answer for a path that leads to no route."""
    return _answer(NO_SUCH_PATH, {})


def response(problem: Problem) -> Response[Any]:
    """Return a problem as a route's answer."""
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if problem.status == HTTPStatus.SERVICE_UNAVAILABLE else {}
    return Response(problem.status, CONTENT_TYPE, _json(problem), headers=dict(headers))


def _answer(problem: Problem, headers: dict[str, str]) -> dict[str, Any]:
    headers = {"Content-Type": CONTENT_TYPE, **headers}
    return {"statusCode": problem.status, "headers": headers, "body": _json(problem), "isBase64Encoded": False}


def _json(problem: Problem) -> str:
    return problem.model_dump_json(exclude_none=True)


def _problem(name: str, status: int, detail: str) -> Problem:
    return Problem(type=name, title=HTTPStatus(status).phrase, status=status, detail=detail)


def _status(error: ProvisioningError) -> int:
    if (status := STATUSES.get(type(error))) is not None:
        return status
    if not error.is_fault:
        return 409
    return 503 if isinstance(error, TransientError) else 500


def _fault(location: Sequence[str | int], message: str) -> Fault:
    place, *rest = location
    if place == "body":
        return Fault(detail=message, pointer="#" + "".join(f"/{_escaped(str(one))}" for one in rest))
    return Fault(detail=message, parameter=str(rest[0] if rest else place))


def _escaped(member: str) -> str:
    return member.replace("~", "~0").replace("/", "~1")
