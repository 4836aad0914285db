"""The Secrets Manager client, one per environment, and what its errors mean.

The client is created when the first secret is read. Creating it is most of a cold start, so it uses botocore directly:
boto3 adds nothing to a single client.
"""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar, cast

from typing_extensions import override

from provisioning import configuration
from provisioning.errors import InsufficientPermissions, Misconfigured, ProvisioningError, SecretsUnavailable

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

SERVICE = "secretsmanager"
Answer = TypeVar("Answer")

Meaning = tuple[type[ProvisioningError], str]

DENIED: Meaning = (InsufficientPermissions, "Secrets Manager denied access to {what} {secret}")
INVALID: Meaning = (Misconfigured, "Secrets Manager accepts no request about {what} {secret} ({code}): check its name")
DELETED: Meaning = (
    Misconfigured,
    "somebody has scheduled {what} {secret} for deletion: aws secretsmanager restore-secret cancels that",
)
KEY: Meaning = (SecretsUnavailable, "Secrets Manager answered {code} for {what} {secret}: its KMS key must be enabled")
PASSING: Meaning = (SecretsUnavailable, "Secrets Manager answered {code} for {what} {secret}")

MEANINGS: dict[str, Meaning] = {
    "AccessDeniedException": DENIED,
    "AccessDenied": DENIED,
    "NotAuthorized": DENIED,
    "OptInRequired": DENIED,
    "InvalidParameterException": INVALID,
    "ValidationException": INVALID,
    "ValidationError": INVALID,
    # "Check that the KMS key is available, enabled, and not in an invalid state": some of these states pass.
    "DecryptionFailure": KEY,
    "EncryptionFailure": KEY,
    "InternalServiceError": PASSING,
    "InternalFailure": PASSING,
    "ServiceUnavailable": PASSING,
    "ThrottlingException": PASSING,
    # "Would exceed one of the Secrets Manager quotas", some of which are rates of requests.
    "LimitExceededException": PASSING,
    # Of credentials, which Lambda renews.
    "RequestExpired": PASSING,
    "ExpiredTokenException": PASSING,
    "InvalidClientTokenId": PASSING,
    "UnrecognizedClientException": PASSING,
}
"""What each documented error means, by the API reference: Common Errors, and in quotes the errors of each action
(https://docs.aws.amazon.com/secretsmanager/latest/apireference/CommonErrors.html). An unknown one is transient: three
attempts cost ten minutes, and a permanent error costs the job.
"""


class NotFound(Exception):
    """Secrets Manager does not find it. All its operations are eventually consistent (API reference, ListSecrets)."""


class AlreadyExists(Exception):
    """A secret of that name already exists."""


def call(secret: str, request: Callable[[], Answer]) -> Answer:
    """Send a request about a secret and return the answer. Messages name the secret and quote nothing of AWS's.

    Raise NotFound and AlreadyExists, SecretsUnavailable if a retry may help, and otherwise InsufficientPermissions or
    Misconfigured.
    """
    from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

    try:
        return request()
    except ClientError as error:
        raise refusal(secret, error.response["Error"]["Code"], error.response["Error"].get("Message", "")) from None
    except ParamValidationError:
        raise refusal(secret, "ValidationException", "") from None
    except BotoCoreError as error:
        raise SecretsUnavailable(f"Secrets Manager could not be reached ({type(error).__name__})") from None


def refusal(secret: str, code: str, message: str) -> Exception:
    """Return the exception for an error code, by the table above. AWS's message is examined and never passed on."""
    if code == "ResourceNotFoundException":
        return NotFound()
    if code == "ResourceExistsException":
        return AlreadyExists()
    kind, sentence = MEANINGS.get(code, PASSING)
    if code == "InvalidRequestException" and "delet" in message:
        # Its other causes are states that change. Only the message tells them apart.
        kind, sentence = DELETED
    what = "the KMS key of the secret" if "KMS" in message else "the secret"
    return kind(sentence.format(what=what, secret=secret, code=code))


def client() -> "SecretsManagerClient":
    """Return this environment's client, for the endpoint in the settings or, without one, AWS's own."""
    return _client_at(configuration.optional("AWS_ENDPOINT_URL"), configuration.optional("AWS_ACCESS_KEY_ID"))


@functools.cache
def _client_at(endpoint_url: str, key_id: str) -> "SecretsManagerClient":
    # A client keeps the key that it was created with, and a later laptop stack may get an earlier one's port.
    del key_id
    from botocore.config import Config
    from botocore.loaders import Loader
    from botocore.session import get_session

    class OneService(Loader):
        """List only the service in use; botocore would search the files of every AWS service."""

        @override
        def list_available_services(self, type_name: str) -> list[str]:
            return [SERVICE]

    session = get_session()
    session.register_component("data_loader", OneService())
    settings = Config(connect_timeout=3, read_timeout=5, retries={"mode": "standard", "max_attempts": 3})
    return cast(
        "SecretsManagerClient", session.create_client(SERVICE, config=settings, endpoint_url=endpoint_url or None)
    )
