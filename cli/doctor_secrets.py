"""Compare the tenants' secrets with the control plane's tenants, in both directions, by name.

Secrets are listed page by page, and only one that seems to be missing or unknown is described by itself: the list
might not reflect changes from the last five minutes (API reference, ListSecrets). No secret is read.
"""

import re
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from cli.findings import Finding, unchecked
from provisioning import configuration
from provisioning.aws import secrets_manager
from provisioning.examination.known import Known, KnownTenant
from provisioning.examination.tenants import IN_USE, LIVE, REFILL, RESTORE
from provisioning.identity import LENGTH, TenantNames

SUBJECT = "secrets"
LOST = "see A lost secret in docs/operations.md"
LAG = timedelta(minutes=10)
DESCRIBED_AT_MOST = 100
"""Secrets that are described one by one. With more findings, the rest is counted."""

Listed = dict[str, bool]
"""By name, whether a deletion is scheduled."""


def examine_secrets(known: Known) -> Iterator[Finding]:
    """Yield a finding for each secret that only one side knows, and how many there are. Nothing is changed."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        before = known.find_tenants()
        listed = _list(_prefix())
        findings = list(_compare(known, before, listed))
    except (BotoCoreError, ClientError) as error:
        code = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
        yield unchecked(SUBJECT, f"not checked, Secrets Manager did not list them ({code})")
        return
    yield from findings
    yield Finding(SUBJECT, f"{len(listed)} below {_prefix()}")


def _compare(known: Known, before: list[KnownTenant], listed: Listed) -> Iterator[Finding]:
    after = known.find_tenants()
    described = _Described()
    steady = {(one.tenant_id, one.state) for one in before if not one.is_busy}
    for one in (one for one in after if (one.tenant_id, one.state) in steady and not one.is_busy):
        if one.state in IN_USE and not one.is_new:
            yield from _lost(one, listed, described)
    names = _names_of([*before, *after])
    for name in sorted(set(listed) - names):
        if not listed[name] and described.is_old(name):
            yield _unknown(name, known)
    if described.left:
        yield unchecked(SUBJECT, f"{described.left} more differ between the list and the control plane")


def _lost(one: KnownTenant, listed: Listed, described: "_Described") -> Iterator[Finding]:
    names, mending = TenantNames(one.tenant_id), REFILL if one.state == "ready" else LOST
    keys = {names.api_keys_secret(job_id): "API keys" for job_id in one.unrevealed if one.state in LIVE}
    for name, what in ({names.secret: "credentials"} | keys).items():
        if listed.get(name):
            remedy = f"aws secretsmanager restore-secret --secret-id {shlex.quote(name)}"
            yield Finding(SUBJECT, f"tenant {one.tenant_id}: the deletion of {name} is scheduled", remedy)
        elif name not in listed and described.is_missing(name):
            yield Finding(SUBJECT, f"tenant {one.tenant_id} is {one.state}, but has no secret with its {what}", mending)


def _unknown(name: str, known: Known) -> Finding:
    tenant_id = name.removeprefix(_prefix())[:LENGTH]
    if tenant_id in known.seen or known.examined != set(known.rooms):
        # The server or the register has that tenant, or could not be asked: its secret may be all that is left of it.
        remedy = RESTORE
    else:
        remedy = f"aws secretsmanager delete-secret --secret-id {shlex.quote(name)} --recovery-window-in-days 30"
    return Finding(SUBJECT, f"tenant {tenant_id}: {name} is unknown to the control plane", remedy)


def _names_of(tenants: list[KnownTenant]) -> set[str]:
    names = {TenantNames(one.tenant_id).secret for one in tenants}
    return names | {TenantNames(one.tenant_id).api_keys_secret(job) for one in tenants for job in one.key_jobs}


def _prefix() -> str:
    return TenantNames("").secret


def _list(prefix: str) -> Listed:
    """Return the secrets that this deployment has made for tenants: by their prefix, form and tags."""
    form = re.compile(rf"{re.escape(prefix)}([a-z]{{{LENGTH}}})(/.*)?")
    stack = configuration.optional("STACK_NAME", "local")
    pages = (
        secrets_manager.client()
        .get_paginator("list_secrets")
        .paginate(
            Filters=[{"Key": "name", "Values": [prefix]}],
            IncludePlannedDeletion=True,
            PaginationConfig={"PageSize": 100},
        )
    )
    return {
        one["Name"]: "DeletedDate" in one
        for page in pages
        for one in page["SecretList"]
        if form.fullmatch(one["Name"]) and {"Key": "stack", "Value": stack} in one.get("Tags", [])
    }


class _Described:
    """Secrets as they are now, one request each, up to a number of requests."""

    def __init__(self) -> None:
        self.asked = 0
        self.left = 0

    def is_missing(self, name: str) -> bool:
        """Return whether there is no such secret."""
        return self._may_ask() and self._describe(name) is None

    def is_old(self, name: str) -> bool:
        """Return whether the secret exists and was not created just now."""
        found = self._describe(name) if self._may_ask() else None
        return found is not None and "DeletedDate" not in found and found["CreatedDate"] < datetime.now(UTC) - LAG

    def _may_ask(self) -> bool:
        self.asked += 1
        self.left += self.asked > DESCRIBED_AT_MOST
        return self.asked <= DESCRIBED_AT_MOST

    def _describe(self, name: str) -> dict[str, Any] | None:
        client = secrets_manager.client()
        try:
            return dict(client.describe_secret(SecretId=name))
        except client.exceptions.ResourceNotFoundException:
            return None
