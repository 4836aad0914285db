"""Secrets that are read in one request: in the order asked, and an error of one is that of a single one."""

import json
from typing import TYPE_CHECKING

import pytest
from botocore.stub import Stubber

from provisioning.aws import secrets, secrets_manager
from provisioning.errors import InsufficientPermissions, Misconfigured, SecretsUnavailable
from tests.provisioning.created_secrets import DOCUMENT, NAME, OTHER_DOCUMENT, create, noted

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

pytestmark = pytest.mark.usefixtures("secrets_manager")


def test_several_secrets_are_read_in_one_request_in_the_order_asked(secrets_manager: "SecretsManagerClient") -> None:
    made = create(DOCUMENT)
    secrets_manager.create_secret(Name="other", SecretString=json.dumps(OTHER_DOCUMENT))
    with noted() as asked:
        assert secrets.read_all_recorded({made.arn: {}, "other": {}}) == [DOCUMENT, OTHER_DOCUMENT]
        assert secrets.read_all_recorded({"other": {}, NAME: {}}) == [OTHER_DOCUMENT, DOCUMENT]
    assert asked == ["BatchGetSecretValue"] * 2


@pytest.mark.parametrize(
    ("code", "raised"),
    [
        ("ResourceNotFoundException", SecretsUnavailable),
        ("AccessDeniedException", InsufficientPermissions),
        ("InvalidParameterException", Misconfigured),
        ("DecryptionFailure", SecretsUnavailable),
    ],
)
def test_an_error_of_one_of_several_secrets_is_the_same_as_for_a_single_one(code: str, raised: type[Exception]) -> None:
    create(DOCUMENT)
    answer = {"SecretValues": [], "Errors": [{"SecretId": NAME, "ErrorCode": code, "Message": "raw-password"}]}
    with Stubber(secrets_manager.client()) as stubber:
        stubber.add_response("batch_get_secret_value", answer, {"SecretIdList": [NAME]})
        with pytest.raises(raised) as refused:
            secrets.read_all_recorded({NAME: {}})
    assert "raw-password" not in repr(refused.value)


def test_one_of_several_secrets_that_is_not_found_is_named() -> None:
    create(DOCUMENT)
    with pytest.raises(SecretsUnavailable, match="the secret nowhere was made and is not found"):
        secrets.read_all_recorded({NAME: {}, "nowhere": {}})


def test_an_answer_without_one_of_several_secrets_is_transient() -> None:
    with Stubber(secrets_manager.client()) as stubber:
        stubber.add_response("batch_get_secret_value", {"SecretValues": [], "Errors": []}, {"SecretIdList": [NAME]})
        with pytest.raises(SecretsUnavailable, match=NAME):
            secrets.read_all_recorded({NAME: {}})
