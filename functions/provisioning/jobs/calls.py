"""What the stages of a job ask of PostgreSQL, Secrets Manager and services. Plans promise it, tests count it."""

from enum import StrEnum
from typing import NamedTuple


class Question(StrEnum):
    """What a stage asks of services, by the adapter's method."""

    REGISTER = "register"
    """Of the service of the stage, if it is wanted."""
    OBSTACLE = "obstacle"
    """As the rest: of every service that the tenant is registered with."""
    SUSPEND = "suspend"
    RESUME = "resume"


class Calls(NamedTuple):
    """What the first attempt of a stage asks for if it succeeds, in an environment that has connected to what it needs.

    PostgreSQL is counted in round trips. An environment that is new connects first, and reads the credentials for that.
    """

    control_plane: int = 2
    register: int = 0
    tenant_database: int = 0
    secrets_manager: tuple[str, ...] = ()
    """The operations, in order."""
    services: Question | None = None
    unknown: tuple[str, ...] = ()
    """Kinds of calls whose number depends on what is in the tenant."""


LEDGER = Calls()
"""One round trip before a stage's work, and one after it."""
