import pytest

from provisioning import errors
from provisioning.error_types import ErrorType
from provisioning.errors import PermanentError, ProvisioningError, TransientError
from provisioning.jobs import opening

PERMANENT = {
    "InvalidPayload": "INVALID_PAYLOAD",
    "ProjectNotFound": "PROJECT_NOT_FOUND",
    "ProjectNotEligible": "PROJECT_NOT_ELIGIBLE",
    "RegionNotAvailable": "REGION_NOT_AVAILABLE",
    "JobInProgress": "JOB_IN_PROGRESS",
    "ResourceConflict": "RESOURCE_CONFLICT",
    "ServiceRejectedRegistration": "SERVICE_REJECTED_REGISTRATION",
    "InsufficientPermissions": "INSUFFICIENT_PERMISSIONS",
    "ClusterFull": "CLUSTER_FULL",
    "OrganizationQuotaExceeded": "ORGANIZATION_QUOTA_EXCEEDED",
    "ProjectProtected": "PROJECT_PROTECTED",
    "PlanStale": "PLAN_STALE",
}
TRANSIENT = {
    "DatabaseCreationFailed": "DATABASE_CREATION_FAILED",
    "SchemaCreationFailed": "SCHEMA_CREATION_FAILED",
    "ServiceRegistrationFailed": "SERVICE_REGISTRATION_FAILED",
    "ApiKeyGenerationFailed": "API_KEY_GENERATION_FAILED",
    "FinalizationFailed": "FINALIZATION_FAILED",
    "SuspendInProgress": "SUSPEND_IN_PROGRESS",
    "SuspensionFailed": "SUSPENSION_FAILED",
    "ResumptionFailed": "RESUMPTION_FAILED",
    "ControlPlaneUnavailable": "NETWORK_ERROR",
    "UnexpectedFailure": "UNKNOWN_ERROR",
}
STORED = {
    *("PROJECT_NOT_FOUND", "DATABASE_CREATION_FAILED", "SCHEMA_CREATION_FAILED", "SERVICE_REGISTRATION_FAILED"),
    *("API_KEY_GENERATION_FAILED", "INSUFFICIENT_PERMISSIONS", "CLUSTER_FULL", "NETWORK_ERROR", "TIMEOUT"),
    "UNKNOWN_ERROR",
}


def raised() -> list[type[ProvisioningError]]:
    """Every type that a stage can raise."""
    bases = (ProvisioningError, PermanentError, TransientError)
    found = [value for value in vars(errors).values() if isinstance(value, type)]
    return [error for error in found if issubclass(error, ProvisioningError) and error not in bases]


@pytest.mark.parametrize(("name", "error_type"), PERMANENT.items())
def test_a_permanent_error_is_known_under_its_name_and_its_type(name: str, error_type: str) -> None:
    error = getattr(errors, name)
    assert issubclass(error, PermanentError)
    assert (error.__name__, error.permanent, error.error_type) == (name, True, error_type)


@pytest.mark.parametrize(("name", "error_type"), TRANSIENT.items())
def test_a_transient_error_is_known_under_its_name_and_its_type(name: str, error_type: str) -> None:
    error = getattr(errors, name)
    assert issubclass(error, TransientError)
    assert (error.__name__, error.permanent, error.error_type) == (name, False, error_type)


def test_every_error_is_either_permanent_or_transient() -> None:
    for error in raised():
        assert issubclass(error, PermanentError) != issubclass(error, TransientError), error


def test_no_two_errors_are_stored_alike_unless_both_are_the_network() -> None:
    stored = [error.error_type for error in raised() if error.error_type is not ErrorType.NETWORK_ERROR]
    assert len(stored) == len(set(stored))


def test_the_control_plane_can_store_every_type_it_is_promised() -> None:
    assert set(ErrorType) >= STORED


def test_a_stored_type_is_its_own_name() -> None:
    assert [str(error_type) for error_type in ErrorType] == [error_type.name for error_type in ErrorType]


def test_no_error_has_a_name_that_step_functions_keeps_for_itself() -> None:
    reserved = ("States", "Lambda", "Runtime", "Sandbox", "Batch")
    assert [error for error in raised() if error.__name__.startswith(reserved)] == []


def test_an_error_says_when_it_is_raised() -> None:
    assert [error for error in raised() if not error.__doc__] == []


def test_every_refusal_by_what_may_change_makes_a_plan_stale() -> None:
    refusals = {error for error in raised() if issubclass(error, PermanentError) and not error.is_fault}
    of_the_request = {errors.InvalidPayload, errors.ProjectNotFound, errors.JobClosed, errors.PlanStale}
    # A stage raises it, when its job is open.
    of_the_request |= {errors.ExportRefused}
    assert refusals - of_the_request == set(opening.CHANGED)
