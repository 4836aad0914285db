"""The client of Secrets Manager: one per environment, made when the first secret is asked for.

It is most of a cold start. It is therefore botocore's own, without boto3 around it, which adds nothing to one client.
"""

import functools
from typing import TYPE_CHECKING, cast

from typing_extensions import override

from provisioning import configuration

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

SERVICE = "secretsmanager"


def client() -> "SecretsManagerClient":
    """Returns this environment's client, for the endpoint in the settings or else AWS's own."""
    return _client_at(configuration.optional("AWS_ENDPOINT_URL"))


@functools.cache
def _client_at(endpoint_url: str) -> "SecretsManagerClient":
    from botocore.config import Config
    from botocore.loaders import Loader
    from botocore.session import get_session

    class OneService(Loader):
        """Knows the one service that is asked for, where botocore would look through the files of all that AWS has."""

        @override
        def list_available_services(self, type_name: str) -> list[str]:
            return [SERVICE]

    session = get_session()
    session.register_component("data_loader", OneService())
    settings = Config(connect_timeout=3, read_timeout=5, retries={"mode": "standard", "max_attempts": 3})
    return cast(
        "SecretsManagerClient", session.create_client(SERVICE, config=settings, endpoint_url=endpoint_url or None)
    )
