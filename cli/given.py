"""What was given on the command line, so that a hint can be typed as it is printed.

A hint repeats the options that say where a command works, as far as its command takes them. One that names the very
command that was given repeats what makes its payload too.
"""

import re
import shlex
from typing import Any

import typer
from typer.core import TyperGroup

HINT = re.compile(r"(?<![\w./-])provision (?P<command>[a-z][a-z-]*)(?: (?P<below>[a-z][a-z-]*))?")

PAYLOAD_TAKEN_BY = "plan"
"""The command that takes what makes a payload too, so that it says what the command would do."""

_given: dict[str, str] = {}
_payload: dict[str, list[str]] = {}
_command: list[str] = []
_root: list[TyperGroup] = []


def remember(context: typer.Context, parameter: typer.CallbackParam, value: Any) -> Any:
    """Remember an option that was given on the command line, and return its value: the callback of such an option."""
    if _is_given(context, parameter):
        _given[parameter.opts[0]] = str(value)
    return value


def remember_payload(context: typer.Context, parameter: typer.CallbackParam, value: Any) -> Any:
    """Remember an option that makes the payload of a job, and return its value: the callback of such an option."""
    if _is_given(context, parameter):
        _payload[parameter.opts[0]] = [str(one) for one in (value if isinstance(value, list) else [value])]
        _command[:] = [str(context.info_name)]
    return value


def _is_given(context: typer.Context, parameter: typer.CallbackParam) -> bool:
    source = context.get_parameter_source(str(parameter.name))
    root = context.find_root().command
    _root[:] = [root] if isinstance(root, TyperGroup) else []
    return source is not None and source.name == "COMMANDLINE"


def has(option: str) -> bool:
    """Return whether an option was given."""
    return option in _given


def forget() -> None:
    """Forget the options of an earlier command of this process."""
    _given.clear()
    _payload.clear()
    _command.clear()


def repeated(hint: str) -> str:
    """Return a hint in which every command has the options that were given, as far as it takes them."""
    return HINT.sub(_with_options, _without_placeholders(hint)) if (_given or _payload) and _root else hint


def _without_placeholders(hint: str) -> str:
    """Return a hint without the options that it leaves open, such as --org ORGANIZATION, if they were given."""
    for name in _payload:
        hint = re.sub(rf" {name} [A-Z]+\b", "", hint)
    return hint


def _with_options(found: re.Match[str]) -> str:
    command = _root[0].commands.get(found["command"])
    end = found.end("command")
    if isinstance(command, TyperGroup):
        command = command.commands.get(found["below"] or "")
        end = found.end("below")
    if command is None:
        return found[0]
    taken = {name for parameter in command.params for name in parameter.opts}
    options = [word for name, value in _given.items() if name in taken for word in (name, value)]
    if found["command"] in (*_command, PAYLOAD_TAKEN_BY):
        said = _own_rest(found)
        options += [
            word
            for name, values in _payload.items()
            if name in taken and f" {name} " not in said
            for value in values
            for word in (name, value)
        ]
    called, rest = found[0][: end - found.start()], found[0][end - found.start() :]
    return f"{called} {shlex.join(options)}{rest}" if options else found[0]


def _own_rest(found: re.Match[str]) -> str:
    """Return what a hint says after a command, up to the next one: an ending has some options itself."""
    rest = found.string[found.end() :]
    following = HINT.search(rest)
    return rest[: following.start()] if following else rest
