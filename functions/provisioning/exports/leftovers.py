"""Remove what a job has made to export a tenant: its login, its secret, its uploads and its objects."""

from collections.abc import Callable, Collection, Iterator

from provisioning.aws import objects
from provisioning.exports import login
from provisioning.exports.names import ExportNames
from provisioning.identity import Tenant


def remove(
    tenant: Tenant, names: ExportNames, check: Callable[[], None], *, kept: Collection[str] = (), again: bool = False
) -> Iterator[str]:
    """Remove everything but the objects with the kept keys, and yield what was removed, as an ending names it.

    `check` runs once the tenant's lock is held. `again` says that all of it was removed before (secrets.remove). Raise
    RollbackFailed, SecretsUnavailable, ExportFailed and psycopg2.Error.
    """
    if login.remove(tenant, names, check):
        yield names.login_role
    if login.remove_secret(names, removed_before=again):
        yield names.secret
    yield from remove_objects(names, kept=kept)


def remove_objects(names: ExportNames, *, kept: Collection[str] = ()) -> Iterator[str]:
    """Abort the uploads and hide the objects but those with the kept keys, and yield each. Raise ExportFailed."""
    for left in objects.find(names.prefix):
        if left.key not in kept:
            objects.remove(left)
            yield f"{'upload' if left.upload_id else 'object'} {left.key}"
