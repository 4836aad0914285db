"""The bucket of exports on a laptop: in memory, and so empty at each start of the stack."""

from typing import Any

EXPORTS = "laptop-exports"


def make_bucket(client: Any) -> None:
    """Make the bucket, which keeps versions as the template's does."""
    client.create_bucket(Bucket=EXPORTS)
    client.put_bucket_versioning(Bucket=EXPORTS, VersioningConfiguration={"Status": "Enabled"})
