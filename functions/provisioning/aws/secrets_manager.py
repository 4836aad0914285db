"""The Secrets Manager client: one per environment, created when the first secret is read.

Creating it is most of a cold start, so it uses botocore directly: boto3 adds nothing to a single client.
"""

import functools
from typing import TYPE_CHECKING, cast

from typing_extensions import override

from provisioning import configuration

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

SERVICE = "secretsmanager"


def client() -> "SecretsManagerClient":
    """Return this environment's client, for the endpoint in the settings or, without one, AWS's own."""
    return _client_at(configuration.optional("AWS_ENDPOINT_URL"))


@functools.cache
def _client_at(endpoint_url: str) -> "SecretsManagerClient":
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
