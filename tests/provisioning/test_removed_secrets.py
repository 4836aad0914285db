"""A secret is removed permanently, and described before and after."""

from typing import TYPE_CHECKING

import pytest

from provisioning.aws import secrets, secrets_manager
from provisioning.errors import SecretsUnavailable
from tests.provisioning.created_secrets import DOCUMENT, NAME, create, noted
from tests.provisioning.failing_secrets_manager import answering, refusing

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

pytestmark = pytest.mark.usefixtures("secrets_manager")


@pytest.mark.parametrize("removed_before", [False, True])
def test_a_secret_is_removed_permanently(secrets_manager: "SecretsManagerClient", removed_before: bool) -> None:
    create(DOCUMENT)
    assert secrets.remove(NAME, removed_before=removed_before) is True
    assert secrets.read_if_exists(NAME) is None
    assert secrets_manager.list_secrets(IncludePlannedDeletion=True)["SecretList"] == []


def test_a_secret_is_looked_for_before_and_after_its_deletion() -> None:
    create(DOCUMENT)
    with noted() as asked:
        secrets.remove(NAME, removed_before=False)
    assert asked == ["DescribeSecret", "DeleteSecret", "DescribeSecret"]


@pytest.mark.parametrize(
    ("removed_before", "operations"),
    [(False, ["DescribeSecret", "DeleteSecret", "DescribeSecret"]), (True, ["DescribeSecret"])],
)
def test_a_secret_that_never_was_is_not_reported_as_removed(removed_before: bool, operations: list[str]) -> None:
    with noted() as asked:
        assert secrets.remove(NAME, removed_before=removed_before) is False
    assert asked == operations


def test_a_secret_that_no_read_finds_is_removed_the_first_time() -> None:
    create(DOCUMENT)
    with refusing("DescribeSecret", answering("ResourceNotFoundException")):
        assert secrets.remove(NAME, removed_before=False) is False
    assert secrets.read_if_exists(NAME) is None


def test_a_deletion_that_does_not_find_the_secret_is_tried_again() -> None:
    create(DOCUMENT)
    with refusing("DeleteSecret", answering("ResourceNotFoundException")), pytest.raises(SecretsUnavailable):
        secrets.remove(NAME, removed_before=False)


def test_a_deletion_of_our_own_that_is_carried_out_later_counts(secrets_manager: "SecretsManagerClient") -> None:
    create(DOCUMENT)
    secrets_manager.delete_secret(SecretId=NAME)
    with noted() as asked:
        assert secrets.remove(NAME, removed_before=True) is False
    assert asked == ["DescribeSecret"]


def test_somebody_elses_deletion_that_can_be_taken_back_does_not_count(
    secrets_manager: "SecretsManagerClient",
) -> None:
    create(DOCUMENT)
    secrets_manager.delete_secret(SecretId=NAME)
    assert secrets.remove(NAME, removed_before=False) is True
    with pytest.raises(secrets_manager.exceptions.ResourceNotFoundException):
        secrets_manager.restore_secret(SecretId=NAME)


def test_a_deletion_that_leaves_the_secret_is_tried_again() -> None:
    def put_back(**_: object) -> None:
        events.unregister("after-call.secrets-manager.DeleteSecret", put_back)
        create(DOCUMENT)

    create(DOCUMENT)
    events = secrets_manager.client().meta.events
    events.register("after-call.secrets-manager.DeleteSecret", put_back)
    with pytest.raises(SecretsUnavailable, match="still there"):
        secrets.remove(NAME, removed_before=False)
    assert secrets.remove(NAME, removed_before=False) is True
