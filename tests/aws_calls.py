"""The AWS calls that handlers and state machines make on the laptop, and what IAM has to allow for each."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple
from unittest.mock import patch

from botocore.client import BaseClient

PREFIXES = {"secretsmanager": "secretsmanager", "lambda": "lambda", "stepfunctions": "states"}
PREFIXES |= {"cloudformation": "cloudformation", "events": "events", "s3": "s3"}

ACTIONS: dict[tuple[str, str], list[str]] = {
    ("lambda", "Invoke"): ["lambda:InvokeFunction"],
    ("secretsmanager", "CreateSecret"): [
        *("secretsmanager:CreateSecret", "secretsmanager:TagResource", "kms:GenerateDataKey", "kms:Decrypt")
    ],
    ("s3", "CreateMultipartUpload"): ["s3:PutObject", "kms:GenerateDataKey", "kms:Decrypt"],
    ("s3", "UploadPart"): ["s3:PutObject"],
    ("s3", "CompleteMultipartUpload"): ["s3:PutObject"],
    ("s3", "PutObject"): ["s3:PutObject", "kms:GenerateDataKey"],
    ("s3", "HeadObject"): ["s3:GetObject"],
    ("s3", "ListObjectsV2"): ["s3:ListBucket"],
    ("s3", "ListMultipartUploads"): ["s3:ListBucketMultipartUploads"],
    ("secretsmanager", "BatchGetSecretValue"): ["secretsmanager:BatchGetSecretValue"],
}
"""The actions of an operation that differ from its name. Tags need TagResource, and a key of one's own GenerateDataKey
and Decrypt: https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssecretsmanager.html and
https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html. Invoke:
https://docs.aws.amazon.com/service-authorization/latest/reference/list_awslambda.html. An upload in parts:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html#mpuAndPermissions
"""


class Call(NamedTuple):
    """An operation, and the secret, function, execution, event bus, bucket or object that it names."""

    who: str
    service: str
    operation: str
    on: str


class Request(NamedTuple):
    """What IAM decides for a call: one action on one resource."""

    who: str
    action: str
    on: str


@contextmanager
def recorded(calls: set[Call]) -> Iterator[None]:
    """Add every call that a function makes, by its environment's thread, and those of the interpreter as a state
    machine's.
    """
    real = vars(BaseClient)["_make_api_call"]

    def record(client: Any, operation: str, parameters: Mapping[str, Any]) -> Any:
        thread = threading.current_thread()
        if thread is not threading.main_thread():
            function = thread.name.rpartition("-")[0]
            who = function if function.endswith("Function") else "state machine"
            for on in _named(parameters):
                calls.add(Call(who, client.meta.service_model.service_name, operation, on))
        return real(client, operation, parameters)

    with patch.object(BaseClient, "_make_api_call", record):
        yield


def _named(parameters: Mapping[str, Any]) -> list[str]:
    names = [
        parameters[key]
        for key in ("SecretId", "Name", "FunctionName", "executionArn", "StackName")
        if key in parameters
    ]
    if "Bucket" in parameters:
        return ["${ExportsBucket.Arn}/key" if "Key" in parameters else "ExportsBucket.Arn"]
    buses = [entry["EventBusName"] for entry in parameters.get("Entries", [])]
    return [str(name) for name in (*names, *parameters.get("SecretIdList", []), *buses)] or ["*"]


def requests(call: Call) -> Iterator[Request]:
    """Yield what IAM decides for a call. Secrets Manager asks for the key itself, in the caller's name."""
    named = ACTIONS.get((call.service, call.operation), [f"{PREFIXES[call.service]}:{call.operation}"])
    for action in named:
        is_batch = action == "secretsmanager:BatchGetSecretValue"
        yield Request(call.who, action, "*" if is_batch else "key" if action.startswith("kms:") else call.on)
    if call.operation == "BatchGetSecretValue":
        yield Request(call.who, "secretsmanager:GetSecretValue", call.on)
    if call.operation in ("GetSecretValue", "BatchGetSecretValue") and "/tenants/" in call.on:
        yield Request(call.who, "kms:Decrypt", "key")
