"""Import time and peak memory of each handler's module beside the floors, each in a fresh interpreter."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from typing import Any

from bench import cost
from bench.figures import Figures
from local.template import REPOSITORY, read_template

FLOOR = "psycopg2 + Logger"
FLOORS = {
    "nothing": "",
    "psycopg2": "import psycopg2",
    FLOOR: "import psycopg2; from aws_lambda_powertools import Logger",
}
MEASURED = """
import json, os, re, resource, sys, time
sys.path.insert(0, sys.argv[1])
started = time.perf_counter()
exec(sys.argv[2])
milliseconds = (time.perf_counter() - started) * 1000
if os.path.exists("/proc/self/status"):
    # Linux's getrusage says of a child at least what its parent had when it was forked.
    peak = int(re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1]) / 1024
else:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
print(json.dumps([milliseconds, peak]))
"""


def handlers() -> dict[str, str]:
    """Return the statement that imports each module with a handler of template.yaml, by the module's name."""
    modules = dict.fromkeys(function.handler.rpartition(".")[0] for function in read_template().functions)
    return {module: f"import {module}" for module in modules}


def measure(rounds: int, progress: Callable[[str], None]) -> dict[str, Any]:
    """Return the figures of each import's ms and peak MiB, the interpreter's included, over interleaved rounds."""
    statements = FLOORS | handlers()
    found: dict[str, dict[str, list[float]]] = {name: {"ms": [], "peak_mib": []} for name in statements}
    with tempfile.TemporaryDirectory(prefix="bench-") as bytecode:
        for number in range(rounds + 1):
            progress(f"round {number} of {rounds}")
            for name, statement in statements.items():
                milliseconds, peak = _import(statement, bytecode)
                # The first one has compiled what it imports: the artefact comes with its bytecode.
                if number:
                    found[name]["ms"].append(milliseconds)
                    found[name]["peak_mib"].append(peak)
    return {
        name: {unit: Figures.of(values).as_dict() for unit, values in units.items()} for name, units in found.items()
    }


def measure_cold(rounds: int, progress: Callable[[str], None]) -> dict[str, Any]:
    """Return the figures of each handler's first event in a fresh interpreter: peak MiB, and the processor's ms.

    For a running stack, whose settings are this process's.
    """
    found: dict[str, dict[str, list[float]]] = {}
    for number in range(rounds):
        progress(f"cold handlers, round {number + 1} of {rounds}")
        for name, units in cost.measure().items():
            for unit, value in units.items():
                found.setdefault(name, {}).setdefault(unit, []).append(value)
    return {
        name: {unit: Figures.of(values).as_dict() for unit, values in units.items()} for name, units in found.items()
    }


def _import(statement: str, bytecode: str) -> tuple[float, float]:
    command = [sys.executable, "-c", MEASURED, str(REPOSITORY / "functions"), statement]
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    variables["PYTHONPYCACHEPREFIX"] = bytecode
    answer = subprocess.run(command, check=True, capture_output=True, text=True, env=variables)  # noqa: S603 (our own)
    milliseconds, peak = json.loads(answer.stdout)
    return float(milliseconds), float(peak)
