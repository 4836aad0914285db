"""Powertools' resolver of HTTP APIs with the routes, and the problems that they answer with."""

import inspect
import json
import threading
from collections.abc import Iterable
from typing import Any, cast

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError
from aws_lambda_powertools.event_handler.openapi.types import OpenAPIResponse
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2
from aws_lambda_powertools.utilities.typing import LambdaContext as PowertoolsContext

from api import problems
from api.problems import Fault, Problem
from api.routes import ROUTES, Route
from provisioning.errors import ProvisioningError
from provisioning.ledger.runner import LambdaContext

_environment = threading.local()
"""A Lambda environment handles one event at a time, on one thread. On a laptop several are in one process."""

EVERY_ROUTE = (400, 500, 503)
"""Statuses of the problems that every route may answer with."""


def make(routes: Iterable[Route]) -> APIGatewayHttpResolver:
    """Return a resolver that validates parameters, bodies and answers."""
    application = APIGatewayHttpResolver(enable_validation=True)
    for route in routes:
        application.route(
            route.rule,
            route.method,
            summary=route.summary,
            description=inspect.cleandoc(route.answer.__doc__ or ""),
            responses=_responses(route),
            response_description="The answer.",
            operation_id=route.answer.__name__,
            tags=[route.right],
            status_code=route.status,
        )(route.answer)
    application.exception_handler(RequestValidationError)(
        lambda error: problems.of_parameters(error, _faults_of_body(application.current_event.raw_event))
    )
    application.exception_handler(problems.Broken)(problems.of_broken)
    application.exception_handler([UnreadableBody, UnicodeDecodeError, RecursionError])(problems.of_body)
    application.exception_handler(ProvisioningError)(problems.of_error)
    application.exception_handler(Exception)(problems.of_unexpected)
    application.not_found(_not_found)
    return application


class UnreadableBody(Exception):
    """The body is no JSON: Python's own reader also takes NaN and Infinity, which are none."""


def read_body(text: str) -> Any:
    """Return a JSON document. Raise UnreadableBody."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except ValueError as error:
        raise UnreadableBody from error


def _refuse(constant: str) -> None:
    raise UnreadableBody(constant)


def resolve(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Return the answer of the route that an event leads to."""
    if not hasattr(_environment, "application"):
        _environment.application = make(ROUTES)
    application: APIGatewayHttpResolver = _environment.application
    # Powertools itself keeps the event in a class, and so for all threads.
    application.current_event = APIGatewayProxyEventV2(event, read_body)
    return application.resolve(event, cast("PowertoolsContext", context))


def _faults_of_body(event: dict[str, Any]) -> list[Fault]:
    """Return what the body breaks by itself: its route looks for that only once all parameters are right."""
    method, path = event["requestContext"]["http"]["method"], event["rawPath"]
    try:
        body = APIGatewayProxyEventV2(event, read_body).json_body if event.get("body") else {}
    except (UnreadableBody, ValueError, RecursionError):
        return []
    for route in ROUTES:
        if route.faults is not None and route.method == method and route.matches(path) and isinstance(body, dict):
            return route.faults(**route.parameters(path), payload=body)
    return []


def _not_found(error: Exception) -> Response[Any]:
    del error
    return problems.response(problems.NO_SUCH_PATH)


def _responses(route: Route) -> dict[int, OpenAPIResponse]:
    answer = inspect.get_annotations(route.answer, eval_str=True)["return"]
    found: dict[int, OpenAPIResponse] = {
        route.status: {"description": "The answer.", "content": {"application/json": {"model": answer}}}
    }
    for status in sorted({*EVERY_ROUTE, *route.problems}):
        found[status] = {
            "description": problems.MEANING[status],
            "content": {problems.CONTENT_TYPE: {"model": Problem}},
        }
    return found


# Made while the module is imported, which is before the first event, for the thread on which Lambda calls handlers.
_environment.application = make(ROUTES)
