"""What a project's own clients need: its database's address and password, its tokens, and its services' addresses.

The password and the JWT secret are read from Secrets Manager with the caller's rights, and stored nowhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cli import api_aws
from cli.api_client import Api
from console import connection_string
from local.errors import Conflict, NotFound
from provisioning.aws import documents
from provisioning.identity import TenantNames

ROLES = ("anon", "service_role")


@dataclass(frozen=True)
class Access:
    """A project with its tenant's secret, which does not appear in the object's repr."""

    project: Mapping[str, Any]
    document: Mapping[str, Any] = field(repr=False)
    is_local: bool

    @property
    def hosts(self) -> list[tuple[str, int]]:
        """The database's hosts; of several, one is the primary."""
        return [(host, int(self.document["port"])) for host in str(self.document["host"]).split(",")]

    @property
    def tls(self) -> dict[str, str]:
        """How a client has to speak to the database."""
        return connection_string.tls(is_local=self.is_local)

    def url(self, *, with_password: bool = True) -> str:
        """Return the connection string, as libpq and most drivers take it."""
        password = str(self.document["password"]) if with_password else None
        user, name = str(self.document["username"]), str(self.document["dbname"])
        return connection_string.connection_string(self.hosts, user, name, self.tls, password)

    def environment(self) -> dict[str, str]:
        """Return what psql needs, as environment variables: none of it is an argument that others can see."""
        return {
            "PGHOST": str(self.document["host"]),
            "PGPORT": str(self.document["port"]),
            "PGUSER": str(self.document["username"]),
            "PGDATABASE": str(self.document["dbname"]),
            "PGPASSWORD": str(self.document["password"]),
            **{f"PG{name.upper()}": value for name, value in self.tls.items()},
        }

    def tokens(self) -> dict[str, str]:
        """Return the token of each role: the ones of `provision keys --jwt`."""
        from provisioning.services.json_web_token import project_key

        issued_at = int(datetime.fromisoformat(self.project["tenant"]["created_at"]).timestamp())
        return {role: project_key(str(self.document["jwt_secret"]), role, issued_at) for role in ROLES}

    def services(self) -> dict[str, str]:
        """Return where the tenant's clients reach each service that has said so."""
        return {one["service"]: one["endpoint"] for one in self.project["services"] if one["endpoint"]}


def find(api: Api, project_id: str) -> Access:
    """Return the access to a project's database.

    Raise ApiProblem for an unknown project, NotFound for one without a tenant, Conflict while it is being made, and
    what Secrets Manager's refusals mean (secrets_manager.call).
    """
    from provisioning.aws.secrets_manager import NotFound as NoSecret
    from provisioning.aws.secrets_manager import call

    project = api.project(project_id)
    tenant = project["tenant"]
    if tenant is None:
        raise NotFound(f"the project {project_id} is {project['status']} and has no database")
    if tenant["state"] not in {"active", "suspended"}:
        raise Conflict(f"the database of {project_id} is being made: see provision show {project_id}")
    name, secrets = TenantNames(tenant["tenant_id"]).secret, api_aws.client(api, "secretsmanager")
    try:
        answer = call(name, lambda: secrets.get_secret_value(SecretId=name))
    except NoSecret:
        raise NotFound(
            f"there is no secret {name} in {api.key.region}: set TENANT_SECRET_PREFIX to the stack's TenantSecretPrefix"
        ) from None
    return Access(project, documents.parse(name, answer, documents.TENANT), api.is_loopback)
