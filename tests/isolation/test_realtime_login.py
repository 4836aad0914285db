"""Only Realtime gets the password of its own login, and nobody else can read it anywhere."""

import json

import pytest

from local.stack import Stack
from provisioning.identity import TenantNames
from tests.conftest import NewProject
from tests.executions.looking import look
from tests.executions.running import payload_for, run
from tests.isolation.secret_search import found_in
from tests.isolation.test_no_secret_is_shown import Before, outputs
from tests.stages.realtime_login import SECRET, realtime_with_its_login


def test_realtimes_password_is_in_no_output_and_in_no_tenants_secret(
    stack: Stack, new_project: NewProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, kept, failed = Before(stack), new_project(), new_project()
    secrets = stack.client("secretsmanager")
    with realtime_with_its_login(stack, monkeypatch) as realtime:
        password = json.loads(secrets.get_secret_value(SecretId=SECRET)["SecretString"])["password"]
        runs = [run(stack, payload_for(kept, "realtime"))]
        assert password in json.dumps(realtime.tenants)
        realtime.migrations_fail = 100
        runs.append(run(stack, payload_for(failed, "realtime")))
    assert [ran.status for ran in runs] == ["SUCCEEDED", "FAILED"]
    assert look(stack, failed).databases == []
    written = outputs(stack, [ran.arn for ran in runs], before)
    names = TenantNames(runs[0].output["tenant_id"])
    for name in (names.secret, names.api_keys_secret(runs[0].job_id)):
        written[name] = secrets.get_secret_value(SecretId=name)["SecretString"].encode()
    assert {place for place, output in written.items() if found_in(output, {"password": password})} == set()
