"""The environment of the functions on a laptop: the template's, with the stack's own values."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from local.aws_client import aws_environment
from local.template import Template
from provisioning.stage import Service

if TYPE_CHECKING:
    from local.aws import LocalAws
    from local.services import RegistrationServices


def settings_of(
    template: Template, aws: "LocalAws", services: "RegistrationServices", arns: Mapping[str, str]
) -> dict[str, str]:
    """Return the functions' settings, given the ARNs of the stack's own secrets by the template's parameters.

    The stack's access key is not among them: the result is recorded for others to find.
    """
    return {
        **template.environment(
            {
                **arns,
                **{f"{service.capitalize()}ServiceUrl": services.url(service) for service in Service},
                "DatabaseSslMode": "disable",
                "DatabaseSslRootCert": "",
            }
        ),
        **aws_environment(),
        "AWS_ENDPOINT_URL": aws.endpoint_url,
        "STATE_MACHINE_ARN": aws.state_machine_arn,
        "ALLOW_PLAIN_HTTP": "true",
    }
