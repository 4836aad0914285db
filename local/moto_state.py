"""What moto holds of an account: reset it, and make what no request of the stack makes."""

from moto.awslambda_simple.models import lambda_simple_backends
from moto.events.models import events_backends
from moto.iam.models import iam_backends
from moto.logs.models import logs_backends
from moto.s3.models import s3_backends
from moto.secretsmanager.models import secretsmanager_backends
from moto.stepfunctions.parser.models import stepfunctions_parser_backends

from local.aws_client import REGION


def reset(account: str) -> None:
    """Forget everything of the services that the stack uses."""
    for each in (
        *(stepfunctions_parser_backends, lambda_simple_backends, secretsmanager_backends, logs_backends),
        events_backends,
    ):
        each[account][REGION].reset()
    for everywhere in (iam_backends[account], s3_backends[account]):
        everywhere["aws"].reset()


def make_role(account: str) -> str:
    """Make a role for every function and state machine, and return its ARN."""
    role = iam_backends[account]["aws"].create_role(
        role_name="local",
        assume_role_policy_document="{}",
        path="/",
        permissions_boundary=None,
        description="",
        tags=[],
        max_session_duration="3600",
    )
    return str(role.arn)


def make_event_bus(account: str, name: str) -> None:
    """Make the event bus that the control plane's events are delivered to."""
    events_backends[account][REGION].create_event_bus(name=name)
