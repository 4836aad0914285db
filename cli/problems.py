"""How the command line says what went wrong: in one line on stderr or, with --json, as one JSON document there."""

import json
import sys
import traceback
from collections.abc import Sequence
from typing import Any

import typer

from cli import given
from cli.exit_codes import exit_code_of, is_of
from cli.terminal import typed
from console.errors import ConsoleError
from local.errors import HumanError
from local.exit_codes import ExitCode
from provisioning.errors import ProvisioningError

JSON = "--json"


def wants_json(arguments: Sequence[str]) -> bool:
    """Return whether the command line asks for JSON; it may be one that cannot be parsed."""
    before = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return JSON in before


def report(error: Exception, *, as_json: bool) -> ExitCode:
    """Say what went wrong, and return the exit code of it. What nobody expected is said with its place."""
    if isinstance(error, typer.Abort):
        print("Aborted.", file=sys.stderr)
        return ExitCode.INTERRUPTED
    if is_of(error, "typer"):
        return _report_usage(error, as_json=as_json)
    code, said = exit_code_of(error), _sentence(error)
    if said is None:
        if not as_json:
            traceback.print_exception(error)
            return ExitCode.UNUSABLE
        from provisioning.observability import describe_exception

        # The message of an unknown error could quote a secret.
        said = describe_exception(error)
    if code == ExitCode.UNAVAILABLE and given.has("--state-machine-arn"):
        said = f"{said.rstrip('.')}: this command has to run on a host in the deployment's VPC"
    if as_json:
        _print(error, _type(error, code), said, code)
    else:
        print(f"provision: {typed(said)}", file=sys.stderr)
    return code


def _report_usage(error: Any, *, as_json: bool) -> ExitCode:
    if not as_json:
        error.show()
    else:
        _print(error, "UsageError", error.format_message(), ExitCode.USAGE)
    return ExitCode.USAGE


def _print(error: Exception, name: str, detail: str, code: ExitCode) -> None:
    """Print the error as the HTTP API's problems are: with a type, a detail and what else it knows."""
    document: dict[str, Any] = {"type": name, "detail": typed(detail), "exit_code": int(code)}
    for field in ("status", "job_id"):
        if (value := getattr(error, field, None)) is not None:
            document[field] = value
    errors = getattr(error, "document", {}).get("errors")
    print(json.dumps(document | ({"errors": errors} if errors else {})), file=sys.stderr)


def _type(error: Exception, code: ExitCode) -> str:
    told = getattr(error, "type", None)
    if isinstance(told, str) and told != "about:blank":
        return told
    if isinstance(error, ProvisioningError) or (isinstance(error, HumanError) and type(error) is not HumanError):
        return type(error).__name__
    cause = error.__cause__
    if isinstance(cause, ProvisioningError):
        return type(cause).__name__
    return {ExitCode.USAGE: "UsageError"}.get(code, "".join(part.capitalize() for part in code.name.split("_")))


def _sentence(error: Exception) -> str | None:
    """Return the error in one line, or None for one that nobody expected."""
    if isinstance(error, HumanError | ProvisioningError | ConsoleError):
        said = str(error)
    elif is_of(error, "botocore"):
        from console.executions import in_one_line

        said = in_one_line(error)
    elif is_of(error, "psycopg2") and any(one.__name__ == "OperationalError" for one in type(error).__mro__):
        from provisioning import postgres

        said = postgres.describe(error)  # type: ignore[arg-type]
    elif isinstance(error, UnicodeEncodeError):
        said = f"{error.object[error.start : error.end]!a} is not text in UTF-8"
    elif isinstance(error, OSError):
        said = f"{error.filename or 'this machine'}: {error.strerror or error}"
    else:
        return None
    return " ".join(said.split())
