"""Ask an external service, before a stack uses it, whether it answers and takes the token."""

from collections.abc import Mapping
from pathlib import Path

from cli.doctor_services import what_is_wrong
from local import external_services
from local.errors import HumanError, Unusable
from local.external_services import Change, Given
from provisioning.errors import ProvisioningError
from provisioning.services.addresses import Address
from provisioning.stage import Service


def check(state_directory: Path, given: Mapping[Service, Given]) -> None:
    """Ask each service that the options of a start name. Raise HumanError for the first that cannot be used.

    Services of the last start that no option names are not asked: doctor says what is wrong with them.
    """
    for service, change in external_services.changes_of(state_directory, given).items():
        ask(service, change, "the stack was not started")


def ask(service: Service, change: Change, otherwise: str) -> None:
    """Ask the service about a tenant that does not exist. Raise HumanError unless it answers and takes the token."""
    if (external := change.external) is None:
        return
    try:
        wrong = what_is_wrong(service, external.adapter, Address(external.url, change.token))
    except ProvisioningError as error:
        raise HumanError(f"{otherwise}: {error}, asked at {external.url}") from error
    if wrong is not None:
        raise Unusable(f"{otherwise}: {wrong.subject} {wrong.fact}, asked at {external.url}: {wrong.remedy}")
