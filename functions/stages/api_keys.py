"""The project's API keys: hashes in the control plane, raw keys in a secret until revealed. Compensation: revoke."""

import json
from typing import Any, NamedTuple

from provisioning import queries
from provisioning.aws import secrets
from provisioning.aws.documents import API_KEYS
from provisioning.errors import ApiKeyGenerationFailed
from provisioning.handler import handler
from provisioning.identity import TenantNames
from provisioning.ledger.attempt import Attempt, Intent
from provisioning.ledger.rollback import Rollback, Undone
from provisioning.ledger.runner import Event, LambdaContext, Output, run_compensation, run_stage
from provisioning.needs import Need
from provisioning.stage import Stage
from provisioning.tenant import api_keys
from provisioning.tenant import secret as tenant_secret
from provisioning.tenant.api_keys import ApiKey

QUERIES = queries.load(__file__)
DESCRIPTION = "A tenant's API keys, until they have been revealed. Made by Provisioner."


@handler(Need.TENANT_SECRETS)
def generate_api_keys(event: Event, context: LambdaContext) -> Output:
    """Lambda handler. Take {job_id, tenant_id} and return {api_keys: [{key_id, kind, hint}]}: never a key."""
    return run_stage(
        Stage.GENERATING_API_KEYS,
        event,
        context,
        action=generate,
        compensation=revoke,
        failure=ApiKeyGenerationFailed,
        intent=Intent(QUERIES["record_intended_api_keys"]),
    )


@handler(Need.CLUSTERS)
def revoke_api_keys(event: Event, context: LambdaContext) -> Output:
    """Lambda handler of "Revoke API keys". Take {job_type, job_id, tenant_id, forgotten, failure}.

    Return {removed, unknown}.
    """
    return run_compensation([Stage.GENERATING_API_KEYS], event, context, compensation=revoke)


def generate(attempt: Attempt) -> Output:
    """Generate the keys and put them into a secret of their own, then record their hashes.

    The first attempt to write the secret decides the keys: every later attempt uses them.
    """
    job, payload = attempt.job, attempt.job.payload
    generated = [_raw(key) for key in api_keys.generate(payload.api_key_prefix, payload.api_key_count)]
    name, tags = job.tenant.names.api_keys_secret(job.job_id), tenant_secret.tags(job.tenant)
    made = secrets.create(name, {"api_keys": generated}, form=API_KEYS, description=DESCRIPTION, tags=tags)
    kept = made.document["api_keys"]
    return attempt.succeed(
        {"api_keys": [_public(raw) for raw in kept]},
        QUERIES["record_api_keys"],
        QUERIES["record_api_keys_secret"],
        prefix=payload.api_key_prefix,
        keys=json.dumps([_hashed(position, raw) for position, raw in enumerate(kept)]),
        secret_arn=made.arn,
    )


class _Revoked(NamedTuple):
    key_id: str


class _Secret(NamedTuple):
    tenant_id: str
    is_removed: bool


def revoke(rollback: Rollback) -> Undone:
    """Delete the hashes, so that no key is valid any more, and remove the secret with the raw keys."""
    # Imported here, because only a compensation needs it: the action's cold start stays short (docs/cost.md).
    from provisioning.ledger import witness

    if refused := witness.refusals(rollback):
        return Undone([], refused)
    control, job_id = rollback.control, rollback.job_id
    revoked = control.fetch_all(_Revoked, QUERIES["forget_api_keys"], job_id=job_id)
    removed = rollback.removed
    removed += [f"API key {row.key_id}" for row in revoked]
    for row in control.fetch_all(_Secret, QUERIES["find_api_key_secrets"], job_id=job_id):
        name = TenantNames(row.tenant_id).api_keys_secret(job_id)
        if secrets.remove(name, removed_before=row.is_removed):
            removed.append(name)
    return Undone(removed)


def _raw(key: ApiKey) -> dict[str, str]:
    import uuid

    return {"key_id": str(uuid.uuid4()), "kind": key.kind, "key": key.text}


def _hashed(position: int, raw: dict[str, str]) -> dict[str, Any]:
    key = ApiKey(raw["kind"], raw["key"])
    return {
        "key_id": raw["key_id"],
        "position": position,
        "kind": key.kind,
        "hint": key.hint,
        "hash": key.digest.hex(),
    }


def _public(raw: dict[str, str]) -> dict[str, Any]:
    return {"key_id": raw["key_id"], "kind": raw["kind"], "hint": ApiKey(raw["kind"], raw["key"]).hint}
