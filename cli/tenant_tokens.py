"""Print the JSON Web Tokens of a project: made from its tenant's secret when they are asked for, and stored nowhere."""

from rich.console import Console

from cli.output import Note, show
from local.errors import NotFound
from provisioning import control_plane, lookup
from provisioning.aws import secrets
from provisioning.aws.documents import TENANT
from provisioning.services.json_web_token import project_key

ROLES = ("anon", "service_role")


def print_tokens(project_id: str, console: Console, *, as_json: bool = False) -> None:
    """Print the token of each role, the same ones that Storage and Realtime accept, whenever they are asked for.

    Raise HumanError if the project has no tenant, and SecretsUnavailable if its secret cannot be read.
    """
    tenant = lookup.find_signing_tenant(control_plane.connect(), project_id)
    if tenant is None or tenant.secret_arn is None:
        raise NotFound(f"the project {project_id} has no tenant, whose secret would sign them")
    document = secrets.read_recorded(tenant.secret_arn, TENANT)
    issued_at = int(tenant.created_at.timestamp())
    found = {role: project_key(str(document["jwt_secret"]), role, issued_at) for role in ROLES}
    lines = [f"{role:<14} {token}" for role, token in found.items()]
    note = Note("service_role passes row level security by: keep it on servers.")
    show({"tokens": found}, *lines, note, as_json=as_json, out=console)
