"""Import time of each handler's module beside the floors, each in a fresh interpreter."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from typing import Any

from bench.figures import figures
from local.template import REPOSITORY, read_template

FLOOR = "psycopg2 + Logger"
FLOORS = {
    "psycopg2": "import psycopg2",
    FLOOR: "import psycopg2; from aws_lambda_powertools import Logger",
}
MEASURED = """
import sys, time
sys.path.insert(0, sys.argv[1])
started = time.perf_counter()
exec(sys.argv[2])
print((time.perf_counter() - started) * 1000)
"""


def handlers() -> dict[str, str]:
    """Return the statement that imports each module with a handler of template.yaml, by the module's name."""
    modules = dict.fromkeys(function.handler.rpartition(".")[0] for function in read_template().functions)
    return {module: f"import {module}" for module in modules}


def measure(rounds: int, progress: Callable[[str], None]) -> dict[str, Any]:
    """Return the figures of each import in ms over interleaved rounds."""
    statements = FLOORS | handlers()
    found: dict[str, list[float]] = {name: [] for name in statements}
    with tempfile.TemporaryDirectory(prefix="bench-") as bytecode:
        for number in range(rounds + 1):
            progress(f"round {number} of {rounds}")
            for name, statement in statements.items():
                found[name].append(_import(statement, bytecode))
    # The first one has compiled what it imports: the artefact comes with its bytecode.
    return {name: {"ms": figures(values[1:])} for name, values in found.items()}


def _import(statement: str, bytecode: str) -> float:
    command = [sys.executable, "-c", MEASURED, str(REPOSITORY / "functions"), statement]
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    variables["PYTHONPYCACHEPREFIX"] = bytecode
    answer = subprocess.run(command, check=True, capture_output=True, text=True, env=variables)  # noqa: S603 (our own)
    return float(answer.stdout)
