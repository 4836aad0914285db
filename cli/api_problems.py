"""What the HTTP API refuses, as a typed error: a problem as RFC 9457 has it, or API Gateway's own answer."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

from local.errors import HumanError, Unavailable

UNTYPED = "about:blank"
PERMANENT = ("Misconfigured", "InsufficientPermissions")
"""Types of status 500 that no repetition changes."""
GIVEN_AS = {
    "project_id": "PROJECT",
    "job_id": "JOB",
    "job_type": "--type",
    "status": "--status",
    "limit": "--most",
    "after": "--after",
    "idempotency-key": "--key",
}
"""What a user calls each parameter of the API whose value the user gives."""


class Fault(NamedTuple):
    """One rule that a request breaks."""

    place: str
    """A field of the body, such as "api_keys.count", or what the user has given as a parameter, such as --key."""
    detail: str


class ApiProblem(HumanError):
    """The API has refused a request, or could not do what it asks for."""

    def __init__(self, status: int, document: Mapping[str, Any]) -> None:
        self.status = status
        self.type = str(document.get("type", UNTYPED))
        self.job_id: str | None = document.get("job_id")
        """The job that is in the way."""
        self.ending: dict[str, Any] | None = document.get("ending")
        self.document = document
        self.faults = [
            Fault(_place(one), str(one.get("detail", ""))) for one in document.get("errors") or [] if one is not None
        ]
        """Every rule that the request breaks."""
        phrase = next((one.phrase for one in HTTPStatus if one == status), "no status of HTTP")
        self.detail = _printable(str(document.get("detail") or document.get("message") or phrase))
        super().__init__(self._in_one_line())

    @property
    def is_typed(self) -> bool:
        """Whether the deployment's own code has answered, and not API Gateway."""
        return self.type != UNTYPED

    @property
    def may_pass(self) -> bool:
        """Whether the same request may be answered otherwise a little later."""
        if self.status == HTTPStatus.TOO_MANY_REQUESTS:
            # A limit of the organization has a type; API Gateway's, of requests, has none.
            return not self.is_typed
        return self.status >= HTTPStatus.INTERNAL_SERVER_ERROR and self.type not in PERMANENT

    def _in_one_line(self) -> str:
        if self.faults:
            return "; ".join(_printable(": ".join(part for part in one if part)) for one in self.faults)
        if self.is_typed:
            return self.detail
        return f"the API answers with {self.status}: {self.detail}"


class ApiUnreachable(Unavailable):
    """The API has not answered, however often it was asked."""


def _place(fault: Mapping[str, Any]) -> str:
    pointer = fault.get("pointer")
    if pointer is None:
        parameter = str(fault.get("parameter") or "")
        return GIVEN_AS.get(parameter, parameter)
    members = str(pointer).removeprefix("#").removeprefix("/").split("/")
    return ".".join(member.replace("~1", "/").replace("~0", "~") for member in members) or "payload"


def _printable(text: str) -> str:
    """Return what others wrote without characters that a terminal would obey."""
    return "".join(one for one in " ".join(text.split()) if one.isprintable())
