"""The command that lists a project's API keys, or shows them or its tokens."""

from typing import Annotated

import typer

from cli.api_target import AwsRegion, Endpoint, Profile, find
from cli.command_line import DEFAULT_STATE, StateDirectory, StateMachine, use_deployment
from cli.jobs import Key, ProjectOfJob
from cli.output import AsJson
from cli.terminal import console
from local.errors import HumanError


def keys(  # noqa: PLR0913 (each is an option)
    project: ProjectOfJob,
    key: Key = None,
    state_dir: StateDirectory = DEFAULT_STATE,
    endpoint: Endpoint = None,
    profile: Profile = None,
    aws_region: AwsRegion = None,
    state_machine: StateMachine = None,
    *,
    reveal: Annotated[bool, typer.Option("--reveal", help="Show the raw keys, which works once.")] = False,
    jwt: Annotated[bool, typer.Option("--jwt", help="Show the anon and service_role tokens instead.")] = False,
    as_json: AsJson = False,
) -> None:
    """List a project's API keys, or show them or its tokens.

    --reveal and --jwt read the project's secrets from Secrets Manager, with your own rights. With --state-machine-arn
    they read the control plane's database instead of asking the HTTP API, and have to stand in the VPC.
    """
    if reveal and jwt:
        raise HumanError("--reveal and --jwt show different things: give one of them")
    if key is not None and not reveal:
        raise HumanError("--key repeats a request to reveal keys: give --reveal too")
    if state_machine is not None and (reveal or jwt):
        from cli import administration, tenant_tokens

        use_deployment(state_dir, state_machine)
        (tenant_tokens.print_tokens if jwt else administration.print_revealed_keys)(project, console(), as_json=as_json)
        return
    from cli import key_reading, names, project_view

    api = find(state_dir, endpoint, profile, aws_region)
    project_id = names.project_of(api, project)
    if reveal:
        key_reading.reveal(api, project_id, key, console(), as_json=as_json)
    elif jwt:
        key_reading.print_tokens(api, project_id, console(), as_json=as_json)
    else:
        project_view.print_keys(api, project_id, console(), as_json=as_json)
