"""The error that the console shows."""

import json


class ConsoleError(Exception):
    """An error that the user can fix. The message is one line."""


def readable_cause(cause: str) -> str:
    """Return the readable line in an error's cause: Lambda's errorMessage, or else the first line."""
    try:
        document = json.loads(cause)
        message = document["errorMessage"]
    except (ValueError, KeyError, TypeError, RecursionError):
        message = cause.strip().partition("\n")[0]
    return " ".join(str(message).split())
