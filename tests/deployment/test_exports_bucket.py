"""The bucket of exports: what it keeps, who may do what with it, and that nobody deletes a version."""

from typing import Any

from tests import shipped
from tests.grants import granted

PROPERTIES = shipped.resources("AWS::S3::Bucket")["ExportsBucket"]
RESOURCE = shipped.template()["Resources"]["ExportsBucket"]
STATEMENTS = list(
    shipped.statements(shipped.resources("AWS::S3::BucketPolicy")["ExportsBucketPolicy"]["PolicyDocument"])
)


def denied(action: str) -> list[Any]:
    """The conditions under which the bucket's policy denies everybody an action; {} is always."""
    denying = [one for one in STATEMENTS if one["Effect"] == "Deny" and one["Principal"] == "*"]
    return [one.get("Condition", {}) for one in denying if one["Action"] in (action, "s3:*")]


def test_it_is_encrypted_with_the_key_of_the_stack_and_keeps_versions() -> None:
    ((rule),) = PROPERTIES["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"] == {
        "SSEAlgorithm": "aws:kms",
        "KMSMasterKeyID": {"Fn::GetAtt": ["EncryptionKey", "Arn"]},
    }
    assert PROPERTIES["VersioningConfiguration"] == {"Status": "Enabled"}


def test_it_is_private_and_outlives_the_stack() -> None:
    assert set(PROPERTIES["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(PROPERTIES["PublicAccessBlockConfiguration"]) == 4
    assert (RESOURCE["DeletionPolicy"], RESOURCE["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")


def test_objects_and_their_versions_end_with_the_retention_and_uploads_with_a_day() -> None:
    rule, _ = PROPERTIES["LifecycleConfiguration"]["Rules"]
    days = {"Ref": "ExportRetentionDays"}
    assert (rule["ExpirationInDays"], rule["NoncurrentVersionExpiration"]) == (days, {"NoncurrentDays": days})
    assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}


def test_all_but_the_named_role_are_denied_to_delete_a_version_and_to_come_without_tls() -> None:
    """aws:PrincipalArn is the ARN of the role, also of a session of it: IAM's guide, "AWS global condition keys"."""
    others = {"ArnNotEquals": {"aws:PrincipalArn": {"Ref": "ExportEraserArn"}}}
    named = {"Fn::If": ["HasExportEraser", others, {"Ref": "AWS::NoValue"}]}
    assert denied("s3:DeleteObjectVersion") == [{"Bool": {"aws:SecureTransport": "false"}}, named]
    assert {"Bool": {"aws:SecureTransport": "false"}} in denied("s3:GetObject")


def test_only_what_exports_writes_there_and_no_role_may_delete_a_version() -> None:
    actions = {(who, action) for who, action, _ in granted() if action.startswith("s3:")}
    assert actions == {
        ("WriteExportsPolicy", "s3:PutObject"),
        ("WriteExportsPolicy", "s3:GetObject"),
        ("RemoveExportsPolicy", "s3:DeleteObject"),
        ("RemoveExportsPolicy", "s3:AbortMultipartUpload"),
        ("RemoveExportsPolicy", "s3:ListBucket"),
        ("RemoveExportsPolicy", "s3:ListBucketMultipartUploads"),
    }
    roles = {name: str(role.get("ManagedPolicyArns", [])) for name, role in shipped.resources("AWS::IAM::Role").items()}
    assert [name for name, policies in roles.items() if "WriteExports" in policies] == ["ExportDatabaseRole"]
    removing = {name for name, policies in roles.items() if "RemoveExports" in policies}
    assert removing == {"ExportDatabaseRole", "RemoveExportRole", "ReconcileRole"}


def test_what_exports_reaches_s3_and_only_by_https() -> None:
    (rule,) = [one for one in shipped.resources("AWS::EC2::SecurityGroupEgress").values() if one["Description"] == "S3"]
    assert (rule["FromPort"], rule["ToPort"]) == (443, 443)
    assert rule["DestinationPrefixListId"]["Fn::If"][:2] == ["HasS3PrefixList", {"Ref": "S3PrefixListId"}]
