"""boto3 clients that reach only a laptop stack."""

import functools
import os
import threading
from collections.abc import Mapping
from typing import Any

import boto3
from botocore.config import Config

from local.access_key import AccessKey

REGION = "us-east-1"
_lock = threading.Lock()


def make_client(service: str, endpoint_url: str, key: AccessKey | None = None, **settings: Any) -> Any:
    """Return a client, ignoring the user's own AWS settings. The settings are those of botocore's Config.

    Without a key it is the one in the environment, which is the stack's in a process that is connected to it.
    """
    key = key or AccessKey.of_environment()
    with _lock:  # clients can be shared between threads, the session that makes them cannot
        return _session().client(
            service,  # type: ignore[call-overload]
            endpoint_url=endpoint_url,
            aws_access_key_id=key.key_id,
            aws_secret_access_key=key.secret,
            config=Config(proxies={}, **settings),
        )


def aws_environment() -> dict[str, str]:
    """Return the environment that keeps every AWS client on this machine, except for AWS_ENDPOINT_URL and the key."""
    return {
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
    }


def use_environment(environment: Mapping[str, str]) -> None:
    """Put the stack's settings into os.environ, replacing all of the user's own AWS settings."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(environment)
    # boto3's own session keeps the key that it has read first.
    boto3.setup_default_session()


@functools.cache
def _session() -> boto3.Session:
    return boto3.Session(region_name=REGION)
