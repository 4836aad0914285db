"""The registration services (auth, realtime, storage) over HTTP: one contract, one client.

    PUT    {base}/tenants/{project_id}   201 created, 200 already registered under this key, 409 under another one
    GET    {base}/tenants/{project_id}   200, or 404
    DELETE {base}/tenants/{project_id}   204 removed, 404 absent, 409 registered under another key; closes the key

Every PUT and DELETE carries an Idempotency-Key; a service takes no PUT under a key that a DELETE has closed, so a
request of an attempt that was given up does no harm when it arrives late.
"""

import ipaddress
import json
import threading
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import quote, urlsplit

import urllib3
from urllib3.exceptions import HTTPError

from provisioning import configuration, tenant_secret
from provisioning.errors import Misconfigured, ResourceConflict, ServiceRegistrationFailed, ServiceRejectedRegistration
from provisioning.stage import Service

CONNECT_TIMEOUT_SECONDS = 2.0
READ_TIMEOUT_SECONDS = 8.0
QUICK_RETRIES = 2
LONGEST_RETRY_AFTER_SECONDS = 5
LARGEST_ANSWER_BYTES = 64 * 1024
TRANSIENT_STATUS = frozenset({408, 425, 429})

_environment = threading.local()


@dataclass(frozen=True)
class Registration:
    """A tenant as a service knows it."""

    external_id: str
    endpoint: str
    registered_at: str


class ServiceClient:
    """Registers tenants with one service. The base URL comes from the settings and is never taken from a payload."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self._base_url = _checked_url(configuration.required(f"{service.upper()}_SERVICE_URL"))

    def register(self, project_id: str, idempotency_key: str, tenant: dict[str, Any]) -> Registration:
        """Registers the tenant; doing it again under the same key changes nothing and answers the same.

        Raises ResourceConflict when the tenant is registered under another key, ServiceRejectedRegistration on any
        other final no, and ServiceRegistrationFailed when trying again may help.
        """
        status, body = self._request("PUT", project_id, idempotency_key, tenant)
        if status == 409:
            raise ResourceConflict(f"{self.service} has a registration of this tenant that is not this job's")
        if status not in (200, 201):
            raise self._refusal(status)
        return self._registration(body)

    def find(self, project_id: str) -> Registration | None:
        """Returns the tenant's registration, or None. Raises like register."""
        status, body = self._request("GET", project_id)
        if status == 404:
            return None
        if status != 200:
            raise self._refusal(status)
        return self._registration(body)

    def deregister(self, project_id: str, idempotency_key: str) -> bool:
        """Removes what was registered under the key and closes the key. Tells whether there was anything to remove.

        A registration under another key is not this job's and stays. Raises like register.
        """
        status, _ = self._request("DELETE", project_id, idempotency_key)
        if status not in (200, 204, 404, 409):
            raise self._refusal(status)
        return status in (200, 204)

    def _request(
        self, method: str, project_id: str, idempotency_key: str | None = None, body: dict[str, Any] | None = None
    ) -> tuple[int, bytes]:
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if idempotency_key:
            headers["Idempotency-Key"] = idempotency_key
        url = f"{self._base_url}/tenants/{quote(project_id, safe='')}"
        content = json.dumps(body) if body is not None else None
        status, answer = self._send(method, url, headers, content)
        if status == 401 and _environment.__dict__.pop("tokens", None):
            # The token may have been rotated since this environment read it.
            status, answer = self._send(method, url, headers, content)
        return status, answer

    def _send(self, method: str, url: str, headers: dict[str, str], content: str | None) -> tuple[int, bytes]:
        headers = headers | {"Authorization": f"Bearer {_token(self.service)}"}
        try:
            answer = _pool().request(method, url, body=content, headers=headers, redirect=False, preload_content=False)
            content_read = answer.read(LARGEST_ANSWER_BYTES + 1)
            if len(content_read) > LARGEST_ANSWER_BYTES:
                answer.close()
            answer.release_conn()
            return answer.status, content_read
        except HTTPError as error:
            raise ServiceRegistrationFailed(f"{self.service} did not answer ({type(error).__name__})") from None

    def _refusal(self, status: int) -> Exception:
        if status >= 500 or status in TRANSIENT_STATUS:
            return ServiceRegistrationFailed(f"{self.service} answered {status}")
        return ServiceRejectedRegistration(f"{self.service} answered {status}")

    def _registration(self, content: bytes) -> Registration:
        try:
            if len(content) > LARGEST_ANSWER_BYTES:
                raise ValueError
            body = json.loads(content)
            return Registration(*(_text(body[name]) for name in ("external_id", "endpoint", "registered_at")))
        except (ValueError, KeyError, TypeError, RecursionError):
            raise ServiceRegistrationFailed(f"{self.service} answered something its contract does not know") from None


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.isprintable() or len(value) > 512:
        raise ValueError
    return value


def _checked_url(url: str) -> str:
    parts = urlsplit(url)
    plain_http = parts.scheme == "http" and configuration.optional("ALLOW_PLAIN_HTTP") == "true"
    if (
        (parts.scheme != "https" and not plain_http)
        or not parts.hostname
        or "@" in parts.netloc
        or {"?", "#"} & set(url)
    ):
        raise Misconfigured("a service URL must be https://host/path, without credentials, query or fragment")
    try:
        address = ipaddress.ip_address(parts.hostname)
    except ValueError:
        return url.rstrip("/")
    if address.is_link_local or address.is_multicast or address.is_unspecified:
        raise Misconfigured("a service URL must not point to a link-local address")
    return url.rstrip("/")


def _pool() -> urllib3.PoolManager:
    if not hasattr(_environment, "pool"):
        retries = urllib3.Retry(
            total=QUICK_RETRIES,
            read=0,
            redirect=False,
            status_forcelist=(429, 503),
            allowed_methods=None,
            backoff_factor=0.2,
            respect_retry_after_header=True,
            raise_on_status=False,
            retry_after_max=LONGEST_RETRY_AFTER_SECONDS,
        )
        timeout = urllib3.Timeout(connect=CONNECT_TIMEOUT_SECONDS, read=READ_TIMEOUT_SECONDS)
        _environment.pool = urllib3.PoolManager(retries=retries, timeout=timeout)
    return cast("urllib3.PoolManager", _environment.pool)


def _token(service: Service) -> str:
    if not hasattr(_environment, "tokens"):
        _environment.tokens = tenant_secret.read(configuration.required("SERVICE_TOKENS_SECRET_ID"))
    return cast("str", _environment.tokens[str(service)])
