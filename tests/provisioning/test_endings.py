"""The one line that says how a job ended: its parts, and the word of an execution that the ledger has not heard of."""

from datetime import UTC, datetime

import pytest

from provisioning import endings
from provisioning.endings import Ending
from provisioning.error_types import ErrorType
from provisioning.execution import FORGOTTEN
from provisioning.jobs.provision_project import PROVISION_PROJECT
from provisioning.jobs.suspend_project import SUSPEND_PROJECT

ROLLED_BACK = Ending(
    job_id="j-1",
    job_type=PROVISION_PROJECT.job_type,
    project_id="p-1",
    execution_arn="arn",
    outcome="rolled_back",
    is_opened=True,
    is_rolled_back=True,
    is_compensated=True,
    error_type="TIMEOUT",
    message="the disk is full",
    stage="creating_schema",
    attempt=3,
    stage_message="the disk is full",
    undone=["auth registration", "tenant_x"],
    left=[],
    unknown=[],
    begun=[],
    last_look=None,
)
STOPPED = ROLLED_BACK._replace(
    outcome="stopped",
    error_type=str(ErrorType.EXECUTION_STOPPED),
    message="its execution was stopped",
    stage_message=None,
    undone=[],
    left=["database tenant_x"],
)

REFUSED = ROLLED_BACK._replace(outcome="failed", is_opened=False, stage="initializing", attempt=None, undone=[])


def test_a_job_that_was_rolled_back_says_why_what_was_undone_and_what_is_next() -> None:
    assert ROLLED_BACK.text == (
        "rolled_back: creating_schema failed on attempt 3: the disk is full. Rolled back: auth registration, tenant_x."
        " Nothing is left. Next: once that is corrected, provision retry j-1."
    )


def test_the_last_look_at_the_secret_is_announced() -> None:
    due = ROLLED_BACK._replace(last_look=datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC))
    assert "Nothing is left; the last look at its secret is due at 2030-01-02T03:04:05Z. " in due.text


def test_what_is_left_and_what_nobody_knows_is_named_with_both_commands() -> None:
    incomplete = ROLLED_BACK._replace(outcome="rollback_incomplete", left=["a", "b"], unknown=["c"])
    assert incomplete.text.partition("tenant_x. ")[2] == (
        "Still there: a, b. Not known whether anything is left: c. Next: provision rollback j-1 or provision retry j-1."
    )


def test_a_job_whose_name_a_shell_would_interpret_is_quoted_in_the_commands() -> None:
    assert ROLLED_BACK._replace(job_id="$(id)").text.endswith("provision retry '$(id)'.")
    assert STOPPED._replace(job_id="a'b").text.endswith("""Next: provision rollback 'a'"'"'b'.""")


def test_a_job_that_never_opened_is_started_by_its_own_command() -> None:
    assert REFUSED.text == (
        "failed: initializing failed: the disk is full. Next: once that is corrected, provision create p-1."
    )
    suspension = REFUSED._replace(job_type=SUSPEND_PROJECT.job_type)
    assert suspension.text.endswith(" Next: once that is corrected, provision suspend p-1.")


@pytest.mark.parametrize(
    ("outcome", "left", "following"),
    [
        ("stopped", " Still there of j-1, or not known to be gone: tenant_x.", "provision rollback j-1"),
        (
            "rollback_incomplete",
            " Still there of j-1, or not known to be gone: tenant_x.",
            "provision rollback j-1 or provision retry j-1",
        ),
        ("running", "", "provision watch j-1, then provision create p-1"),
    ],
)
def test_a_job_that_another_refused_says_what_to_do_with_that_one(outcome: str, left: str, following: str) -> None:
    blocker = ROLLED_BACK._replace(outcome=outcome, left=["tenant_x"])
    refused = REFUSED._replace(job_id="j-2", blocked_by="j-1", blocker=blocker)
    assert refused.text == f"failed: initializing failed: the disk is full.{left} Next: {following}."


@pytest.mark.parametrize(
    ("error_type", "following"),
    [
        (
            "PROJECT_NOT_FOUND",
            "provision create p-1 --org ORGANIZATION --owner OWNER",
        ),
        ("PROJECT_NOT_ELIGIBLE", "provision show p-1."),
        ("CLUSTER_FULL", "provision cluster add CLUSTER --secret SECRET --capacity DATABASES, then provision create"),
        ("ORGANIZATION_QUOTA_EXCEEDED", "provision organization show ORGANIZATION."),
        ("PROJECT_PROTECTED", "provision unprotect p-1, then provision create p-1"),
        ("INVALID_PAYLOAD", "once that is corrected, provision create"),
    ],
)
def test_a_refusal_names_the_command_that_leads_on(error_type: str, following: str) -> None:
    assert REFUSED._replace(error_type=error_type).text.partition(" Next: ")[2].startswith(following)


def test_a_rollback_that_removed_nothing_does_not_say_that_it_had_nothing_to_do() -> None:
    incomplete = ROLLED_BACK._replace(outcome="rollback_incomplete", undone=[], left=["tenant_x"])
    assert " Nothing was rolled back. Still there: tenant_x. " in incomplete.text


def test_a_stopped_job_says_what_is_there_and_how_it_is_rolled_back() -> None:
    assert STOPPED.text == (
        "stopped: its execution was stopped at creating_schema. Nothing was rolled back."
        " Still there: database tenant_x. Next: provision rollback j-1."
    )


def test_a_job_stopped_during_a_retrys_wait_names_the_error_before() -> None:
    waiting = STOPPED._replace(attempt=2, stage_message="the disk is full")
    assert " stopped at creating_schema, which had failed on attempt 2: the disk is full. " in waiting.text


def test_nothing_is_left_is_never_said_of_a_job_where_nobody_looked() -> None:
    text = STOPPED._replace(left=[], is_rolled_back=False).text
    assert "Nothing is left" not in text
    assert " Not known whether anything is left: nobody has looked. " in text


def test_a_stopped_job_that_was_rolled_back_keeps_its_first_cause() -> None:
    closed = STOPPED._replace(outcome="rolled_back", left=[], undone=["tenant_x"])
    assert closed.text.startswith("rolled_back: its execution was stopped at creating_schema. Rolled back: tenant_x. ")


def test_a_job_that_succeeded_says_how_its_result_is_shown() -> None:
    assert ROLLED_BACK._replace(outcome="succeeded").text == "succeeded. Next: provision show p-1."


@pytest.mark.parametrize(
    ("status", "error", "cause", "said"),
    [
        ("ABORTED", None, None, "its execution was stopped"),
        ("ABORTED", "E", "by hand", "its execution was stopped (E: by hand)"),
        ("ABORTED", "E", None, "its execution was stopped (E)"),
        ("TIMED_OUT", "States.Timeout", None, "its execution ran out of time"),
        ("FAILED", "States.Runtime", "in the input '{}'", "its execution ended with States.Runtime"),
        ("FAILED", None, None, "its execution ended with no error name"),
        (FORGOTTEN["status"], None, None, "its execution no longer exists"),
    ],
)
def test_the_word_of_the_execution_wins_over_a_ledger_that_calls_it_unfinished(
    status: str, error: str | None, cause: str | None, said: str
) -> None:
    told = ROLLED_BACK._replace(outcome="running").told(status, error, cause)
    assert (told.outcome, told.error_type, told.message) == ("stopped", "EXECUTION_STOPPED", said)


def test_a_job_that_opened_a_moment_ago_is_not_said_to_have_no_execution() -> None:
    recent = ROLLED_BACK._replace(outcome="running", is_recent=True)
    assert not recent.told(FORGOTTEN["status"], None, None).has_ended
    assert recent.told("ABORTED", None, None).outcome == "stopped"


def test_an_execution_that_succeeded_wins_over_a_lost_commit() -> None:
    assert ROLLED_BACK._replace(outcome="running").told("SUCCEEDED", None, None).outcome == "succeeded"


@pytest.mark.parametrize("outcome", ["succeeded", "rolled_back", "rollback_incomplete", "failed", "stopped"])
def test_the_ledger_wins_over_the_execution_of_a_job_that_has_ended(outcome: str) -> None:
    ended = ROLLED_BACK._replace(outcome=outcome)
    assert ended.told("ABORTED", None, None) is ended


def test_what_others_wrote_becomes_one_short_line_without_a_secret() -> None:
    said = endings.one_line("by hand,\n password=hunter2 \x1b[31m" + "x" * 1000)
    assert said.isprintable()
    assert said.startswith("by hand, password=[redacted]")
    assert len(said) == 300
