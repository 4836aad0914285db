"""The payload of a job, read from a file or standard input and checked before it is sent."""

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from local.errors import HumanError
from provisioning.jobs import rules
from provisioning.jobs.declaration import Declaration
from provisioning.jobs.rules import Problem

STANDARD_INPUT = "-"


class PayloadProblems(HumanError):
    """A payload breaks these rules."""

    type = "InvalidPayload"

    def __init__(self, problems: Iterable[Problem], options: Mapping[str, str]) -> None:
        self.problems = list(problems)
        errors = [{"detail": one.rule, "pointer": f"#/{one.field.replace('.', '/')}"} for one in self.problems]
        self.document = {"errors": errors}
        named = (one._replace(field=_given_as(one.field, options)) for one in self.problems)
        super().__init__("; ".join(map(str, named)))


def _given_as(field: str, options: Mapping[str, str]) -> str:
    """Return a field with the option that gives it."""
    return f"{field} ({options[field]})" if field in options else field


def read(source: str | None) -> dict[str, Any]:
    """Return the object in a JSON file or, for -, on standard input; none without a source.

    Raise HumanError, saying where it is not JSON.
    """
    if source is None:
        return {}
    named = "standard input" if source == STANDARD_INPUT else source
    try:
        content = sys.stdin.buffer.read() if source == STANDARD_INPUT else Path(source).read_bytes()
        document = json.loads(content.decode())
    except FileNotFoundError as error:
        raise HumanError(f"there is no file {named}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise HumanError(f"{named} cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8'}") from error
    except json.JSONDecodeError as error:
        raise HumanError(f"{named} is not JSON: {error.msg} in line {error.lineno}, column {error.colno}") from error
    except (RecursionError, ValueError) as error:
        raise HumanError(
            f"{named} cannot be read: it is nested too deeply, or has a number with too many digits"
        ) from error
    if not isinstance(document, dict):
        raise HumanError(f"{named} is not a JSON object")
    return document


def check(declared: Declaration, document: dict[str, Any], *required: str, options: Mapping[str, str]) -> None:
    """Raise PayloadProblems with every rule of the job type that a document breaks, and what it lacks of `required`.

    Options say what the command calls a field.
    """
    found = rules.problems(declared.schema, document)
    found += [Problem(name, "is required") for name in required if name not in document]
    if found:
        raise PayloadProblems(found, options)
