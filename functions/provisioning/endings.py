"""How a job ended, in one line that every view shows: made from the ledger, and from nothing else that a job says, but
for the options of the next command of a refused job, which the ledger does not keep.
"""

import json
import shlex
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple, cast

from provisioning import queries
from provisioning.control_plane import ControlPlane
from provisioning.error_types import ErrorType
from provisioning.errors import LONGEST_MESSAGE
from provisioning.execution import FORGOTTEN, Describe
from provisioning.queries import Query
from provisioning.redaction import redact_text
from provisioning.stage import Stage

if TYPE_CHECKING:
    from provisioning.jobs.declaration import JobType

QUERIES = queries.load(__file__)
UNFINISHED = ("pending", "running")
"""The statuses of a job that has no ending yet."""


class Ending(NamedTuple):
    """What the ledger knows of a job's end. The first cause stays, whatever a compensation or a rollback adds."""

    job_id: str
    job_type: "JobType | None"
    project_id: str | None
    execution_arn: str | None
    outcome: str | None
    """The job's status, None if the control plane does not know the job."""
    is_opened: bool
    is_rolled_back: bool
    """Whether a rollback has begun."""
    is_compensated: bool
    """Whether the ledger has the record of any compensation."""
    error_type: str | None
    message: str | None
    """The first cause."""
    stage: str | None
    """Where it failed, or where its execution was stopped."""
    attempt: int | None
    stage_message: str | None
    """How the last attempt at that stage failed."""
    undone: list[str]
    left: list[str]
    unknown: list[str]
    """What may be left: a compensation could not look, or did not do its work and no row says what is left."""
    begun: list[str]
    """The stages that had an attempt, and that no compensation has undone."""
    last_look: datetime | None
    blocked_by: str | None = None
    """The job of the project that refused this one: it is running, was stopped, or its rollback was incomplete."""
    blocker: "Ending | None" = None
    """The ending of that job."""
    is_recent: bool = False
    """Whether it opened so recently that DescribeExecution, which is eventually consistent, may not find it yet."""
    payload: object = None
    """What a refused job was asked for, as its execution has it: the ledger keeps the payload of an opened job only."""

    @property
    def has_ended(self) -> bool:
        """Whether there is an ending to show."""
        return self.outcome is not None and self.outcome not in UNFINISHED

    @property
    def leftovers(self) -> list[str]:
        """What is left, or may be."""
        return sorted([*self.left, *self.unknown])

    @property
    def nobody_looked(self) -> bool:
        """Whether nothing is known to be left only because nobody has looked."""
        return not self.leftovers and self.outcome == "stopped" and not (self.is_opened and self.is_rolled_back)

    @property
    def text(self) -> str:
        """The one line: the outcome, what went wrong and where, what was undone, what is left, and what to do next."""
        if self.outcome == "succeeded":
            return f"succeeded. Next: provision show {self.project_id}."
        return f"{self.outcome}: {' '.join(self._sentences())} Next: {self.next_command}."

    def told(self, status: str, error: str | None, cause: str | None) -> "Ending":
        """Return the ending with the execution's word for it, if the ledger calls the job unfinished."""
        outcome = told(self.outcome, status, is_recent=self.is_recent)
        if outcome == self.outcome:
            return self
        if outcome == "succeeded":
            return self._replace(outcome=outcome)
        stopped = str(ErrorType.EXECUTION_STOPPED)
        return self._replace(outcome=outcome, error_type=stopped, message=stopped_message(status, error, cause))

    def _sentences(self) -> Iterator[str]:
        yield f"{self._what_went_wrong()}."
        # What a running job has made is not left of it.
        if self.blocker is not None and self.blocker.has_ended and self.blocker.leftovers:
            yield f"Still there of {self.blocked_by}, or not known to be gone: {', '.join(self.blocker.leftovers)}."
        if self._made_nothing:
            return
        if self.undone:
            yield f"Rolled back: {', '.join(self.undone)}."
        elif self.outcome == "stopped" or self.leftovers:
            yield "Nothing was rolled back."
        else:
            yield "Nothing had to be rolled back."
        if self.left:
            yield f"Still there: {', '.join(self.left)}."
        if self.unknown:
            yield f"Not known whether anything is left: {', '.join(self.unknown)}."
        if self.nobody_looked:
            yield "Not known whether anything is left: nobody has looked."
        elif not self.leftovers:
            due = (
                f"; the last look at its secret is due at {self.last_look:%Y-%m-%dT%H:%M:%SZ}" if self.last_look else ""
            )
            yield f"Nothing is left{due}."

    @property
    def _made_nothing(self) -> bool:
        """Whether it was refused, or failed before it could make anything: then there is nothing to say about it."""
        return self.outcome == "failed" and self.stage == Stage.INITIALIZING and not self.leftovers

    def _what_went_wrong(self) -> str:
        if self.error_type == ErrorType.EXECUTION_STOPPED:
            where = f" at {self.stage}" if self.stage else ""
            if self.stage_message not in (None, self.message):
                where += f", which had failed on attempt {self.attempt}: {self.stage_message}"
            return f"{self.message}{where}"
        if self.attempt is None:
            return f"{self.stage or 'no stage'} failed: {self.message}"
        attempt = f"on attempt {self.attempt}" if self.attempt else "before its first attempt"
        return f"{self.stage} failed {attempt}: {self.message}"

    @property
    def next_command(self) -> str:
        """What to do next, as it can be typed, with the condition for it."""
        # moto accepts names of executions that a shell would interpret, and AWS some of them.
        job = shlex.quote(self.job_id)
        rollback, retry = f"provision rollback {job}", f"provision retry {job}"
        if self.outcome == "stopped":
            return rollback
        if self.outcome == "rollback_incomplete":
            return f"{rollback} or {retry}"
        if self.is_opened:
            return f"once that is corrected, {retry}"
        if self.blocker is not None and self.blocker.has_ended:
            return self.blocker.next_command
        from provisioning import refused

        return refused.next_command(self.job_type, self.project_id, self.error_type, self.blocked_by, self.payload)


def find(control: ControlPlane, job_id: str, *sent: Query, **parameters: object) -> Ending:
    """Return a job's ending, after the given queries in the same round trip. A job need not be known, nor have ended.

    Raise ControlPlaneUnavailable.
    """
    ending = cast("Ending", control.fetch_one(Ending, *sent, QUERIES["find_ending"], job_id=job_id, **parameters))
    if ending.blocked_by is not None:
        ending = ending._replace(blocker=find(control, ending.blocked_by))
    if ending.leftovers or not ending.begun or ending.job_type is None:
        return ending
    with_effect = undoable(ending.job_type)
    return ending._replace(unknown=[f"{stage} was not undone" for stage in ending.begun if stage in with_effect])


def undoable(job_type: "JobType") -> list[str]:
    """Return the stages of a type that have a compensation."""
    from provisioning.jobs.registry import DECLARATIONS

    return [str(step.stage) for step in DECLARATIONS[job_type].steps if step.undone_by is not None]


def find_told(control: ControlPlane, job_id: str, describe: Describe) -> Ending:
    """Return a job's ending. Ask the execution once if the ledger calls the job unfinished, or refused.

    Raise ControlPlaneUnavailable, and what `describe` raises.
    """
    return with_payload(tell(find(control, job_id), describe), describe)


def with_payload(ending: Ending, describe: Describe) -> Ending:
    """Return an ending with the payload of a refused job, which the ledger does not keep, as long as its execution can
    be described: Step Functions forgets one after 90 days. Raise what `describe` raises.
    """
    if ending.outcome != "failed" or ending.is_opened or ending.execution_arn is None:
        return ending
    try:
        return ending._replace(payload=json.loads((describe(ending.execution_arn) or {}).get("input") or "null"))
    except (ValueError, RecursionError):
        return ending


def unopened(ending: Ending, job_type: "JobType", project_id: str | None, execution_arn: str) -> Ending:
    """Return the ending, as it can be told, of a job that a request has asked for and the ledger does not know.

    It is pending until it opens, also if its execution is not there: whoever repeats the request starts it. But an
    execution that has ended without a word has to be told.
    """
    return ending._replace(
        job_type=job_type, project_id=project_id, execution_arn=execution_arn, outcome="pending", is_recent=True
    )


def tell(ending: Ending, describe: Describe) -> Ending:
    """Return an ending, with the word of its execution if the ledger calls the job unfinished."""
    if ending.outcome not in UNFINISHED or ending.execution_arn is None:
        return ending
    said = describe(ending.execution_arn)
    return ending if said is None else ending.told(said["status"], said.get("error"), said.get("cause"))


def told(outcome: str | None, status: str, *, is_recent: bool = False) -> str | None:
    """Return a job's outcome: the ledger's, or the word of its execution if the ledger calls the job unfinished.

    The status is Step Functions', or that of FORGOTTEN. Nothing is told by a recent execution that is not found.
    """
    if outcome not in UNFINISHED or status == "RUNNING" or (is_recent and status == FORGOTTEN["status"]):
        return outcome
    return "succeeded" if status == "SUCCEEDED" else "stopped"


def stopped_message(status: str, error: str | None, cause: str | None) -> str:
    """Return what happened to an execution that ended without an ending of its own.

    The cause is quoted only where a person gave it: AWS's own may quote the input.
    """
    if status == FORGOTTEN["status"]:
        return "its execution no longer exists"
    if status == "ABORTED":
        why = ": ".join(one_line(said) for said in (error, cause) if said)
        return f"its execution was stopped ({why})" if why else "its execution was stopped"
    if status == "TIMED_OUT":
        return "its execution ran out of time"
    return f"its execution ended with {one_line(error or 'no error name')}"


def one_line(text: str) -> str:
    """Return text that others wrote as it may be recorded: without secrets or line breaks, and 300 characters long."""
    return "".join(one for one in " ".join(redact_text(text).split()) if one.isprintable())[:LONGEST_MESSAGE]
