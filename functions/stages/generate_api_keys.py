"""Stage 8: the project's API keys, whose hashes alone are kept. Compensation: they are revoked."""

import json
from typing import Any

from provisioning import api_keys, tenant_secret
from provisioning.api_keys import ApiKey
from provisioning.errors import ApiKeyGenerationFailed
from provisioning.ledger import Attempt, Intent, Rollback
from provisioning.stage import Stage
from provisioning.stage_runner import Event, LambdaContext, Output, run_compensation, run_stage


def generate_api_keys(event: Event, context: LambdaContext) -> Output:
    """Lambda handler. Takes {job_id}, returns {api_keys: [{key_id, kind, hint}]}: never a key."""
    return run_stage(
        Stage.GENERATING_API_KEYS,
        event,
        context,
        action=generate,
        compensation=revoke,
        failure=ApiKeyGenerationFailed,
        intent=Intent({"creates": "API keys"}),
    )


def revoke_api_keys(event: Event, context: LambdaContext) -> Output:
    """Lambda handler of "Revoke API keys". Takes {job_id}, returns what was removed."""
    return run_compensation([Stage.GENERATING_API_KEYS], event, context, compensation=revoke)


def generate(attempt: Attempt) -> Output:
    """Generates the keys and puts them into the project's secret, then records their hashes.

    The keys that reach the secret first are the keys: every later attempt takes up those.
    """
    job = attempt.job
    generated = api_keys.generate(job.payload.api_key_prefix, job.payload.api_key_count)
    kept = tenant_secret.put_api_keys(job, [_raw(key) for key in generated])
    return attempt.succeed(
        {"api_keys": [_shown(raw) for raw in kept]},
        "record_api_keys",
        prefix=job.payload.api_key_prefix,
        keys=json.dumps([_hashed(position, raw) for position, raw in enumerate(kept)]),
    )


def revoke(rollback: Rollback) -> list[str]:
    """Forgets the hashes, so that no key is valid any more; the raw keys go with the secret, a compensation later."""
    job = rollback.job
    revoked = rollback.control.fetch_all("forget_api_keys", project_id=job.project_id, job_id=job.job_id)
    return [f"API key {row['key_id']}" for row in revoked]


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


def _shown(raw: dict[str, str]) -> dict[str, Any]:
    return {"key_id": raw["key_id"], "kind": raw["kind"], "hint": ApiKey(raw["kind"], raw["key"]).hint}
