"""Times, durations and names, formatted alike for the page and the terminal."""

from datetime import datetime

from console.retrying import Retry, allowed_attempts
from console.state_machines import machine_of
from console.timeline import StateRun, Status
from provisioning.jobs.declaration import JobType
from provisioning.jobs.registry import job_type_of
from provisioning.ledger.progress import StepProgress
from provisioning.stage import Stage

STATUS_WORDS = {
    "RUNNING": "running",
    "SUCCEEDED": "succeeded",
    "FAILED": "failed",
    "ABORTED": "stopped",
    "TIMED_OUT": "timed out",
    "PENDING_REDRIVE": "waiting to be redriven",
    "rolled_back": "rolled back",
    "rollback_incomplete": "rollback incomplete",
    "waiting_to_retry": "waiting to retry",
}
STATUS_CLASSES = {
    "RUNNING": "running",
    "SUCCEEDED": "succeeded",
    "FAILED": "failed",
    "ABORTED": "failed",
    "TIMED_OUT": "failed",
    "stopped": "failed",
    "rolled_back": "compensated",
    "rollback_incomplete": "failed",
    "pending": "waiting",
}
PROJECT_CLASSES = {
    "created": "waiting",
    "active": "succeeded",
    "failed": "failed",
    "suspended": "skipped",
    "leaving": "skipped",
    "removing": "compensated",
    "disputed": "failed",
    "gone": "skipped",
    "ready": "waiting",
}
"""Those that are missing are on their way to another."""
SIGNS = {
    "succeeded": "✓",
    "failed": "✕",
    "running": "●",
    "retrying": "↻",
    "waiting": "○",
    "skipped": "-",
    "compensated": "↩",
}
"""So that no status is shown by colour only."""


def legible(text: str) -> str:
    """Return a text that UTF-8 can encode: JSON may contain half a character, which is shown as a question mark."""
    return text.encode(errors="replace").decode()


def status_word(status: str) -> str:
    """Return a status of Step Functions or of the ledger in words."""
    return STATUS_WORDS.get(status, status.replace("_", " ").lower())


def status_class(status: str) -> str:
    """Return the CSS class that colours a status."""
    return STATUS_CLASSES.get(status, status.lower())


def project_class(status: str) -> str:
    """Return the CSS class that colours the status of a project or the state of a tenant."""
    return PROJECT_CLASSES.get(status, "running")


def stage_words(stage: str) -> str:
    """Return a stage in words: "Generating API keys"; a state's own name is unchanged."""
    if stage not in set(Stage):
        return STATUS_WORDS.get(stage, stage)
    return stage.replace("_", " ").capitalize().replace("api", "API")


def job_words(arn: str) -> str:
    """Return the kind of job that a state machine or an execution is, by its ARN: "Suspend project".

    A state machine of no job type keeps its own name.
    """
    job_type = job_type_of(arn)
    return type_words(job_type) if job_type is not None else machine_of(arn)


def type_words(job_type: JobType) -> str:
    """Return a job type in words: "Suspend project"."""
    return job_type.replace("_", " ").capitalize()


def field_words(name: str) -> str:
    """Return the name of a document's field in words: "API keys", "Secret ARN"."""
    return name.replace("_", " ").capitalize().replace("Api ", "API ").replace(" arn", " ARN")


def seconds(value: float) -> str:
    """Return a duration: "0.12 s", "42 s", "4:12" (minutes and seconds), "1:04:12"."""
    value = max(0.0, value)
    if value < 9.995:
        return f"{value:.2f} s"
    if value < 59.5:
        return f"{value:.0f} s"
    return countdown(value)


def countdown(value: float) -> str:
    """Return the remaining time: "4:12" or "1:04:12", never below "0:00"."""
    minutes, rest = divmod(round(max(0.0, value)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def step_seconds(step: StepProgress) -> str:
    """Return how long a step of the ledger took; empty if it has not ended."""
    if step.started_at is None or step.completed_at is None:
        return ""
    return f"{(step.completed_at - step.started_at).total_seconds():.2f}"


def clock(moment: datetime | None) -> str:
    """Return the local time of day, to the second."""
    return moment.astimezone().strftime("%H:%M:%S") if moment else ""


def precise_clock(moment: datetime | None) -> str:
    """Return the local time of day, to the millisecond."""
    return moment.astimezone().strftime("%H:%M:%S.%f")[:-3] if moment else ""


def date_and_clock(moment: datetime | None) -> str:
    """Return the local date and time, to the second."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S") if moment else ""


def next_attempt(retry: Retry, now: datetime) -> str:
    """Return "attempt 2 of 3, next in 4:12"."""
    word = "within" if retry.jitter else "in"
    return f"attempt {retry.attempt} of {retry.allowed}, next {word} {countdown((retry.due - now).total_seconds())}"


def note(run: StateRun, now: datetime) -> str:
    """Return a short description of a state, beginning with its status."""
    count = len(run.attempts)
    if run.status is Status.RETRYING and run.retry:
        return next_attempt(run.retry, now)
    if run.status is Status.RUNNING and count > 1:
        return f"running, attempt {count} of {max(count, allowed_attempts(run.state.document))}"
    if run.status is Status.SUCCEEDED and count > 1:
        return f"succeeded on attempt {count}"
    if run.status is Status.FAILED and (run.attempts or run.undone):
        return "failed" + (f" on attempt {count}" if count else "") + (", compensated" if run.undone else "")
    if run.on_failure:
        return "only on failure"
    return str(run.status)
