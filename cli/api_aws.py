"""AWS's own services beside the HTTP API: with the same credentials, so with the caller's rights."""

from typing import Any

from cli.api_client import Api

TIMEOUT_SECONDS = 5


def client(api: Api, service: str) -> Any:
    """Return a client of a service where the API is: the laptop stack's, or AWS's in the API's region."""
    import botocore.session
    from botocore.config import Config

    known = api.key.credentials.get_frozen_credentials()
    return botocore.session.Session().create_client(
        service,
        region_name=api.key.region,
        endpoint_url=api.endpoint if api.is_loopback else None,
        aws_access_key_id=known.access_key,
        aws_secret_access_key=known.secret_key,
        aws_session_token=known.token,
        config=Config(connect_timeout=TIMEOUT_SECONDS, retries={"mode": "standard", "max_attempts": 3}),
    )


def variables(api: Api) -> dict[str, str]:
    """Return the environment in which another program calls AWS with the same credentials."""
    known = api.key.credentials.get_frozen_credentials()
    found = {
        "AWS_ACCESS_KEY_ID": known.access_key,
        "AWS_SECRET_ACCESS_KEY": known.secret_key,
        "AWS_SESSION_TOKEN": known.token,
        "AWS_REGION": api.key.region,
        "AWS_DEFAULT_REGION": api.key.region,
    }
    return {name: value for name, value in found.items() if value}
