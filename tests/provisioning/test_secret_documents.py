"""A secret of the wrong form is one line, which names the secret and its fields and quotes no value."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from provisioning.aws import secrets
from provisioning.aws.documents import API_KEYS, CREDENTIALS, LOGIN, is_port
from provisioning.errors import Misconfigured
from provisioning.tenant import secret as tenant_secret
from tests.provisioning.conftest import make_tenant

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

ARN_OR_NAME = "some/secret"
WHOLE = {"host": "db.internal", "port": 5432, "dbname": "postgres", "username": "admin", "password": "raw-password"}
KEY = {"key_id": "k-1", "kind": "secret", "key": "raw-key"}
READS: dict[str, Callable[[], object]] = {
    "an operator's": lambda: secrets.read(ARN_OR_NAME, CREDENTIALS),
    "one on record": lambda: secrets.read_recorded(ARN_OR_NAME, CREDENTIALS),
    "several on record": lambda: secrets.read_all_recorded({ARN_OR_NAME: CREDENTIALS}),
}

pytestmark = pytest.mark.usefixtures("secrets_manager")
every_read = pytest.mark.parametrize("read", READS.values(), ids=READS)


def refused(read: Callable[[], object]) -> str:
    with pytest.raises(Misconfigured) as refusal:
        read()
    said = str(refusal.value)
    assert "raw-" not in said
    assert "\n" not in said
    return said


@every_read
def test_a_binary_secret_is_said_to_be_one(secrets_manager: "SecretsManagerClient", read: Callable[[], object]) -> None:
    secrets_manager.create_secret(Name=ARN_OR_NAME, SecretBinary=b"raw-password")
    assert refused(read) == "the secret some/secret is binary, not a JSON object"


@every_read
@pytest.mark.parametrize("text", ["raw-password", '["raw-password"]', '"raw-password"', "null", "5432", "[" * 20_000])
def test_a_text_or_list_is_said_to_be_no_object(
    secrets_manager: "SecretsManagerClient", read: Callable[[], object], text: str
) -> None:
    secrets_manager.create_secret(Name=ARN_OR_NAME, SecretString=text)
    assert refused(read) == "the secret some/secret is not a JSON object"


@every_read
def test_what_rds_manages_lacks_the_server(secrets_manager: "SecretsManagerClient", read: Callable[[], object]) -> None:
    managed = {"username": "postgres", "password": "raw-password"}
    secrets_manager.create_secret(Name=ARN_OR_NAME, SecretString=json.dumps(managed))
    assert refused(read) == "the secret some/secret has no host, port, dbname"
    assert secrets.read(ARN_OR_NAME, LOGIN) == managed


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"password": None}, "no password"),
        ({"password": "", "host": None}, "no host, password"),
        ({"port": "raw-port"}, "an unusable port"),
        ({"port": 0}, "an unusable port"),
        ({"host": ["raw-host"], "username": 7}, "an unusable host, username"),
        ({"dbname": None, "password": "raw-\0"}, "no dbname and an unusable password"),
    ],
)
def test_each_field_that_is_missing_or_unusable_is_named(
    secrets_manager: "SecretsManagerClient", changes: dict[str, Any], said: str
) -> None:
    secrets_manager.create_secret(Name=ARN_OR_NAME, SecretString=json.dumps(WHOLE | changes))
    assert refused(READS["an operator's"]) == f"the secret some/secret has {said}"


@pytest.mark.parametrize(
    ("value", "usable"),
    [
        *((port, True) for port in (1, 5432, 65535, "5432", "05432")),
        *(
            (port, False)
            for port in (0, -1, 65536, 5432.0, True, None, "", " 5432", "5_432", "٥٤٣٢", "9" * 9999, [5432])
        ),
    ],
)
def test_a_port_is_a_number_or_its_digits(value: object, usable: bool) -> None:
    assert is_port(value) is usable


@pytest.mark.parametrize("keys", [None, "raw-key", [KEY, "raw-key"], [KEY | {"key": 7}], [{"key": "raw-key"}]])
def test_keys_of_another_form_are_not_keys(secrets_manager: "SecretsManagerClient", keys: object) -> None:
    secrets_manager.create_secret(Name=ARN_OR_NAME, SecretString=json.dumps({"api_keys": keys}))
    assert "api_keys" in refused(lambda: secrets.read_recorded(ARN_OR_NAME, API_KEYS))


def test_credentials_that_somebody_has_replaced_are_not_used_for_a_tenant(
    secrets_manager: "SecretsManagerClient",
) -> None:
    tenant = make_tenant()
    secrets_manager.create_secret(Name=tenant.names.secret, SecretString='{"password": "raw-password"}')
    assert "has no host, port, dbname, username, jwt_secret" in refused(
        lambda: tenant_secret.ensure_credentials(tenant)
    )
