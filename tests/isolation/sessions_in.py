"""Which functions of the platform open sessions, by their source, and in which databases they did, as recorded."""

import ast
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any
from unittest.mock import patch

from psycopg2.extensions import connection as Connection  # noqa: N812

from provisioning import postgres
from tests.shipped import FUNCTIONS

NO_SESSION = ("control_plane.connect", "psycopg2.connect", "super().connect")
"""The control plane's own connection is opened by one function, of control_plane/connection.py."""


def openers() -> set[str]:
    """Return the functions that call something named connect, as `tenant/making.make_schema`."""
    return {
        f"{_module(file)}.{function.name}"
        for file in FUNCTIONS.rglob("*.py")
        for function in ast.walk(ast.parse(file.read_text()))
        if isinstance(function, ast.FunctionDef) and any(_opens(node) for node in ast.walk(function))
    }


@contextmanager
def recorded() -> Iterator[dict[str, set[str]]]:
    """Record for each function of the platform in which databases a session was opened while it ran."""
    found: dict[str, set[str]] = defaultdict(set)
    real = postgres.connect

    def connect(document: Any, **arguments: Any) -> Connection:
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            file = Path(frame.f_code.co_filename)
            if file.is_relative_to(FUNCTIONS):
                found[f"{_module(file)}.{frame.f_code.co_name}"].add(arguments.get("dbname") or document["dbname"])
            frame = frame.f_back
        return real(document, **arguments)

    with patch.object(postgres, "connect", connect):
        yield found


def _module(file: Path) -> str:
    return str(file.relative_to(FUNCTIONS).with_suffix("")).removeprefix("provisioning/")


def _opens(node: ast.AST) -> bool:
    called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
    return called.rpartition(".")[2] == "connect" and called not in NO_SESSION
