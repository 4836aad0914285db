"""Who sends a request: the principal that IAM has authenticated, as API Gateway names it."""

from collections.abc import Mapping
from typing import NamedTuple

from provisioning.requests.refusals import CallerUnknown

ROLE_PREFIX = "AROA"
"""Begins the unique id of a role:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids
"""


class Caller(NamedTuple):
    """A principal, and the session in which it calls. All sessions of a role are one principal."""

    principal: str
    """ACCOUNT/ID: the account, and the unique id of the role or user."""
    session_name: str | None = None
    """The name that whoever assumed the role has given; recorded, never decided by."""


def caller_of(iam: Mapping[str, object]) -> Caller:
    """Return the caller in `requestContext.authorizer.iam` of an HTTP API's event, payload format 2.0.

    Its userId is ID:SESSION for an assumed role, the unique id of a user, and ACCOUNT:NAME for a federated user, whose
    name is no session's but its own:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html#principaltable. The event:
    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html. Raise
    CallerUnknown if the account or the id is missing.
    """
    account, user = iam.get("accountId"), iam.get("userId") or iam.get("callerId")
    if not (isinstance(account, str) and account and isinstance(user, str) and user):
        raise CallerUnknown("the request names no account and user: the route has no IAM authorization")
    unique_id, colon, session = user.partition(":")
    if colon and unique_id.startswith(ROLE_PREFIX):
        return Caller(f"{account}/{unique_id}", session)
    return Caller(f"{account}/{user}")
