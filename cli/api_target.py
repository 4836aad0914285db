"""Which deployment a command talks to: the laptop's stack, or the HTTP API at an endpoint, with the caller's rights."""

import inspect
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

from cli import given
from cli.api_client import Api, Key
from cli.command_line import DEFAULT_STATE, StateDirectory
from local.errors import HumanError

Endpoint = Annotated[
    str | None,
    typer.Option(
        "--endpoint",
        metavar="URL",
        envvar="PROVISIONER_ENDPOINT",
        help="The HTTP API of a deployment on AWS, instead of the local stack's; uses your own credentials.",
        callback=given.remember,
    ),
]
Profile = Annotated[
    str | None, typer.Option("--profile", help="Of your AWS settings, for --endpoint.", callback=given.remember)
]
AwsRegion = Annotated[
    str | None,
    typer.Option("--aws-region", help="Of --endpoint, if its address does not say it.", callback=given.remember),
]

HOST_ON_AWS = re.compile(r"[a-z0-9-]+\.execute-api\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(\.cn)?")
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def with_api(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that say where the API is. It gets the client as `api`."""
    signature = inspect.signature(command, eval_str=True)
    own = [one for one in signature.parameters.values() if one.name != "api"]
    options = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, default, annotation in (
            ("state_dir", DEFAULT_STATE, StateDirectory),
            ("endpoint", None, Endpoint),
            ("profile", None, Profile),
            ("aws_region", None, AwsRegion),
        )
    ]

    def run(**values: Any) -> None:
        found = find(*(values[one.name] for one in options))
        command(api=found, **{one.name: values[one.name] for one in own})

    run.__signature__ = signature.replace(parameters=[*own, *options])  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in [*own, *options]}
    run.__name__, run.__doc__ = command.__name__, command.__doc__
    return run


def find(state_directory: Path, endpoint: str | None, profile: str | None = None, region: str | None = None) -> Api:
    """Return the client of the API at an endpoint or, without one, of the running stack.

    Raise HumanError if no stack runs, or the endpoint, the profile or the region cannot be used.
    """
    if endpoint is not None:
        return _of_endpoint(endpoint, profile, region)
    if profile is not None or region is not None:
        raise HumanError("--profile and --aws-region are of a deployment on AWS: give its --endpoint too")
    from botocore.credentials import Credentials

    from local import access_key, state

    recorded = state.running(state_directory)
    key = access_key.read(state_directory)
    return Api(
        recorded["endpoint_url"],
        Key(Credentials(key.key_id, key.secret), str(recorded["environment"]["AWS_REGION"])),
        is_loopback=True,
        time_scale=float(recorded.get("time_scale", 1.0)),
    )


def announce(api: Api, project_id: str | None) -> None:
    """Say on stderr what is about to be changed. The client has to have had an answer."""
    known = api.deployment
    print(
        f"account {known.get('account', 'unknown')}, region {known.get('region', api.key.region)},"
        f" stack {known.get('stack', api.endpoint)}, project {project_id or 'unknown'}",
        file=sys.stderr,
    )


def _of_endpoint(endpoint: str, profile: str | None, region: str | None) -> Api:
    import botocore.session
    from botocore.exceptions import NoCredentialsError

    address = urlsplit(endpoint)
    is_here = address.hostname in LOOPBACK
    if address.scheme not in ("https", "http") or not address.hostname or address.query or address.fragment:
        raise HumanError(f"{endpoint} is no address of an HTTP API: it begins with https://")
    if address.scheme == "http" and not is_here:
        raise HumanError(f"{endpoint} is not encrypted: use https://")
    session = botocore.session.Session(profile=profile)
    on_aws = HOST_ON_AWS.fullmatch(address.hostname)
    place = region or (on_aws["region"] if on_aws else session.get_config_variable("region"))
    if place is None:
        raise HumanError(f"the region of {endpoint} is not known: give --aws-region")
    credentials = session.get_credentials()
    if credentials is None:
        raise NoCredentialsError
    return Api(endpoint, Key(credentials, place), is_loopback=is_here)
