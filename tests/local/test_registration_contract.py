"""The laptop's registration service follows the published contract in docs/, checked by schemathesis."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
import yaml
from hypothesis import HealthCheck, settings
from schemathesis.core.parameters import ParameterLocation
from schemathesis.specs.openapi import checks

from local.services import RegistrationServices
from local.template import REPOSITORY
from provisioning.stage import Service

TOKEN = "t0k3n-of-the-auth-service"
TENANT_ID = re.compile(r"[a-z]{20}")
CONTRACT = yaml.safe_load((REPOSITORY / "docs" / "registration-service.openapi.yaml").read_text())

schema = schemathesis.openapi.from_dict(CONTRACT)


@pytest.fixture(scope="module")
def base_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    path: Path = tmp_path_factory.mktemp("services") / "services.sqlite"
    services = RegistrationServices(path, dict.fromkeys(Service, TOKEN))
    services.start()
    yield services.url("auth")
    services.stop()


@schema.parametrize()
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_one_that_the_contract_knows(case: schemathesis.Case[Any], base_url: str) -> None:
    names_tenant = TENANT_ID.fullmatch(str(case.path_parameters.get("tenant_id", "")))
    if names_tenant and isinstance(case.body, dict) and TENANT_ID.fullmatch(str(case.body.get("tenant_id"))):
        # No schema can express that two values are equal.
        case.body["tenant_id"] = case.path_parameters["tenant_id"]
    called = case.call(base_url=base_url, headers={"Authorization": f"Bearer {TOKEN}"})
    if "{tenant_id}" in case.path and not names_tenant:
        # No schema can express that the body of an absence is for tenants only, and not for any other path.
        assert 400 <= called.status_code < 500
        assert isinstance(called.json()["error"], str)
        return
    generated = case.meta.components.get(ParameterLocation.BODY) if case.meta else None
    # The wrong token is replaced by the right one, and a query is not looked at: a wrong body has to be refused.
    refused = generated is not None and generated.mode.is_negative
    case.validate_response(called, excluded_checks=[] if refused else [checks.negative_data_rejection])
