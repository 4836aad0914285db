"""The secret that tests create, and the requests that Secrets Manager gets for it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from provisioning.aws import secrets, secrets_manager

NAME = "provisioner/tenants/abcdefghijklmnopqrst"
DOCUMENT = {"password": "raw-password"}
OTHER_DOCUMENT = {"password": "another-password"}


def create(document: dict[str, Any]) -> secrets.Secret:
    return secrets.create(NAME, document, description="Made by a test.", tags={"tenant_id": "a", "stack": "local"})


@contextmanager
def noted() -> Iterator[list[str]]:
    """The operations that Secrets Manager gets, in order."""
    asked: list[str] = []

    def note(model: Any, **_: object) -> None:
        asked.append(model.name)

    events = secrets_manager.client().meta.events
    events.register("before-call.secrets-manager", note)
    try:
        yield asked
    finally:
        events.unregister("before-call.secrets-manager", note)
