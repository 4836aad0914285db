"""Which stage of the ledger each state of a job type runs, and which stages a compensation undoes."""

import json
from collections.abc import Mapping, Set
from dataclasses import dataclass

from provisioning.errors import InvalidPayload
from provisioning.jobs.declaration import Declaration
from provisioning.jobs.registry import DECLARATIONS, job_type_of
from provisioning.stage import Stage


@dataclass(frozen=True)
class Stages:
    """The stages that a job type declares; a state machine of no job type has none."""

    declared: Declaration | None = None

    @property
    def states(self) -> Mapping[Stage, str]:
        """The state of each stage, in the order of the ledger."""
        return self.declared.states if self.declared else {}

    @property
    def undoes(self) -> Mapping[str, tuple[Stage, ...]]:
        """The stages that each compensation undoes, by its state."""
        return self.declared.compensations if self.declared else {}

    def stage_of(self, state: str) -> str | None:
        """Return the ledger's name of the stage that a state runs, or None."""
        return next((str(stage) for stage, name in self.states.items() if name == state), None)

    def not_wanted(self, payload: str) -> set[str]:
        """Return the states that a job leaves out, from its execution's input (JSON)."""
        if self.declared is None:
            return set()
        try:
            skipped = self.declared.parse(json.loads(payload)).skipped
        except (ValueError, RecursionError, InvalidPayload):
            return set()
        return {name for stage, name in self.states.items() if stage in skipped}

    def percent(self, done: Set[str]) -> int:
        """Return the share of the states that are done or left out, as the ledger counts it: 0 before the first."""
        states = list(self.states.values())
        return 100 * len(done) // len(states) if states and states[0] in done else 0


def stages_of(arn: str) -> Stages:
    """Return the stages of a state machine, by its ARN or that of one of its executions."""
    job_type = job_type_of(arn)
    return Stages(DECLARATIONS[job_type] if job_type is not None else None)
