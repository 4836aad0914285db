"""The row of a tenant, as django-tenants asks for it."""

from django_tenants.models import DomainMixin, TenantMixin


class Project(TenantMixin):
    """A tenant. Saving a new one makes its schema."""


class Domain(DomainMixin):
    """The setting TENANT_DOMAIN_MODEL has to name one; no tenant here has a domain."""
