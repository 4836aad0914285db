"""The login that dumps a tenant: a member of its owner for one job, and for the time of one attempt.

The admin never dumps: what a tenant has attached to its objects would run with the admin's rights. The login has the
tenant's own, in the tenant's own database, and while the tenant is suspended nobody else may connect there.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from psycopg2 import errors, sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from provisioning import postgres, queries
from provisioning.aws import secrets
from provisioning.aws.documents import CREDENTIALS
from provisioning.cluster import acting, blocking, creators, prepared, register
from provisioning.cluster import session as sessions
from provisioning.cluster.acting import ADMIN_AGAIN, Actor
from provisioning.cluster.blocking import LOCK_TIMEOUT, Admin
from provisioning.errors import InsufficientPermissions, ResourceConflict, RollbackFailed
from provisioning.exports.names import ExportNames
from provisioning.identity import Tenant
from provisioning.tenant import dependencies, removing
from provisioning.tenant import secret as tenant_secret

QUERIES = queries.load(__file__)
CONNECTIONS = 4
"""pg_dump has one session, the look at what it dumps another; those of an earlier attempt may still be ending."""

GRACE_SECONDS = 300
"""By how much the clocks of the server and of the function may differ."""

ROUNDS = 3

Check = Callable[[], None]


class _Work(NamedTuple):
    """The admin's work on one login, while it holds the tenant's lock and may act as its owner."""

    admin: Admin
    tenant: Tenant
    login_role: str
    owner: Actor | None
    """None: the tenant has been removed."""

    def send(self, *names: str, **values: object) -> None:
        message = sql.Composed([LOCK_TIMEOUT, self.admin.becoming, self.composed(*names, **values), ADMIN_AGAIN])
        if not self.admin.send(message):
            raise postgres.Busy(f"a lock holds up a change of {self.login_role}")

    def composed(self, *names: str, **values: object) -> sql.Composed:
        of_tenant = self.tenant.names
        identifiers = {
            "export_login": self.login_role,
            "owner_role": of_tenant.owner_role,
            "database": of_tenant.database,
        }
        values |= {name: sql.Identifier(one) for name, one in identifiers.items()}
        return postgres.composed(*(QUERIES[name] for name in names), export_login_name=self.login_role, **values)


def make(tenant: Tenant, names: ExportNames, check: Check, seconds: float) -> dict[str, Any]:
    """Make the login of an attempt that ends within the given seconds, and return its credentials.

    `check` runs once the tenant's lock is held, and raises if the attempt is superseded. Raise ResourceConflict if the
    register does not have the tenant as live, InsufficientPermissions if the admin may not act as its owner,
    SecretsUnavailable and psycopg2.Error.
    """
    from provisioning.tenant.scram import scram_verifier

    session = _locked(tenant, check)
    try:
        document = _credentials(tenant, names)
        with acting.joined(session, [tenant.names.owner_role]) as actors:
            owner = actors.get(tenant.names.owner_role)
            if owner is None:
                raise InsufficientPermissions(f"the admin may not act as {tenant.names.owner_role}")
            work = _work(tenant, names, session, owner, owner.administrator)
            until = datetime.now(UTC) + timedelta(seconds=seconds + GRACE_SECONDS)
            missing = [] if acting.existing(session, [names.login_role]) else ["make_login"]
            facts = {"verifier": scram_verifier(document["password"]), "until": until.isoformat()}
            work.send(*missing, "open_login", connections=CONNECTIONS, **facts)
        sessions.release(session)
    except BaseException:
        # The session may still be acting as another role.
        session.close()
        raise
    return document


def check_live(tenant: Tenant, control_plane_id: str, job_id: str) -> None:
    """Raise ResourceConflict if the register does not have the tenant as live, and psycopg2.Error."""
    _, found = sessions.on(
        tenant.cluster, lambda session: register.find(session, control_plane_id, tenant.tenant_id, job_id)
    )
    if not any(one.tenant_id == tenant.tenant_id and one.is_live for one in found):
        raise ResourceConflict(f"the register does not have tenant {tenant.tenant_id} as live")


def remove(tenant: Tenant, names: ExportNames, check: Check) -> bool:
    """End the login's sessions and drop it, whatever refers to it, and return whether there was one; idempotent.

    `check` as for make. Raise RollbackFailed, with the login closed, if something keeps it from being dropped, and
    psycopg2.Error.
    """
    session = _locked(tenant, check)
    try:
        is_there = bool(acting.existing(session, [names.login_role]))
        if is_there:
            _drop(tenant, names, session)
        else:
            # An attempt that died after the login's end may have left the owner's role joined.
            with acting.joined(session, [tenant.names.owner_role]):
                pass
        sessions.release(session)
    except BaseException:
        session.close()
        raise
    return is_there


def remove_secret(names: ExportNames, *, removed_before: bool = False) -> bool:
    """Remove the secret with the login's password, and return whether there was one. Raise SecretsUnavailable."""
    return secrets.remove(names.secret, removed_before=removed_before)


def _drop(tenant: Tenant, names: ExportNames, session: Connection) -> None:
    is_left = set(removing.find_left(session, tenant.names))
    own = acting.find(session, [names.login_role])[names.login_role]
    roles = [one for one in (tenant.names.owner_role,) if one in is_left]
    with acting.joined(session, roles) as actors:
        work = _work(tenant, names, session, actors.get(tenant.names.owner_role), own.administrator)
        work.send("close_login" if work.owner is not None else "close_orphan")
        acting.send(session, acting.within(own, work.composed("end_sessions_of_login")))
        if work.owner is not None and tenant.names.database in is_left:
            work.send("revoke_connect")
        held_up: list[str] = []
        for _ in range(ROUNDS):
            try:
                work.send("drop_login")
            except errors.DependentObjectsStillExist:
                # A tenant can name any role of its server in a grant or a policy.
                with acting.joined(session, [names.login_role]):
                    held_up = dependencies.release(work.admin, [names.login_role], creators.of_role(own.administrator))
            else:
                return
    raise RollbackFailed(f"the login of the export is held up by {', '.join(held_up[: removing.NAMED_AT_MOST])}")


def _locked(tenant: Tenant, check: Check) -> Connection:
    session, _ = sessions.on(tenant.cluster, lambda session: register.lock(session, tenant.names))
    try:
        check()
    except BaseException:
        session.close()
        raise
    return session


def _work(
    tenant: Tenant, names: ExportNames, session: Connection, owner: Actor | None, administrator: str | None
) -> _Work:
    own = (tenant.names.owner_role, tenant.names.login_role, names.login_role)
    member = creators.becoming(creators.of_role(administrator))
    admin = Admin(tenant.cluster, session, own, member, blocking.is_login_of_a_tenant, prepared.roll_back)
    return _Work(admin, tenant, names.login_role, owner)


def _credentials(tenant: Tenant, names: ExportNames) -> dict[str, Any]:
    from secrets import token_urlsafe

    document = {
        "engine": "postgres",
        "host": tenant.cluster.host,
        "port": tenant.cluster.port,
        "dbname": tenant.names.database,
        "username": names.login_role,
        "password": token_urlsafe(tenant_secret.PASSWORD_BYTES),
    }
    description = "The login of one export. Made by Provisioner, and removed with the end of its job."
    tags = tenant_secret.tags(tenant)
    return secrets.create(names.secret, document, form=CREDENTIALS, description=description, tags=tags).document
