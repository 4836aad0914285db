"""Import time of each handler against the floor that none can go below, each in a fresh interpreter."""

import json
import subprocess
import sys
from pathlib import Path

FUNCTIONS = Path(__file__).parents[1] / "functions"
FLOORS = {
    "psycopg2": "import psycopg2",
    "psycopg2 + Logger": "import psycopg2; from aws_lambda_powertools import Logger",
}
MEASURED = """
import json, re, sys, time
sys.path.insert(0, sys.argv[1])
started = time.perf_counter()
exec(sys.argv[2])
milliseconds = (time.perf_counter() - started) * 1000
# Not getrusage: what it says of a child is at least what its parent had when it was forked.
peak = int(re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1]) / 1024
print(json.dumps([milliseconds, peak]))
"""


def stages() -> dict[str, str]:
    """Returns the statement that imports each stage, by the stage's module."""
    modules = sorted(file.stem for file in (FUNCTIONS / "stages").glob("[a-z]*.py"))
    return {module: f"import stages.{module}" for module in modules}


def measure(rounds: int) -> dict[str, dict[str, list[float]]]:
    """Returns milliseconds and peak memory (MiB, the interpreter's included) of each import, in interleaved rounds."""
    statements = FLOORS | stages()
    found: dict[str, dict[str, list[float]]] = {name: {"ms": [], "peak_mib": []} for name in statements}
    for _ in range(rounds):
        for name, statement in statements.items():
            command = [sys.executable, "-c", MEASURED, str(FUNCTIONS), statement]
            answer = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 (our own)
            milliseconds, peak = json.loads(answer.stdout)
            found[name]["ms"].append(milliseconds)
            found[name]["peak_mib"].append(peak)
    return found
