"""Whether services must connect to tenants' databases with TLS."""

from provisioning import configuration


def tls_mode() -> str:
    """Return the sslmode that this installation's databases ask for."""
    return configuration.optional("DATABASE_SSL_MODE", "verify-full")


def tls_enforced() -> bool:
    """Return whether a service must connect to the database with TLS."""
    return tls_mode() not in {"disable", "allow", "prefer"}
