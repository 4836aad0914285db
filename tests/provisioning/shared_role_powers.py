"""What a role named like a shared one may have been given before the server became a cluster."""

ATTRIBUTES = ("SUPERUSER", "BYPASSRLS", "CREATEROLE", "CREATEDB", "REPLICATION", "LOGIN")
POWERS = [
    *((f"ALTER ROLE service_role {attribute}", attribute) for attribute in ATTRIBUTES),
    ("GRANT pg_signal_backend TO service_role", "membership in pg_signal_backend"),
    ("GRANT pg_signal_backend TO service_role WITH ADMIN OPTION", "membership in pg_signal_backend"),
    ("ALTER DATABASE template1 OWNER TO service_role", "the database template1"),
    ("ALTER TABLESPACE pg_default OWNER TO service_role", "the tablespace pg_default"),
    ("GRANT SET ON PARAMETER log_statement TO service_role", "SET on the parameter log_statement"),
    ("GRANT ALTER SYSTEM ON PARAMETER log_statement TO service_role", "ALTER SYSTEM on the parameter log_statement"),
]
"""The statement of a superuser that gives it to service_role, and how it is named."""
