"""How much longer a job takes beside thousands of tenants than beside none, on a disk that keeps their databases."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from bench import environment, floors, server
from bench.comparison import FLOOR, handlers
from bench.environment import MODES, NOTHING
from bench.environments import Environments, environments
from bench.figures import by_stage, figures
from local.stack import Stack

FILLING_AT_ONCE = 4
LOT = 50


def measure(
    stack: Stack, empty: Environments, tenants: int, rounds: int, progress: Callable[[str], None]
) -> dict[str, Any]:
    """Return what jobs and the floor took beside so many tenants, made by jobs, and beside none.

    empty is of a server that has no tenants but those of these measurements: the two take turns in every round. The
    first round is not counted. A round adds the three databases that it measures.
    """
    with environments(stack, 1) as warm, environments(stack, FILLING_AT_ONCE) as filling:
        fill(stack, filling, tenants, progress)
        server.checkpoint(stack)
        there, both = server.count_tenants(stack), (_Server(warm), _Server(empty))
        for number in range(rounds + 1):
            progress(f"round {number} of {rounds}")
            for kind in (*MODES, FLOOR):
                for one in both if number % 2 == 0 else reversed(both):
                    one.measure(kind)
        return {
            "tenants": there,
            "megabytes_per_tenant": server.megabytes_per_tenant(stack),
            "filled": both[0].as_dict(),
            "empty": both[1].as_dict(),
        }


def fill(stack: Stack, filling: Environments, tenants: int, progress: Callable[[str], None]) -> None:
    """Make tenants by jobs until the server has so many."""
    filling.run(environment.prepare, NOTHING)
    secrets = stack.client("secretsmanager")
    kept = set(_secrets(secrets))
    while (missing := tenants - server.count_tenants(stack)) > 0:
        progress(f"{tenants - missing} of {tenants} tenants")
        filling.burst(min(LOT, missing), FILLING_AT_ONCE)
        # The laptop's stand-in, unlike AWS, looks for a secret among all that it has: thousands would slow every job.
        for name in set(_secrets(secrets)) - kept:
            secrets.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)


def _secrets(client: Any) -> Iterator[str]:
    pages = client.get_paginator("list_secrets").paginate()
    return (secret["Name"] for page in pages for secret in page["SecretList"])


@dataclass(frozen=True)
class _Server:
    """An environment of one server, and what was measured there."""

    warm: Environments
    floor: list[float] = field(default_factory=list)
    jobs: dict[str, list[dict[str, dict[str, float]]]] = field(default_factory=lambda: {mode: [] for mode in MODES})

    def measure(self, kind: str) -> None:
        """Measure the floor, or a job of a mode."""
        if kind == FLOOR:
            self.floor.append(self.warm.run(floors.clone))
        else:
            self.warm.run(environment.prepare, kind)
            self.jobs[kind].append(self.warm.run(environment.provision_by_stage))

    def as_dict(self) -> dict[str, Any]:
        """Return the figures of jobs and floor, and by mode those of each stage, without the first round."""
        taken = {handlers(mode): [environment.total(job) for job in jobs] for mode, jobs in self.jobs.items()}
        taken[FLOOR] = self.floor
        return {
            "ms": {name: figures(values[1:]) for name, values in taken.items()},
            "stages": {mode: by_stage(jobs[1:]) for mode, jobs in self.jobs.items()},
        }
