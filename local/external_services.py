"""The services outside the stack that take its tenants instead of the stack's own, as the user has named them."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from local import state
from local.errors import HumanError, Unusable
from provisioning.errors import Misconfigured
from provisioning.services import DEFAULT_ADAPTER, adapters_of
from provisioning.services.addresses import TOKEN, checked_public_url, checked_url
from provisioning.stage import Service

FILE = "services.json"
TOKENS = "provisioner/service-tokens"
"""The secret with the token of each service that is in use."""
LONGEST_TOKEN_BYTES = 64 * 1024


@dataclass(frozen=True)
class External:
    """A service outside the stack. Its token is in the stack's Secrets Manager only."""

    url: str
    adapter: str
    public_url: str = ""
    """Where tenants' clients reach it, with {tenant_id}; empty for what the service itself says."""


@dataclass(frozen=True)
class Given:
    """What a command says of an external service. What it leaves out stays as it is."""

    url: str | None = None
    adapter: str | None = None
    token_file: Path | None = None
    public_url: str | None = None


@dataclass(frozen=True)
class Change:
    """A service to use from now on: an external one, or the stack's own if there is none; and a new token, if any."""

    external: External | None
    token: str | None = field(default=None, repr=False)


class ExternalServices:
    """The external services of a stack, in a file of its state directory, without their tokens."""

    def __init__(self, state_directory: Path) -> None:
        """Raise HumanError if the file is damaged."""
        self._path = state_directory / FILE
        self._known = read(state_directory)

    @property
    def known(self) -> Mapping[Service, External]:
        return self._known

    def record(self, changes: Mapping[Service, Change]) -> None:
        """Replace what is known of the services, in the file too."""
        changed = {service: change.external for service, change in changes.items()}
        known: dict[Service, External | None] = {**self._known, **changed}
        self._known = {service: external for service, external in known.items() if external is not None}
        beside = self._path.with_suffix(".new")
        with state.create(beside) as file:
            file.write(json.dumps({service: asdict(one) for service, one in self._known.items()}, indent=2) + "\n")
        beside.replace(self._path)

    def parameters(self) -> dict[str, str]:
        """Return the template's parameters for these services."""
        settings = {
            service: {"Url": one.url, "Adapter": one.adapter, "PublicUrl": one.public_url}
            for service, one in self._known.items()
        }
        return {
            f"{service.capitalize()}Service{name}": value
            for service, named in settings.items()
            for name, value in named.items()
        }


def read(state_directory: Path) -> dict[Service, External]:
    """Return the external services of a state directory. Raise HumanError if the file is damaged."""
    path = state_directory / FILE
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        return {Service(service): checked(Service(service), External(**one)) for service, one in kept.items()}
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (ValueError, RecursionError, AttributeError, TypeError, HumanError):
        raise Unusable(f"{path} is damaged: remove it, and name the external services again") from None


def changes_of(state_directory: Path, given: Mapping[Service, Given]) -> dict[Service, Change]:
    """Return the change that each option of a start asks for, with its token: a new one, or that of the last start.

    Raise HumanError if a stack with that state directory cannot use what is given.
    """
    known = read(state_directory)
    changes = {service: change_of(service, known.get(service), one) for service, one in given.items()}
    for service, change in changes.items():
        if change.token is None:
            changes[service] = replace(change, token=_kept_token(state_directory, service))
    return changes


def change_of(service: Service, before: External | None, given: Given) -> Change:
    """Return the change that a command asks for, with the token from its file. Raise HumanError with what is wrong.

    A token is needed for a service that was the stack's own, and whenever the address changes: a token goes to no other
    address than the one that it was given for.
    """
    url = given.url if given.url is not None else before.url if before else None
    if url is None:
        raise HumanError(f"{service} is the stack's own service: name the address of an external one")
    adapter = given.adapter or (before.adapter if before else DEFAULT_ADAPTER)
    public = given.public_url if given.public_url is not None else before.public_url if before else ""
    external = checked(service, External(url, adapter, public))
    if given.token_file is not None:
        return Change(external, read_token(given.token_file))
    if before is None or before.url != external.url:
        raise HumanError(f"{service} at another address needs its token: name the file that holds it")
    return Change(external)


def checked(service: Service, external: External) -> External:
    """Return an external service with its address in one form. Raise HumanError for one that cannot be used."""
    if external.adapter not in adapters_of(service):
        adapters = ", ".join(adapters_of(service))
        raise HumanError(f"there is no adapter {external.adapter} for {service}: it is one of {adapters}")
    try:
        if external.public_url:
            checked_public_url(external.public_url, plain_http=True)
        return External(checked_url(external.url, plain_http=True), external.adapter, external.public_url)
    except Misconfigured as error:
        # The address is not repeated: it may have a password in it.
        raise HumanError(f"the address of {service} cannot be used: {error}; http:// is allowed here") from None


def _kept_token(state_directory: Path, service: Service) -> str:
    # Imported here because moto, which comes along, takes a second.
    from local.secret_store import DIRECTORY, kept_text

    kept = kept_text(state_directory / DIRECTORY, TOKENS)
    token = json.loads(kept).get(service) if kept is not None else None
    if not isinstance(token, str):
        raise HumanError(f"the token of {service} is lost: name the file that holds it")
    return token


def read_token(path: Path) -> str:
    """Return the token in a file. Raise HumanError if there is none that a request can carry."""
    try:
        with path.open("rb") as file:
            token = file.read(LONGEST_TOKEN_BYTES).decode("ascii", "replace").strip()
    except OSError as error:
        raise HumanError(f"the token cannot be read: {path}: {error.strerror}") from None
    if not TOKEN.fullmatch(token):
        raise HumanError(f"{path} holds no usable token: it must be 1 to 4,096 visible ASCII characters on one line")
    return token
