-- As the tenant's owner. With DB_INSTALL_ROLES=false, without which only a superuser can run them, Storage's migrations
-- leave out these grants, and what they create would be closed to the roles of the tokens.
CREATE SCHEMA IF NOT EXISTS storage;
GRANT USAGE ON SCHEMA storage TO {shared_roles};
ALTER DEFAULT PRIVILEGES IN SCHEMA storage GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {shared_roles};
ALTER DEFAULT PRIVILEGES IN SCHEMA storage GRANT USAGE, SELECT ON SEQUENCES TO {shared_roles};
ALTER DEFAULT PRIVILEGES IN SCHEMA storage GRANT EXECUTE ON FUNCTIONS TO {shared_roles};
ALTER DEFAULT PRIVILEGES IN SCHEMA storage GRANT USAGE ON TYPES TO {shared_roles};
