"""Jobs beside their floors and a peer, once a round and in turn, on one server."""

from collections.abc import Callable
from typing import Any

from bench import environment, floors
from bench.django_tenants_peer import DjangoTenants
from bench.environment import MODES, POOL
from bench.environments import Environments
from bench.figures import Figures, by_stage
from local.stack import Stack

FLOOR = "CREATE DATABASE TEMPLATE"
CREATEDB = "createdb -T"
PEER = "django-tenants, create and migrate"
EXECUTION_TIMEOUT_SECONDS = 120


def handlers(mode: str) -> str:
    """Return what a job's handlers, one after the other, are called in the results."""
    return f"handlers in order, {mode}"


def compare(
    stack: Stack, warm: Environments, peer: DjangoTenants, rounds: int, progress: Callable[[str], None]
) -> dict[str, Any]:
    """Return each one's figures in ms, and those of a pooled job's stages. The first round is not counted."""
    found: dict[str, list[float]] = {}
    stages: list[dict[str, dict[str, float]]] = []
    for number in range(rounds + 1):
        progress(f"round {number} of {rounds}")
        jobs = {}
        measured = {}
        for mode in MODES:
            warm.run(environment.prepare, mode, 2)
            measured[f"execution through the ASL, {mode}"] = _execution(stack, warm)
            jobs[mode] = warm.run(environment.provision_by_stage)
            measured[handlers(mode)] = environment.total(jobs[mode])
        measured |= {
            FLOOR: warm.run(floors.clone),
            CREATEDB: warm.run(floors.createdb),
            "CREATE DATABASE, schema as one transaction": warm.run(floors.one_transaction),
            PEER: peer.create(),
        }
        if number:
            stages.append(jobs[POOL])
            for name, milliseconds in measured.items():
                found.setdefault(name, []).append(milliseconds)
    return {"ms": {name: Figures.of(values).as_dict() for name, values in found.items()}, "stages": by_stage(stages)}


def _execution(stack: Stack, warm: Environments) -> float:
    payload = warm.run(environment.new_payload)

    def execute() -> None:
        ran = stack.run(payload, timeout=EXECUTION_TIMEOUT_SECONDS)
        if ran["status"] != "SUCCEEDED":
            raise AssertionError(f"the execution {ran['status']}")

    return environment.timed(execute)
