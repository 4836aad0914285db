"""Faults of Secrets Manager, as botocore reports them to the code under test."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import ClientError, EndpointConnectionError

from provisioning.aws import secrets_manager

UNREACHABLE = EndpointConnectionError(endpoint_url="https://secretsmanager.us-east-1.amazonaws.com")


def answering(code: str, message: str = "") -> ClientError:
    """The error that botocore makes of an answer with that code."""
    return ClientError({"Error": {"Code": code, "Message": message}}, "AnyOperation")


@contextmanager
def refusing(operation: str, error: BaseException) -> Iterator[None]:
    """Let every request for the operation fail before it is sent; "*" is every operation."""

    def fail(**_: object) -> None:
        raise error

    events, name = secrets_manager.client().meta.events, f"before-call.secrets-manager.{operation}"
    events.register_first(name, fail)
    try:
        yield
    finally:
        events.unregister(name, fail)
