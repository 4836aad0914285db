"""The error types. A class name is the error name that Step Functions matches on; its error_type is stored."""

from typing import ClassVar

from provisioning.error_types import ErrorType

LONGEST_MESSAGE = 300
"""How many characters of an error's message a job's ending repeats."""


class ProvisioningError(Exception):
    """Base of every error a stage raises on purpose. Its message never holds a secret and fits on one line."""

    error_type: ClassVar[ErrorType] = ErrorType.UNKNOWN_ERROR
    permanent: ClassVar[bool] = False
    is_fault: ClassVar[bool] = True
    """Whether it may be the fault of the code or of what it needs. If not, no other version could have done better."""


class PermanentError(ProvisioningError):
    """Trying again cannot help: the state machine does not retry it."""

    permanent = True


class TransientError(ProvisioningError):
    """Trying again may help: the state machine retries it 300 seconds later, three attempts in all."""


class InvalidPayload(PermanentError):
    """The payload breaks rules; the message names each field and its rule, never a value."""

    error_type = ErrorType.INVALID_PAYLOAD
    is_fault = False


class ProjectNotFound(PermanentError):
    """No such project, or it belongs to another organization or owner: the caller cannot tell which."""

    error_type = ErrorType.PROJECT_NOT_FOUND
    is_fault = False


class ProjectNotEligible(PermanentError):
    """No job of this type opens in the project's status; the message names the status and what can be done."""

    error_type = ErrorType.PROJECT_NOT_ELIGIBLE
    is_fault = False


class JobInProgress(PermanentError):
    """Another job of this project is running; job_id names it."""

    error_type = ErrorType.JOB_IN_PROGRESS
    is_fault = False

    def __init__(self, message: str, job_id: str | None = None) -> None:
        super().__init__(message)
        self.job_id = job_id


class RegionNotAvailable(PermanentError):
    """No cluster serves this region, engine, version and size."""

    error_type = ErrorType.REGION_NOT_AVAILABLE
    is_fault = False


class ClusterFull(PermanentError):
    """Every matching cluster is full."""

    error_type = ErrorType.CLUSTER_FULL
    is_fault = False


class OrganizationQuotaExceeded(PermanentError):
    """The job would exceed a limit of its project's organization; the message names the number and the limit."""

    error_type = ErrorType.ORGANIZATION_QUOTA_EXCEEDED
    is_fault = False


class ProjectProtected(PermanentError):
    """The project is protected, and the job may remove its tenant."""

    error_type = ErrorType.PROJECT_PROTECTED
    is_fault = False


class PlanStale(PermanentError):
    """The job would not do what its plan says; the message says what has changed, job_id names a job in the way."""

    error_type = ErrorType.PLAN_STALE
    is_fault = False
    job_id: str | None = None


class ExportRefused(PermanentError):
    """The tenant cannot be exported as it is: the message names what is in the way, and what to do about it."""

    error_type = ErrorType.EXPORT_REFUSED
    is_fault = False


class ResourceConflict(PermanentError):
    """Something of that name exists and is not this tenant's, so it is left untouched."""

    error_type = ErrorType.RESOURCE_CONFLICT


class ServiceRejectedRegistration(PermanentError):
    """A service rejected a registration permanently (4xx other than 408, 425 and 429)."""

    error_type = ErrorType.SERVICE_REJECTED_REGISTRATION


class InsufficientPermissions(PermanentError):
    """PostgreSQL (SQLSTATE 42501) or AWS (AccessDenied) refused the credentials in use."""

    error_type = ErrorType.INSUFFICIENT_PERMISSIONS


class StatementRejected(PermanentError):
    """PostgreSQL refused a statement for a reason that stays (SQLSTATE 22xxx, 23xxx, 42xxx)."""

    error_type = ErrorType.STATEMENT_REJECTED


class JobClosed(PermanentError):
    """The job takes nothing from this attempt: it has ended or is rolling back, a later attempt has the stage, or the
    execution only has the job's name.
    """

    error_type = ErrorType.JOB_CLOSED
    is_fault = False


class RecordLost(PermanentError):
    """The control plane was failed over or restored, and has lost a record that no later attempt can make again."""

    error_type = ErrorType.RECORD_LOST


class Misconfigured(PermanentError):
    """A setting, or a secret that it names, is missing or unusable; the message names it."""

    error_type = ErrorType.MISCONFIGURED


class ControlPlaneUnavailable(TransientError):
    """The control plane's database did not answer, or asked to try again."""

    error_type = ErrorType.NETWORK_ERROR


class SecretsUnavailable(TransientError):
    """Secrets Manager did not answer, asked to try again, or does not find a secret that was made."""

    error_type = ErrorType.NETWORK_ERROR


class DatabaseCreationFailed(TransientError):
    """The tenant database could not be created this time."""

    error_type = ErrorType.DATABASE_CREATION_FAILED


class SchemaCreationFailed(TransientError):
    """The tenant schema could not be created this time."""

    error_type = ErrorType.SCHEMA_CREATION_FAILED


class ServiceRegistrationFailed(TransientError):
    """A service did not answer, answered 408, 425, 429 or 5xx, or gave an answer outside its contract."""

    error_type = ErrorType.SERVICE_REGISTRATION_FAILED


class ApiKeyGenerationFailed(TransientError):
    """The keys could not be stored this time."""

    error_type = ErrorType.API_KEY_GENERATION_FAILED


class FinalizationFailed(TransientError):
    """The finished tenant could not be proven to work."""

    error_type = ErrorType.FINALIZATION_FAILED


class RollbackFailed(TransientError):
    """A compensation could not remove everything this time."""

    error_type = ErrorType.ROLLBACK_FAILED


class StageInProgress(TransientError):
    """Another attempt at this stage is in flight and still within its time."""

    error_type = ErrorType.STAGE_IN_PROGRESS


class SuspendInProgress(TransientError):
    """The project is being suspended: the job cannot open yet, and tries again at its next attempt."""

    error_type = ErrorType.SUSPEND_IN_PROGRESS
    is_fault = False


class SuspensionFailed(TransientError):
    """The tenant could not be closed this time: somebody is still in it, or a service has not suspended it."""

    error_type = ErrorType.SUSPENSION_FAILED


class ResumptionFailed(TransientError):
    """The tenant could not be opened again this time."""

    error_type = ErrorType.RESUMPTION_FAILED


class ExportFailed(TransientError):
    """The tenant could not be exported this time, or S3 did not answer."""

    error_type = ErrorType.EXPORT_FAILED


class UnexpectedFailure(TransientError):
    """An unexpected exception was raised; the log has the place, the message only the exception's name."""


def is_fault(name: str) -> bool:
    """Return whether an error of that name, known or not, may be the fault of the code or of what it needs."""
    known = globals().get(name)
    return not (isinstance(known, type) and issubclass(known, ProvisioningError)) or known.is_fault
