"""The HTTP client of every service adapter.

Retries, timeouts and what an error may say are defined here, once. Adapters define what is sent.
"""

import json
import math
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

from provisioning import configuration
from provisioning.aws import secrets
from provisioning.errors import Misconfigured, ServiceRegistrationFailed, ServiceRejectedRegistration
from provisioning.services.addresses import TOKEN, Address, checked_url
from provisioning.stage import Service

if TYPE_CHECKING:
    import urllib3

CONNECT_TIMEOUT_SECONDS = 2.0
READ_TIMEOUT_SECONDS = 8.0
RESERVED_SHARE = 0.12
"""Share of an invocation's time that is reserved for recording the outcome: 6 of 50 seconds."""

QUICK_RETRIES = 2
FIRST_PAUSE_SECONDS = 0.2
LONGEST_RETRY_AFTER_SECONDS = 5.0
LARGEST_ANSWER_BYTES = 64 * 1024
UNKNOWN_ANSWER = "answered something its contract does not know"
TRANSIENT_STATUS = frozenset({408, 425, 429})
BUSY_STATUS = frozenset({429, 503})
"""Answers after which the same attempt retries."""

_environment = threading.local()


Authorize = Callable[[str], Mapping[str, str]]
"""Makes the headers that authorize a request, from the service's token or signing secret."""


def deadline(remaining_milliseconds: int) -> float:
    """Return the monotonic time by which the requests of an invocation with that much time left must end."""
    return time.monotonic() + remaining_milliseconds / 1000 * (1 - RESERVED_SHARE)


class ServiceClient:
    """Send requests to one service, all before one deadline.

    The base URL comes from the settings, or from an operator who examines an address, and never from a payload.
    """

    def __init__(self, service: Service, ends_at: float = math.inf, at: Address | None = None) -> None:
        self.service = service
        self._ends_at = ends_at
        self._at = at
        url = at.url if at is not None else configuration.required(f"{service.upper()}_SERVICE_URL")
        is_laptop = at is not None or configuration.optional("ALLOW_PLAIN_HTTP") == "true"
        self.base_url = checked_url(url, plain_http=is_laptop)

    def request(  # noqa: PLR0913 (each is a fact of one request, by name)
        self,
        method: str,
        path: str,
        authorize: Authorize,
        *,
        headers: Mapping[str, str] | None = None,
        body: object = None,
        unauthorized: int = 401,
        seconds: float | None = None,
        largest: int = LARGEST_ANSWER_BYTES,
    ) -> tuple[int, bytes]:
        """Return the status and the body of the answer; retry a service that is busy or refuses the connection.

        The status `unauthorized` means that the token is wrong: it may have been rotated since this environment read
        it, so it is read again, once. Of a body that has more than `largest` bytes, one byte more than that is read.
        Raise ServiceRegistrationFailed if there is no answer within the given seconds, 8 by default, or before the
        deadline.
        """
        sent = {"Accept": "application/json", "Content-Type": "application/json"} | dict(headers or {})
        url = f"{self.base_url}{path}"
        content = json.dumps(body) if body is not None else None
        patience = READ_TIMEOUT_SECONDS if seconds is None else seconds
        status, answer = self._send(method, url, sent, content, authorize, patience, largest)
        if status == unauthorized and self._at is None and _environment.__dict__.pop("tokens", None):
            status, answer = self._send(method, url, sent, content, authorize, patience, largest)
        return status, answer

    def refusal(self, status: int) -> Exception:
        """Return the error for a status that the adapter does not expect: permanent for a rejection, else transient."""
        if status < 300:
            return ServiceRegistrationFailed(f"{self.service} answered {status}, which its contract does not know")
        if status >= 500 or status in TRANSIENT_STATUS:
            return ServiceRegistrationFailed(f"{self.service} answered {status}")
        return ServiceRejectedRegistration(f"{self.service} answered {status}")

    def document(self, content: bytes, largest: int = LARGEST_ANSWER_BYTES) -> dict[str, Any]:
        """Return the JSON object in an answer. Raise ServiceRegistrationFailed if it is not one, or too large."""
        body = self.parsed(content, largest)
        if isinstance(body, dict):
            return body
        raise ServiceRegistrationFailed(f"{self.service} {UNKNOWN_ANSWER}")

    def parsed(self, content: bytes, largest: int) -> Any:
        """Return the JSON in an answer. Raise ServiceRegistrationFailed if it is not JSON, or too large."""
        with suppress(ValueError, RecursionError):
            if len(content) <= largest:
                return json.loads(content)
        raise ServiceRegistrationFailed(f"{self.service} {UNKNOWN_ANSWER}")

    def _send(
        self,
        method: str,
        url: str,
        headers: dict[str, str],
        content: str | None,
        authorize: Authorize,
        patience: float,
        largest: int,
    ) -> tuple[int, bytes]:
        given = self._at.token if self._at is not None else None
        headers = headers | dict(authorize(given or _token(self.service)))
        attempt = 0
        while True:
            ends_at = min(time.monotonic() + patience, self._ends_at)
            status, retry_after, answer = self._send_once(method, url, headers, content, ends_at, largest)
            pause = retry_after if retry_after is not None else FIRST_PAUSE_SECONDS * 2**attempt
            if status not in BUSY_STATUS or attempt == QUICK_RETRIES or time.monotonic() + pause > self._ends_at:
                return status, answer
            time.sleep(pause)
            attempt += 1

    def _send_once(
        self,
        method: str,
        url: str,
        headers: dict[str, str],
        content: str | None,
        ends_at: float,
        largest: int,
        *,
        kept: bool = True,
    ) -> tuple[int, float | None, bytes]:
        # Imported here because botocore, which read the token, has already imported it.
        import urllib3
        from urllib3.exceptions import HTTPError, ProtocolError

        from provisioning.services.timed_connections import exchange

        left = ends_at - time.monotonic()
        if left <= 0:
            raise ServiceRegistrationFailed(f"{self.service} took too long: no time is left for another request")
        exchange.ends_at = ends_at
        timeout = urllib3.Timeout(connect=min(CONNECT_TIMEOUT_SECONDS, left), read=left)
        connections = _pool().connection_from_url(url)
        opened = connections.num_connections if kept else 0
        try:
            response = _pool().request(
                method, url, body=content, headers=headers, timeout=timeout, redirect=False, preload_content=False
            )
            try:
                return response.status, _retry_after(response.headers.get("Retry-After")), _read(response, largest)
            finally:
                response.close()
        except HTTPError as error:
            reason = getattr(error, "reason", error)
            if isinstance(reason, ProtocolError) and 0 < opened == connections.num_connections:
                # It went over a kept connection, which may have ended while this environment was frozen: retry once
                # over a new one. Every request of an adapter may arrive twice.
                return self._send_once(method, url, headers, content, ends_at, largest, kept=False)
            raise ServiceRegistrationFailed(f"{self.service} did not answer ({type(reason).__name__})") from None


def _read(response: "urllib3.BaseHTTPResponse", largest: int) -> bytes:
    """Read no more than is allowed."""
    content = bytearray()
    while len(content) <= largest and (part := response.read1(largest + 1 - len(content))):
        content += part
    return bytes(content)


def _retry_after(header: str | None) -> float | None:
    """Return the seconds of a Retry-After, up to our limit; None for a date or anything else."""
    return min(float(header), LONGEST_RETRY_AFTER_SECONDS) if header and header.isdecimal() else None


def _pool() -> "urllib3.PoolManager":
    import urllib3

    from provisioning.services import timed_connections

    if not hasattr(_environment, "pool"):
        retries = urllib3.Retry(total=None, connect=QUICK_RETRIES, read=0, status=0, redirect=False, other=0)
        _environment.pool = timed_connections.pool(retries)
    return cast("urllib3.PoolManager", _environment.pool)


def _token(service: Service) -> str:
    if not hasattr(_environment, "tokens"):
        _environment.tokens = secrets.read(configuration.required("SERVICE_TOKENS_SECRET_ID"))
    token = _environment.tokens.get(str(service))
    if not isinstance(token, str) or not TOKEN.fullmatch(token):
        secret_id = configuration.required("SERVICE_TOKENS_SECRET_ID")
        raise Misconfigured(f"the secret {secret_id} of the service tokens holds no usable token for {service}")
    return token
