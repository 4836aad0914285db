"""What went wrong, in words."""

import json


class ConsoleError(Exception):
    """What the reader can put right. The message is one line."""


def readable_cause(cause: str) -> str:
    """Return the one line in an error's cause that a person reads: Lambda's errorMessage, or the first line."""
    try:
        document = json.loads(cause)
        message = document["errorMessage"]
    except (ValueError, KeyError, TypeError):
        message = cause.strip().partition("\n")[0]
    return " ".join(str(message).split())
