"""Errors that the user at the terminal can fix, by what kind of thing there is to fix."""

from typing import ClassVar

from local.exit_codes import ExitCode


class HumanError(Exception):
    """An error that the user can fix. The message is one line and says what to do.

    Raised itself, what the command line, a file or a payload says cannot be done.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.USAGE


class NotFound(HumanError):
    """What was named does not exist."""

    exit_code = ExitCode.NOT_FOUND


class AlreadyExists(HumanError):
    """What was to be made exists."""

    exit_code = ExitCode.ALREADY_EXISTS


class Conflict(HumanError):
    """A status, a job in flight or somebody else's work is in the way."""

    exit_code = ExitCode.CONFLICT


class Denied(HumanError):
    """Credentials are missing, or they may not do this."""

    exit_code = ExitCode.DENIED


class Unavailable(HumanError):
    """Something that is needed does not run or does not answer."""

    exit_code = ExitCode.UNAVAILABLE


class Unusable(HumanError):
    """A setting, a secret, a file of the stack or this machine cannot be used as it is."""

    exit_code = ExitCode.UNUSABLE


def error_of(exit_code: int, message: str) -> HumanError:
    """Return the error with which another process of this program has ended, by its exit code."""
    if exit_code == ExitCode.USAGE:
        return HumanError(message)
    kinds = (NotFound, AlreadyExists, Conflict, Denied, Unavailable)
    return next((kind for kind in kinds if kind.exit_code == exit_code), Unusable)(message)
