"""Why a request starts nothing, beyond what "Verify project" says of a payload and its project.

No stage raises these, so no state machine has to know them.
"""

from datetime import datetime

from provisioning.errors import ProvisioningError


class CallerUnknown(ProvisioningError):
    """The request does not say who sends it."""

    is_fault = False


class IdempotencyKeyReused(ProvisioningError):
    """The key came with another body before, and its job is not what this body asks for."""

    is_fault = False


class ProjectExists(ProvisioningError):
    """The project to create exists."""

    is_fault = False


class ClusterNotFound(ProvisioningError):
    """The control plane knows no such cluster."""

    is_fault = False


class JobNotFound(ProvisioningError):
    """Neither the ledger nor a request knows the job."""

    is_fault = False


class JobNotEligible(ProvisioningError):
    """The job's outcome does not admit the change; job_id names it, and the message says what can be done."""

    is_fault = False

    def __init__(self, message: str, job_id: str | None = None) -> None:
        super().__init__(message)
        self.job_id = job_id


class KeysRevealed(ProvisioningError):
    """The API keys have been revealed to somebody else; revealed_at says when."""

    is_fault = False

    def __init__(self, message: str, revealed_at: datetime | None = None) -> None:
        super().__init__(message)
        self.revealed_at = revealed_at


class StepFunctionsUnavailable(ProvisioningError):
    """Step Functions did not answer, or asked to try again: repeat the request with its key."""
