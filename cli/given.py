"""The options that say where a command works: a hint that names another command repeats those that were given."""

import re
import shlex
from typing import Any

import typer
from typer.core import TyperGroup

HINT = re.compile(r"(?<![\w./-])provision (?P<command>[a-z][a-z-]*)(?: (?P<below>[a-z][a-z-]*))?")

_given: dict[str, str] = {}
_root: list[TyperGroup] = []


def remember(context: typer.Context, parameter: typer.CallbackParam, value: Any) -> Any:
    """Remember an option that was given on the command line, and return its value: the callback of such an option."""
    source = context.get_parameter_source(str(parameter.name))
    if source is not None and source.name == "COMMANDLINE":
        _given[parameter.opts[0]] = str(value)
        root = context.find_root().command
        _root[:] = [root] if isinstance(root, TyperGroup) else []
    return value


def has(option: str) -> bool:
    """Return whether an option was given."""
    return option in _given


def forget() -> None:
    """Forget the options of an earlier command of this process."""
    _given.clear()


def repeated(hint: str) -> str:
    """Return a hint in which every command has the options that were given, as far as it takes them."""
    return HINT.sub(_with_options, hint) if _given and _root else hint


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
    called, rest = found[0][: end - found.start()], found[0][end - found.start() :]
    return f"{called} {shlex.join(options)}{rest}" if options else found[0]
