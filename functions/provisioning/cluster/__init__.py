"""A PostgreSQL server that tenants live on: the admin's session, the register, and the creators of tenants' roles."""
