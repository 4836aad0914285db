"""The laptop's HTTP API follows the published document, checked by schemathesis."""

import json
from typing import Any

import pytest
import requests
import schemathesis
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import HealthCheck, settings
from requests.auth import AuthBase
from schemathesis.specs.openapi import checks
from typing_extensions import override

from local import http_api
from local.aws_client import REGION
from local.stack import Stack
from tests.api.document import DOCUMENT

pytestmark = pytest.mark.slow
# Every request is signed, so none is generated without a signature.
CONTRACT = {name: part for name, part in json.loads(DOCUMENT.read_text()).items() if name != "security"}
schema = schemathesis.openapi.from_dict(CONTRACT)


class Signed(AuthBase):
    """Signs a request when it is complete, with the stack's key."""

    def __init__(self, stack: Stack) -> None:
        self._key = stack.aws.key

    @override
    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        asked = AWSRequest(request.method, request.url, {}, request.body)
        SigV4Auth(Credentials(self._key.key_id, self._key.secret), http_api.SERVICE, REGION).add_auth(asked)
        request.headers.update(dict(asked.headers))
        return request


@schema.parametrize()
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_one_that_the_document_knows(case: schemathesis.Case[Any], stack: Stack) -> None:
    if "wait" in (case.query or {}):
        # A valid wait would be waited for.
        case.query["wait"] = 0
    excluded: list[Any] = []
    if "cursor" in (case.query or {}) or case.method == "POST":
        # No schema can say which cursor a page has given, or that a key is new and its body right for the job's type.
        excluded.append(checks.positive_data_acceptance)
    case.call_and_validate(base_url=stack.endpoint_url, auth=Signed(stack), excluded_checks=excluded)
