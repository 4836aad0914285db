"""The cases of a removal: who requests it, what control plane and register say, and what must happen."""

from itertools import product
from typing import NamedTuple

import pytest

THIS_JOB, ANOTHER_JOB = "job-of-the-guard", "job-of-another"
REFILL = None
OURS, FOREIGN = True, False
STATES = ("making", "ready", "claimed", "active", "suspended", "removing", "disputed", "gone")
REGISTERS = {
    "keeps it for this job": (OURS, THIS_JOB, "kept"),
    "has it active for this job": (OURS, THIS_JOB, "active"),
    "has it suspended for this job": (OURS, THIS_JOB, "suspended"),
    "has it removing for this job": (OURS, THIS_JOB, "removing"),
    "gives it to another job": (OURS, ANOTHER_JOB, "kept"),
    "names nobody": (OURS, None, "kept"),
    "has no row": None,
    "gives it to a job of that name of another control plane": (FOREIGN, THIS_JOB, "kept"),
}


class Case(NamedTuple):
    """The requested removal, and what control plane and register say."""

    asks: str | None
    state: str
    holder: str | None
    register: str
    removes_tenant: bool
    must_be_named: bool
    may_be_active: bool

    @property
    def is_possible(self) -> bool:
        """Whether the control plane's constraints allow such a row, and such a request exists."""
        if self.asks is REFILL and (self.must_be_named or self.removes_tenant):
            return False
        if self.state == "ready":
            return self.holder is REFILL
        return self.holder is not REFILL or self.state not in ("claimed", "active", "suspended")

    @property
    def is_asked_today(self) -> bool:
        """Whether a compensation, reconcile or a refill makes this request, or the removal of a live tenant will."""
        if self.state in ("active", "suspended"):
            return not self.must_be_named and self.may_be_active
        return not self.removes_tenant and (self.must_be_named or self.may_be_active or self.state == "removing")

    @property
    def control_plane_agrees(self) -> bool:
        if self.state in ("active", "suspended"):
            return self.holder == self.asks and self.removes_tenant
        return self.holder == self.asks and self.state in ("making", "ready", "claimed", "removing")

    @property
    def register_agrees(self) -> bool:
        if self.register in ("names nobody", "has no row"):
            return not self.must_be_named
        is_named = self.register.endswith(" for this job") and self.asks == THIS_JOB
        return is_named and (self.may_be_active or not self.register.startswith(("has it active", "has it suspended")))

    @property
    def outcome(self) -> str:
        if not self.control_plane_agrees or (self.must_be_named and not self.register_agrees):
            return "untouched"
        return "removed" if self.register_agrees else "disputed"

    @property
    def sentence(self) -> str:
        names = {THIS_JOB: "this job", ANOTHER_JOB: "another job", REFILL: "refill"}
        kind = [name for name in ("removes_tenant", "must_be_named", "may_be_active") if getattr(self, name)]
        asked = f"{names[self.asks]} asks, {' '.join(kind) or 'nothing else'}"
        return f"{asked}; {self.state} for {names[self.holder]}; register {self.register}"


HOLDERS = (THIS_JOB, ANOTHER_JOB, REFILL)
CASES = [
    case
    for asks in (THIS_JOB, REFILL)
    for state in STATES
    for holder in HOLDERS
    for name in REGISTERS
    for flags in product((False, True), repeat=3)
    if (case := Case(asks, state, holder, name, *flags)).is_possible
]


def cases(outcome: str) -> pytest.MarkDecorator:
    """Parametrise a test with all cases of this outcome; those that need a separate database are marked slow."""
    chosen = [case for case in CASES if case.outcome == outcome]
    marks = [[pytest.mark.slow] if outcome == "removed" and not case.is_asked_today else [] for case in chosen]
    return pytest.mark.parametrize(
        "case", [pytest.param(case, id=case.sentence, marks=mark) for case, mark in zip(chosen, marks, strict=True)]
    )
