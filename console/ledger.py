"""What the control plane knows of jobs, if one can be reached. The page also works without it."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from console.errors import ConsoleError
from console.formatting import legible
from provisioning import control_plane, endings
from provisioning.control_plane import ControlPlane
from provisioning.endings import Ending
from provisioning.errors import ProvisioningError
from provisioning.execution import Describe
from provisioning.ledger.progress import JobSummary, Progress, Resources, get_progress, get_resources, get_summaries

SETTING = "CONTROL_PLANE_SECRET_ID"
NOT_CONNECTED = f"No control plane is connected: set {SETTING} to see the ledger as well."

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Record:
    """What the ledger has of one job; if there is a problem, in one line, the rest is None."""

    progress: Progress | None = None
    resources: Resources | None = None
    problem: str = ""


class Ledger:
    """Ask the control plane over one connection of its own."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        """A connection belongs to the thread that made it."""

    @property
    def connected(self) -> bool:
        return bool(os.environ.get(SETTING))

    def read(self, job_id: str) -> Record:
        """Return what is known of a job; an unknown job has no progress."""
        if not self.connected:
            return Record(problem=NOT_CONNECTED)
        if not can_be_stored(job_id):
            return Record()
        try:
            progress = self._ask(lambda: get_progress(job_id))
            resources = self._ask(lambda: get_resources(job_id)) if progress else None
        except ProvisioningError as error:
            return Record(problem=f"{type(error).__name__}: {error}")
        return Record(progress, resources)

    def ending(self, job_id: str, describe: Describe) -> Ending | None:
        """Return the ending of a job that has one; None also while the ledger cannot be reached."""
        if not self.connected or not can_be_stored(job_id):
            return None
        try:
            found = self._ask(lambda: endings.find_told(control_plane.connect(), job_id, describe))
        except ProvisioningError:
            return None
        return found if found.has_ended else None

    def summaries(self, job_ids: Sequence[str]) -> dict[str, JobSummary]:
        """Return those of the jobs that the ledger knows; none while it cannot be reached."""
        asked = list(filter(can_be_stored, job_ids))
        if not self.connected or not asked:
            return {}
        try:
            return self._ask(lambda: get_summaries(asked))
        except ProvisioningError:
            return {}

    def ask(self, question: Callable[[ControlPlane], Answer]) -> Answer:
        """Return the answer to a question. Raise ConsoleError if no control plane is connected, or none answers."""
        if not self.connected:
            raise ConsoleError(NOT_CONNECTED)
        try:
            return self._ask(lambda: question(control_plane.connect()))
        except ProvisioningError as error:
            raise ConsoleError(f"The control plane: {error}") from error

    def change(self, change: Callable[[], Answer]) -> Answer:
        """Return what a change of the control plane returns, on the ledger's thread. Raise ConsoleError if refused."""
        try:
            return self._ask(change)
        except ProvisioningError as error:
            raise ConsoleError(str(error)) from error

    def _ask(self, question: Callable[[], Answer]) -> Answer:
        return self._thread.submit(question).result()


def can_be_stored(job_id: str) -> bool:
    """Return whether the ledger can hold a job of that name: PostgreSQL's text has no NUL and no lone surrogates."""
    return "\0" not in job_id and legible(job_id) == job_id
