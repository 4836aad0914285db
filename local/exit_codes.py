"""What an exit code of the command line means: the list that docs/command-line.md shows."""

from enum import IntEnum


class ExitCode(IntEnum):
    """One code for each class of end."""

    meaning: str

    def __new__(cls, code: int, meaning: str) -> "ExitCode":
        member = int.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member

    OK = 0, "The command has done what it says. Something was printed."
    FAILED = 1, "A job or a rollback did not succeed, or an examination has found something to correct."
    USAGE = 2, "The command line, a file or a payload breaks a rule: nothing was sent or changed."
    NOT_FOUND = 3, "There is no such project, job, tenant, organization or secret."
    ALREADY_EXISTS = 4, "What was to be made exists, such as a project, or a stack that runs."
    CONFLICT = 5, "A status, a job in flight, a limit or somebody else's work is in the way."
    DENIED = 6, "Credentials are missing or refused, or they may not do this."
    UNAVAILABLE = 7, "No stack runs, or something that is needed does not answer: the same command may succeed later."
    UNUSABLE = (
        8,
        "A setting, a secret, a file or this machine cannot be used as it is, or a defect was met.",
    )
    INTERRUPTED = 130, "Ctrl-C. A job that was followed is still running, and the command to watch it was printed."
