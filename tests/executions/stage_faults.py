"""Make a stage fail: in its middle, by a crash, before it is reached, or after its work."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from unittest.mock import patch

from local.lambda_environment import Handler
from local.stack import Stack
from provisioning import errors
from provisioning.aws import secrets
from provisioning.services.generic import Generic
from provisioning.stage import Service
from provisioning.tenant import making, schema
from stages import activation, project
from tests.executions.running import replaced

MESSAGE = "the disk of this test is full"
ALWAYS = 1_000_000


class Fault(StrEnum):
    """How an attempt fails."""

    ERROR = "a typed error in its middle"
    CRASH = "the death of its process in its middle"
    UNREACHED = "a Lambda that never reaches the handler"
    ANSWER_LOST = "an answer that is lost once the work is done"


@dataclass(frozen=True)
class FaultyStage:
    """A stage, and where in its middle a fault can strike."""

    stage: str
    state: str
    function: str
    error: type[errors.ProvisioningError]
    owner: Any
    attribute: str
    concerns: Callable[[Any], bool] = lambda _: True
    """Whether a call with this first argument is the stage's."""


def _registering(service: str) -> FaultyStage:
    return FaultyStage(
        f"registering_{service}",
        f"Register {service}",
        f"Register{service.capitalize()}Function",
        errors.ServiceRegistrationFailed,
        Generic,
        "register",
        lambda adapter: str(adapter.service) == service,
    )


STAGES = {
    faulty.stage: faulty
    for faulty in (
        FaultyStage(
            "initializing",
            "Verify project",
            "VerifyProjectFunction",
            errors.ControlPlaneUnavailable,
            project,
            "_pick_cluster",
        ),
        FaultyStage(
            "creating_database",
            "Create tenant database",
            "CreateDatabaseFunction",
            errors.DatabaseCreationFailed,
            making,
            "_make",
        ),
        FaultyStage(
            "creating_schema",
            "Create tenant schema",
            "CreateSchemaFunction",
            errors.SchemaCreationFailed,
            schema,
            "upgrade",
        ),
        *(_registering(service) for service in Service),
        FaultyStage(
            "generating_api_keys",
            "Generate API keys",
            "GenerateApiKeysFunction",
            errors.ApiKeyGenerationFailed,
            secrets,
            "create",
            lambda name: "/api-keys/" in name,
        ),
        FaultyStage(
            "finalizing",
            "Finalize",
            "FinalizeFunction",
            errors.FinalizationFailed,
            activation,
            "prove_database",
        ),
    )
}


def failing(
    stack: Stack, stage: FaultyStage, fault: Fault, times: int = ALWAYS
) -> AbstractContextManager[Callable[[], int]]:
    """Make the first attempts at a stage fail. Yield a counter of all attempts.

    A ready tenant that an earlier test has left would be claimed, and what makes one would not run.
    """
    outdated = "UPDATE control_plane.tenants SET fingerprint = 'old' WHERE state = 'ready'"
    with closing(stack.postgres.connect("control_plane")) as superuser, superuser.cursor() as cursor:
        cursor.execute(outdated)
    if fault in (Fault.ERROR, Fault.CRASH):
        return _in_the_middle(stage, fault, times)
    return _around(stack, stage, fault, times)


class _Countdown:
    """Count attempts, and decide for each whether it fails."""

    def __init__(self, times: int) -> None:
        self._times = times
        self._lock = threading.Lock()
        self.count = 0

    def strikes(self) -> bool:
        with self._lock:
            self.count += 1
            return self.count <= self._times


@contextmanager
def _in_the_middle(stage: FaultyStage, fault: Fault, times: int) -> Iterator[Callable[[], int]]:
    countdown, real = _Countdown(times), getattr(stage.owner, stage.attribute)

    def instead(*arguments: Any, **named: Any) -> Any:
        if stage.concerns(arguments[0]) and countdown.strikes():
            raise stage.error(MESSAGE) if fault is Fault.ERROR else SystemExit(1)
        return real(*arguments, **named)

    with patch.object(stage.owner, stage.attribute, instead):
        yield lambda: countdown.count


@contextmanager
def _around(stack: Stack, stage: FaultyStage, fault: Fault, times: int) -> Iterator[Callable[[], int]]:
    countdown = _Countdown(times)

    def around(handler: Handler, event: Any, context: Any) -> Any:
        strikes = countdown.strikes()
        if strikes and fault is Fault.UNREACHED:
            raise named("Runtime.ImportModuleError")
        answer = handler(event, context)
        if strikes:
            raise named("Lambda.Unknown")
        return answer

    with replaced(stack, stage.function, around):
        yield lambda: countdown.count


def named(error_name: str) -> Exception:
    """Return an exception that Lambda reports under this name."""
    error: Exception = type(error_name, (Exception,), {})("as this test wants it")
    return error
