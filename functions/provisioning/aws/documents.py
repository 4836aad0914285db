"""The forms of the documents in secrets: what a reader needs of one, checked before anything is done with it."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from provisioning.errors import Misconfigured

Form = Mapping[str, Callable[[object], bool]]
"""The fields that a reader needs, each with the check of its value. A document may have more."""


def is_text(value: object) -> bool:
    """Return whether the value is a string that is not empty and that PostgreSQL accepts: no NUL, no half character."""
    return isinstance(value, str) and value != "" and "\0" not in value and _is_encodable(value)


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_port(value: object) -> bool:
    """Return whether the value is a TCP port, as a number or as its digits: both forms are in use for secrets."""
    digits = str(value) if isinstance(value, int | str) else ""
    return digits.isascii() and digits.isdecimal() and len(digits) <= 5 and 0 < int(digits) < 65536


def are_keys(value: object) -> bool:
    """Return whether the value is a list of raw API keys."""
    return isinstance(value, list) and all(
        isinstance(key, dict) and all(is_text(key.get(field)) for field in ("key_id", "kind", "key")) for key in value
    )


LOGIN: Form = {"username": is_text, "password": is_text}
"""What RDS writes into a secret that it manages: it has no host, which the control plane's row of a cluster has."""

CREDENTIALS: Form = {"host": is_text, "port": is_port, "dbname": is_text, **LOGIN}
TENANT: Form = {**CREDENTIALS, "jwt_secret": is_text}
API_KEYS: Form = {"api_keys": are_keys}


def parse(secret: str, answer: Mapping[str, Any], form: Form) -> dict[str, Any]:
    """Return the document in an answer that holds a secret's value.

    Raise Misconfigured, in one line that names the secret and the fields and quotes no value, unless it is a JSON
    object with every field of the form.
    """
    if "SecretString" not in answer:
        raise Misconfigured(f"the secret {secret} is binary, not a JSON object")
    try:
        document = json.loads(answer["SecretString"])
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise Misconfigured(f"the secret {secret} is not a JSON object")
    if wrong := faults(document, form):
        raise Misconfigured(f"the secret {secret} has {wrong}")
    return document


def faults(document: Mapping[str, Any], form: Form) -> str:
    """Return which fields the document lacks, and which are unusable, as in "no host, port and an unusable dbname"."""
    missing = [field for field in form if document.get(field) in (None, "")]
    unusable = [field for field, is_usable in form.items() if field not in missing and not is_usable(document[field])]
    found = [f"no {', '.join(missing)}"] if missing else []
    return " and ".join([*found, *([f"an unusable {', '.join(unusable)}"] if unusable else [])])
