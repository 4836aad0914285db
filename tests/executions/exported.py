"""What exports have left of a tenant: nothing, but the two objects of one that has succeeded."""

from moto.s3.models import s3_backends
from moto.secretsmanager.models import secretsmanager_backends

from local.aws import ACCOUNT
from local.aws_client import REGION
from local.exports import EXPORTS
from local.stack import Stack
from tests.executions.running import execute

LOGINS = "SELECT rolname::text FROM pg_roles WHERE starts_with(rolname, 'tenant_{tenant_id}_export_')"


def problems_of_exports(stack: Stack, tenant_id: str, *, has_dump: bool) -> list[str]:
    """Return what is wrong in the bucket, in the secrets and among the roles of the server."""
    bucket = s3_backends[ACCOUNT]["aws"].buckets[EXPORTS]
    listed = stack.client("s3").list_objects_v2(Bucket=EXPORTS, Prefix=f"{tenant_id}/").get("Contents", [])
    kinds = sorted(one["Key"].rpartition("/")[2].partition(".")[2] for one in listed)
    uploads = [one.key_name for one in bucket.multiparts.values() if one.key_name.startswith(tenant_id)]
    logins = [one for (one,) in execute(stack, LOGINS.format(tenant_id=tenant_id))]
    secrets = [one.name for one in list(secretsmanager_backends[ACCOUNT][REGION].secrets.values())]
    left = {
        "objects": kinds if kinds != (["dump", "manifest.json"] if has_dump else []) else [],
        "uploads": uploads,
        "logins": logins,
        "secrets": [one for one in secrets if f"{tenant_id}/exports/" in one],
    }
    return [f"{kind} of exports: {found}" for kind, found in left.items() if found]
