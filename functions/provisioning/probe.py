"""Check that this version of a function could do its work: imports, settings, databases, secrets and services.

Nothing is written: database sessions are read-only, secrets are read, services are asked about a tenant that does not
exist. What only a write could show, such as the right to create a secret, is not checked; `provision doctor` asks IAM.
"""

import functools
import importlib
import pkgutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import TypeVar

import psycopg2
from botocore.exceptions import ClientError

from provisioning import configuration, control_plane, postgres, queries
from provisioning.aws import event_bus, objects, secrets
from provisioning.aws.documents import CREDENTIALS
from provisioning.cluster import session as sessions
from provisioning.control_plane import Cluster, ControlPlane
from provisioning.errors import InsufficientPermissions, InvalidPayload, Misconfigured, ProvisioningError
from provisioning.exports import dump
from provisioning.identity import new_tenant_id
from provisioning.jobs import executions
from provisioning.jobs.registry import DECLARATIONS
from provisioning.ledger.runner import LambdaContext
from provisioning.needs import Need
from provisioning.observability import describe_exception, logger
from provisioning.services import adapter_for, public_url
from provisioning.services.client import deadline
from provisioning.stage import Service

QUERIES = queries.load(__file__)
PACKAGES = ("provisioning", "stages")
REQUIRED = ("CONTROL_PLANE_SECRET_ID", "SERVICE_TOKENS_SECRET_ID", "TENANT_SECRET_PREFIX", "STACK_NAME")
STATEMENT_TIMEOUT_SECONDS = 10

Found = TypeVar("Found")


class Probe:
    """What has failed so far, by name. A check that fails does not stop the others, and none begins after ends_at."""

    def __init__(self, ends_at: float) -> None:
        self.ends_at = ends_at
        self.failed: dict[str, str] = {}

    def check(self, name: str, do: Callable[[], Found]) -> Found | None:
        """Return what the check returns, or None if it failed."""
        if time.monotonic() > self.ends_at:
            self.failed[name] = "not checked: the others used up the time"
            return None
        try:
            return do()
        except psycopg2.Error as error:
            self.failed[name] = postgres.describe(error)
        except ProvisioningError as error:
            self.failed[name] = str(error)
        except Exception as error:  # noqa: BLE001 (a probe reports whatever is wrong)
            self.failed[name] = describe_exception(error)
        return None


def probe(needs: frozenset[Need | Service], context: LambdaContext) -> dict[str, str]:
    """Check what a handler needs, and return what has failed, by name; nothing if this version can work."""
    found = Probe(deadline(context.get_remaining_time_in_millis()))
    found.check("imports", import_all)
    found.check("settings", check_settings)
    clusters = found.check("control plane", find_clusters) or []
    if Need.CLUSTERS in needs:
        for cluster in clusters:
            found.check(f"cluster {cluster.cluster_id}", functools.partial(enter, cluster))
    if Need.SERVICE_CREDENTIALS in needs and any(passes_credentials_on(one) for one in Service if one in needs):
        found.check(str(Need.SERVICE_CREDENTIALS), look_for_a_secret)
    if Need.REALTIME_DATABASE in needs and (login := configuration.optional("REALTIME_DATABASE_SECRET_ID")):
        found.check(str(Need.REALTIME_DATABASE), lambda: secrets.read(login))
    if Need.SEVERAL_SECRETS in needs:
        control = configuration.optional("CONTROL_PLANE_SECRET_ID")
        found.check(str(Need.SEVERAL_SECRETS), lambda: secrets.read_all_recorded({control: CREDENTIALS}))
    for need, check in CHECKS.items():
        if need in needs:
            found.check(str(need), check)
    for service in Service:
        if service in needs and configuration.optional(f"{service.upper()}_SERVICE_URL"):
            found.check(f"service {service}", functools.partial(ask, service, found.ends_at))
    log = logger()
    (log.warning if found.failed else log.info)("version probed", failed=found.failed)
    return found.failed


def import_all() -> None:
    """Import every module that a handler may import later, and what a payload is checked with."""
    for package in map(importlib.import_module, PACKAGES):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    for declared in DECLARATIONS.values():
        with suppress(InvalidPayload):
            declared.parse({})


def check_settings() -> None:
    """Raise Misconfigured for a setting that is missing, or that names no adapter."""
    if missing := [name for name in REQUIRED if not configuration.optional(name)]:
        raise Misconfigured(f"without {', '.join(missing)}")
    for service in Service:
        if configuration.optional(f"{service.upper()}_SERVICE_URL"):
            adapter_for(service)
            public_url(service, new_tenant_id())


def look_for_an_export() -> None:
    """Look for the exports of a tenant that does not exist."""
    next(objects.find(f"{new_tenant_id()}/"), None)


def find_clusters() -> list[Cluster]:
    """Return the control plane's clusters, over a read-only session of its own."""
    with read_only() as control:
        return control.clusters()


@contextmanager
def read_only() -> Iterator[ControlPlane]:
    document = secrets.read(configuration.required("CONTROL_PLANE_SECRET_ID"), CREDENTIALS)
    opened = postgres.connect(document, statement_timeout_seconds=STATEMENT_TIMEOUT_SECONDS)
    with closing(opened) as connection:
        connection.set_session(readonly=True)
        yield control_plane.ControlPlane(connection)


def enter(cluster: Cluster) -> None:
    """Read the register of a cluster as its admin, over a read-only session of its own."""
    with closing(sessions.connect(cluster)) as connection:
        connection.set_session(readonly=True)
        sessions.send(connection, QUERIES["find_any_tenant"])


def look_for_a_secret() -> None:
    """Read a tenant's secret that does not exist: a missing permission is refused all the same."""
    secrets.read_if_exists(f"{configuration.required('TENANT_SECRET_PREFIX')}/{new_tenant_id()}")


def look_for_executions() -> None:
    """Describe an execution of each job type that does not exist: a missing permission is refused all the same.

    Of the API's calls of Step Functions it is the one that changes nothing.
    """
    for job_type in DECLARATIONS:
        try:
            executions.describe(executions.arn_of(job_type, str(uuid.uuid4())))
        except ClientError as error:
            if error.response["Error"]["Code"] not in event_bus.DENIED:
                raise
            raise InsufficientPermissions(f"Step Functions denied access to executions of {job_type}") from None


CHECKS: dict[Need, Callable[[], object]] = {
    Need.TENANT_SECRETS: look_for_a_secret,
    Need.EXPORTS: look_for_an_export,
    Need.PG_DUMP: dump.version,
    Need.EVENT_BUS: event_bus.look,
    Need.STEP_FUNCTIONS: look_for_executions,
}


def passes_credentials_on(service: Service) -> bool:
    """Return whether the service's adapter reads tenants' secrets. Another check reports an unknown adapter."""
    try:
        return adapter_for(service).takes_credentials
    except ProvisioningError:
        return False


def ask(service: Service, ends_at: float) -> None:
    """Ask a service about a tenant that does not exist."""
    adapter_for(service, ends_at).exists(new_tenant_id())
