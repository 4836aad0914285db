"""Jobs beside their floors and a peer, once a round and in turn, on one server."""

from collections.abc import Callable
from typing import Any

from bench import environment, floors
from bench.boundaries import COUNTS
from bench.environment import MODES, POOL
from bench.environments import Environments
from bench.figures import by_stage, figures
from local.stack import Stack

FLOOR = "CREATE DATABASE TEMPLATE"
CREATEDB = "createdb -T"
PEER = "django-tenants, create and migrate"
EXECUTION_TIMEOUT_SECONDS = 120


def handlers(mode: str) -> str:
    """Return what a job's handlers, one after the other, are called in the results."""
    return f"handlers in order, {mode}"


def to_floor(part: dict[str, Any], name: str) -> float:
    """Return the p50 of what was compared, in floors."""
    return float(part["ms"][name]["p50"] / part["ms"][FLOOR]["p50"])


def compare(
    stack: Stack, warm: Environments, peer: Callable[[], float], rounds: int, progress: Callable[[str], None]
) -> dict[str, Any]:
    """Return each one's figures in ms, those of a pooled job's stages, and how often a job of each mode calls what.

    The first round is not counted.
    """
    found: dict[str, list[float]] = {}
    jobs: dict[str, list[dict[str, dict[str, float]]]] = {mode: [] for mode in MODES}
    for number in range(rounds + 1):
        progress(f"round {number} of {rounds}")
        measured = {}
        for mode in MODES:
            warm.run(environment.prepare, mode, 2)
            measured[f"execution through the ASL, {mode}"] = _execution(stack, warm)
            jobs[mode].append(warm.run(environment.provision_by_stage))
            measured[handlers(mode)] = environment.total(jobs[mode][-1])
        measured |= {
            FLOOR: warm.run(floors.clone),
            CREATEDB: warm.run(floors.createdb),
            "CREATE DATABASE, schema as one transaction": warm.run(floors.one_transaction),
            PEER: peer(),
        }
        for name, milliseconds in measured.items():
            found.setdefault(name, []).append(milliseconds)
    return {
        "ms": {name: figures(values[1:]) for name, values in found.items()},
        "stages": by_stage(jobs[POOL][1:]),
        "calls": {
            mode: {what: figures([environment.total(job, what) for job in counted[1:]]) for what in COUNTS}
            for mode, counted in jobs.items()
        },
    }


def _execution(stack: Stack, warm: Environments) -> float:
    payload = warm.run(environment.new_payload)

    def execute() -> None:
        ran = stack.run(payload, timeout=EXECUTION_TIMEOUT_SECONDS)
        if ran["status"] != "SUCCEEDED":
            raise AssertionError(f"the execution {ran['status']}")

    return environment.timed(execute)
