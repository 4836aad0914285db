"""The names of what a job makes to export a tenant."""

from typing import NamedTuple

from provisioning.identity import TenantNames


class ExportNames(NamedTuple):
    """They derive from the tenant_id and the job's id, so that a removal needs no record of them."""

    tenant: TenantNames
    job_id: str

    @property
    def login_role(self) -> str:
        """The role that dumps. Like a tenant's other roles it says nothing of its project or its job."""
        return f"{self.tenant.database}_export_{self._job.replace('-', '')[:12]}"

    @property
    def secret(self) -> str:
        """The name of the secret with that role's password."""
        return f"{self.tenant.secret}/exports/{self._job}"

    @property
    def prefix(self) -> str:
        """How the keys of its objects begin."""
        return f"{self.tenant.tenant_id}/{self._job}/"

    def dump(self, attempt: int) -> str:
        """Return the key of the dump that an attempt makes. No two attempts write to one key."""
        return f"{self.prefix}{attempt}.dump"

    def manifest(self, attempt: int) -> str:
        """Return the key of the manifest of that dump."""
        return f"{self.prefix}{attempt}.manifest.json"

    @property
    def _job(self) -> str:
        # As for the secret of API keys: a job id may have characters that these names must not have.
        import uuid

        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"provisioner/{self.job_id}"))
