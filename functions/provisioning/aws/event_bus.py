"""The event bus: send entries by PutEvents, within its limits, and say what each refusal means.

One bus of EventBridge's rules and targets, which AWS's guide calls "Custom Event Bus - Classic"
(https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-related-service-vpc.html).
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from provisioning import configuration
from provisioning.errors import InsufficientPermissions, Misconfigured, ProvisioningError

Entry = Mapping[str, Any]

MOST_ENTRIES = 10
"""Of a request: https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html."""

MOST_BYTES = 256 * 1024
"""The entries of a request have to be smaller together:
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevent-size.html. In January 2026 AWS announced
1 MB, which not all of its pages say yet.
"""

TIME_BYTES = 14

PASSING = {
    *("InternalFailure", "InternalException", "ServiceUnavailable", "ThrottlingException", "Throttling"),
    # Of credentials, which Lambda renews.
    *("RequestExpired", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException"),
}
"""Errors of an entry or a request that pass by themselves: those that the API reference, PutEventsResultEntry, lists as
retryable, and the transient ones of its Common Errors
(https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsResultEntry.html).
"""
DENIED = {"AccessDeniedException", "AccessDenied", "NotAuthorized", "OptInRequired"}
MISSING = {"ResourceNotFoundException"}

CONNECT_SECONDS, READ_SECONDS, ATTEMPTS = 2, 4, 2
LONGEST_REQUEST_SECONDS = ATTEMPTS * (CONNECT_SECONDS + READ_SECONDS) + 1


class EventBusUnavailable(ProvisioningError):
    """EventBridge did not answer, asked to try again, or has not taken every event. No job ends with it."""


class RequestRefused(Exception):
    """The bus has taken nothing of a request, whose entries or whose size it does not accept; the text is its code."""


class Answer(NamedTuple):
    """What the bus says about an entry: no code if it has taken it."""

    code: str | None

    @property
    def passes(self) -> bool:
        """Return whether the same entry may be taken later."""
        return self.code in PASSING


def name() -> str:
    """Return the name of the bus: that in the settings, or else the stack's own. Raise Misconfigured."""
    return configuration.optional("EVENT_BUS_NAME") or configuration.required("STACK_NAME")


def size_of(entry: Entry) -> int:
    """Return the bytes of an entry as AWS counts them (eb-putevent-size.html, above); it has no Resources."""
    texts = (entry["Source"], entry["DetailType"], entry["Detail"])
    return sum(len(text.encode()) for text in texts) + (TIME_BYTES if "Time" in entry else 0)


def put(entries: Sequence[Entry]) -> list[Answer]:
    """Send at most MOST_ENTRIES entries in one request, and return the answer to each.

    Raise RequestRefused, EventBusUnavailable if a retry may help, and InsufficientPermissions or Misconfigured if no
    event can be delivered. Messages quote nothing of AWS's.
    """
    bus = name()
    request = [{**entry, "EventBusName": bus} for entry in entries]
    answer = _call(lambda: _client().put_events(Entries=request))
    return [Answer(one.get("ErrorCode")) for one in answer["Entries"]]


def look() -> None:
    """Look the bus up, and raise what put raises if it could not be used: a probe sends no event."""
    bus = name()
    _call(lambda: _client().describe_event_bus(Name=bus))


def _call(request: Callable[[], Any]) -> Any:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return request()
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in DENIED:
            raise InsufficientPermissions(f"EventBridge denied access to the event bus {name()}") from None
        if code in MISSING:
            raise Misconfigured(f"there is no event bus {name()}") from None
        if code in PASSING:
            raise EventBusUnavailable(f"EventBridge answered {code} for the event bus {name()}") from None
        raise RequestRefused(code) from None
    except BotoCoreError as error:
        raise EventBusUnavailable(f"EventBridge could not be reached ({type(error).__name__})") from None


def _client() -> Any:
    return _client_at(configuration.optional("AWS_ENDPOINT_URL"), configuration.optional("AWS_ACCESS_KEY_ID"))


@functools.cache
def _client_at(endpoint_url: str, key_id: str) -> Any:
    # A session keeps the key that it has first read, and a later laptop stack has another.
    del key_id
    import boto3
    from botocore.config import Config

    retries: Any = {"mode": "standard", "total_max_attempts": ATTEMPTS}
    settings = Config(connect_timeout=CONNECT_SECONDS, read_timeout=READ_SECONDS, retries=retries)
    return boto3.Session().client("events", endpoint_url=endpoint_url or None, config=settings)
