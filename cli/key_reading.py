"""Show what the HTTP API never answers with: raw API keys and tokens, from secrets read with the caller's rights."""

from typing import Any

from rich.console import Console

from cli import api_aws, tenant_access
from cli.api_client import Api, segment
from cli.api_problems import ApiProblem
from cli.api_target import announce
from cli.jobs import told_key
from cli.listing import moment
from cli.output import Note, show
from local.errors import NotFound
from provisioning.aws import documents

KEPT = "Keep them now: --key {key} shows them again until {until}, and nothing does afterwards."


def reveal(api: Api, project_id: str, key: str | None, console: Console, *, as_json: bool = False) -> None:
    """Ask for a project's raw keys, read their secret and print them. The same key prints them again for an hour.

    The keys are not lost if the secret cannot be read: the key was printed before. Raise ApiProblem, saying when, if
    they were revealed before; NotFound if their secret has been removed since; and what Secrets Manager's refusals mean
    (secrets_manager.call).
    """
    announce(api, project_id)
    key = told_key(key)
    answer = _ask(api, project_id, key)
    found = {**answer, "api_keys": _read(api, project_id, answer)}
    lines = [f"{one['kind']:<14} {one['key']}" for one in found["api_keys"]]
    note = Note(KEPT.format(key=key, until=moment(answer["kept_until"])))
    show(found, *lines, note, as_json=as_json, out=console)


def print_tokens(api: Api, project_id: str, console: Console, *, as_json: bool = False) -> None:
    """Print the token of each role, the same ones that Storage and Realtime accept, whenever they are asked for.

    Raise what tenant_access.find raises.
    """
    found = tenant_access.find(api, project_id).tokens()
    lines = [f"{role:<14} {token}" for role, token in found.items()]
    note = Note("service_role passes row level security by: keep it on servers.")
    show({"tokens": found}, *lines, note, as_json=as_json, out=console)


def _ask(api: Api, project_id: str, key: str) -> dict[str, Any]:
    try:
        return api.post(f"/v1/projects/{segment(project_id)}/api-keys/reveal", key=key)
    except ApiProblem as problem:
        if problem.type != "KeysRevealed":
            raise
        when = moment(problem.document.get("revealed_at"))
        said = f"the keys of {project_id} were revealed at {when}: they are shown only once"
        raise ApiProblem(problem.status, {**problem.document, "detail": said}) from None


def _read(api: Api, project_id: str, answer: dict[str, Any]) -> list[dict[str, Any]]:
    from provisioning.aws.secrets_manager import NotFound as NoSecret
    from provisioning.aws.secrets_manager import call

    arn, secrets = answer["secret_arn"], api_aws.client(api, "secretsmanager")
    try:
        document = documents.parse(arn, call(arn, lambda: secrets.get_secret_value(SecretId=arn)), documents.API_KEYS)
    except NoSecret:
        when = moment(answer["revealed_at"])
        raise NotFound(f"the keys of {project_id} were revealed at {when}, and their secret has been removed") from None
    found: list[dict[str, Any]] = document["api_keys"]
    return found
