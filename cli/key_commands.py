"""The command that lists a project's API keys, or shows them or its tokens."""

from typing import Annotated

import typer

from cli.api_target import AwsRegion, Endpoint, Profile, find
from cli.command_line import DEFAULT_STATE, StateDirectory, StateMachine, use_deployment
from cli.jobs import ProjectOfJob
from cli.output import AsJson
from cli.terminal import console
from local.errors import HumanError


def keys(  # noqa: PLR0913 (each is an option)
    project: ProjectOfJob,
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
    """List a project's API keys, or show its tokens.

    --reveal and --jwt read the control plane's database: on AWS they need --state-machine-arn, and to stand in the VPC.
    """
    from cli import administration, names, project_view, tenant_tokens

    if reveal and jwt:
        raise HumanError("--reveal and --jwt show different things: give one of them")
    if not (reveal or jwt):
        api = find(state_dir, endpoint, profile, aws_region)
        project_view.print_keys(api, names.project_of(api, project), console(), as_json=as_json)
        return
    if endpoint is not None and state_machine is None:
        raise HumanError("--reveal and --jwt read the control plane's database: give --state-machine-arn, in the VPC")
    use_deployment(state_dir, state_machine)
    (tenant_tokens.print_tokens if jwt else administration.print_revealed_keys)(project, console(), as_json=as_json)
