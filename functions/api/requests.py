"""The HTTP API's Lambda handler: it takes an event of an HTTP API in payload format 2.0.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

import time
from typing import Any

from api import application, problems
from api.routes import allowed_methods
from provisioning import configuration
from provisioning.handler import handler
from provisioning.ledger.runner import LambdaContext
from provisioning.needs import Need
from provisioning.observability import logger

DEPLOYMENT = "Provisioner-Deployment"
"""The header of every answer that names the account, the region and the stack."""


@handler(Need.STEP_FUNCTIONS)
def answer_request(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Lambda handler. Return {statusCode, headers, body, …}: JSON, or a problem (RFC 9457).

    IAM decides by the route that API Gateway has matched, on the path as it was sent; rawPath is that path decoded
    (https://github.com/middleapi/standard-server/pull/93 has captures). So a path that leads to another route once it
    is decoded is answered as one that leads to none.
    """
    started = time.monotonic()
    http = event["requestContext"]["http"]
    method, path, decided = str(http["method"]), str(event["rawPath"]), str(event["routeKey"])
    methods = allowed_methods(path)
    if methods.get(method) == decided and not _is_json(event):
        answer = problems.no_json()
    elif methods.get(method) == decided:
        answer = application.resolve(event, context)
    elif method not in methods and methods:
        answer = problems.method_not_allowed(methods)
    else:
        answer = problems.no_such_path()
    answer["headers"] |= {DEPLOYMENT: _deployment(event)}
    log = logger()
    log.thread_safe_append_keys(correlation_id=event["requestContext"].get("requestId"))
    # The path has ids, the query may have anything: the route says enough.
    seconds = round(time.monotonic() - started, 3)
    log.info("request answered", route=decided, status=answer["statusCode"], seconds=seconds)
    return answer


def _deployment(event: dict[str, Any]) -> str:
    """Return which deployment answers, so that a caller can say what it is about to change."""
    facts = {
        "account": str(event["requestContext"].get("accountId", "")),
        "region": configuration.optional("AWS_REGION"),
        "stack": configuration.optional("STACK_NAME"),
    }
    return ", ".join(f"{name}={value}" for name, value in facts.items() if value)


def _is_json(event: dict[str, Any]) -> bool:
    """Return whether the body is JSON, or says nothing else of itself. Powertools would take forms too."""
    said = str(event["headers"].get("content-type", "")).partition(";")[0].strip().lower()
    return not event.get("body") or said in ("", "application/json")
