"""Errors of starting a job, in one line for the user."""

from collections.abc import Iterator
from contextlib import contextmanager

from local.errors import HumanError
from provisioning.errors import InvalidPayload


@contextmanager
def translated(state_machine_arn: str) -> Iterator[None]:
    """Raise HumanError if the block cannot start a job in the deployment of a state machine."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (InvalidPayload, LookupError) as error:
        raise HumanError(str(error)) from error
    except (BotoCoreError, ClientError) as error:
        raise HumanError(f"{state_machine_arn} cannot be started: {error}") from error
