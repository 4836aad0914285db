"""The laptop's event bus in tests: what its rules bring to a queue, what it is sent, and how it refuses."""

import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import ClientError

from local.stack import Stack
from provisioning.aws import event_bus

Document = dict[str, Any]
REQUEST = "before-parameter-build.eventbridge.PutEvents"
ANSWER = "after-call.eventbridge.PutEvents"


def error(code: str) -> ClientError:
    """The error that botocore makes of an answer with that code."""
    return ClientError({"Error": {"Code": code, "Message": "of the bus"}}, "PutEvents")


class Queue:
    """A queue that a rule on the bus brings events to, as they arrive there."""

    def __init__(self, sqs: Any, url: str) -> None:
        self._sqs, self._url = sqs, url

    def received(self) -> list[Document]:
        """Take the events out of the queue."""
        found: list[Document] = []
        while messages := self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                found.append(json.loads(message["Body"]))
                self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
        return found


@contextmanager
def rule(stack: Stack, pattern: Mapping[str, Any]) -> Iterator[Queue]:
    """Yield the queue that gets the events of the bus which match the pattern."""
    events, sqs, name = stack.client("events"), stack.client("sqs"), f"rule-{uuid.uuid4().hex}"
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    bus = event_bus.name()
    events.put_rule(Name=name, EventBusName=bus, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=name, EventBusName=bus, Targets=[{"Id": "queue", "Arn": arn}])
    try:
        yield Queue(sqs, url)
    finally:
        events.remove_targets(Rule=name, EventBusName=bus, Ids=["queue"])
        events.delete_rule(Name=name, EventBusName=bus)
        sqs.delete_queue(QueueUrl=url)


@contextmanager
def requests() -> Iterator[list[list[Document]]]:
    """Yield the entries of each request that is sent inside the block."""
    found: list[list[Document]] = []
    with _listening(REQUEST, lambda params, **_: found.append(list(params["Entries"]))):
        yield found


@contextmanager
def refusing_requests(code: str, is_meant: Callable[[Document], bool] = lambda _: True) -> Iterator[None]:
    """Refuse every request with an entry that is meant, as a whole and with that code."""

    def refuse(params: Document, **_: object) -> None:
        if any(map(is_meant, params["Entries"])):
            raise error(code)

    with _listening(REQUEST, refuse):
        yield


@contextmanager
def refusing_entries(code: str, is_meant: Callable[[Document], bool]) -> Iterator[None]:
    """Refuse the entries that are meant, of a request with others: these are taken."""
    refused: list[int] = []

    def take_out(params: Document, **_: object) -> None:
        refused[:] = [number for number, entry in enumerate(params["Entries"]) if is_meant(entry)]
        params["Entries"] = [entry for entry in params["Entries"] if not is_meant(entry)]

    def answer(parsed: Document, **_: object) -> None:
        for number in refused:
            parsed["Entries"].insert(number, {"ErrorCode": code, "ErrorMessage": "of the bus"})
        parsed["FailedEntryCount"] = len(refused)

    with _listening(REQUEST, take_out), _listening(ANSWER, answer):
        yield


@contextmanager
def _listening(name: str, listener: Callable[..., None]) -> Iterator[None]:
    events = event_bus._client().meta.events
    events.register(name, listener)
    try:
        yield
    finally:
        events.unregister(name, listener)
