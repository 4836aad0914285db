"""The environment of the functions on a laptop: the template's, with the stack's own values and external services."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from local.aws_client import aws_environment
from local.exports import EXPORTS
from local.external_services import Change, ExternalServices, Given, change_of
from local.postgres import programs
from local.template import Template
from provisioning.stage import Service

if TYPE_CHECKING:
    from local.aws import LocalAws
    from local.bootstrap import Secrets
    from local.services import RegistrationServices


class Settings:
    """The functions' environment, which changes with the services that the stack uses.

    The stack's access key and the services' tokens are not in it: it is recorded for others to find.
    """

    environment: Mapping[str, str]

    def __init__(self, state_directory: Path, given: Mapping[Service, Given]) -> None:
        """Raise HumanError if what is given of a service cannot be used."""
        self._external = ExternalServices(state_directory)
        known = self._external.known
        self._changes = {service: change_of(service, known.get(service), one) for service, one in given.items()}

    def begin(
        self,
        template: Template,
        aws: "LocalAws",
        services: "RegistrationServices",
        secrets: "Secrets",
        control_plane_arn: str,
    ) -> None:
        """Make the first environment, with the external services of the last start and those given for this one."""
        self._template, self._aws, self._services, self._secrets = template, aws, services, secrets
        self._control_plane_arn = control_plane_arn
        self.change(self._changes)

    def change(self, changes: Mapping[Service, Change]) -> None:
        """Use other services from now on, and record them and their tokens."""
        self._external.record(changes)
        new = {service: change.token for service, change in changes.items() if change.token is not None}
        arns = {
            "ControlPlaneSecretArn": self._control_plane_arn,
            "ServiceTokensSecretArn": self._secrets.use_service_tokens(self._external.known, new),
        }
        self.environment = {
            **self._template.environment(
                {
                    **arns,
                    **{f"{service.capitalize()}ServiceUrl": self._services.url(service) for service in Service},
                    **self._external.parameters(),
                    "ExportsBucket": EXPORTS,
                    "DatabaseSslMode": "disable",
                    "DatabaseSslRootCert": "",
                }
            ),
            **aws_environment(),
            "AWS_ENDPOINT_URL": self._aws.endpoint_url,
            "STATE_MACHINE_ARN": self._aws.state_machine_arn,
            "ALLOW_PLAIN_HTTP": "true",
            # That of the wheel, which has its own libpq beside it.
            "PG_DUMP": str(programs() / "pg_dump"),
            "PG_DUMP_LIBRARIES": "",
        }
