REVOKE ALL ON SCHEMA public FROM PUBLIC;
-- The tenant owns its database, and so is pg_database_owner, to whom PostgreSQL gives the schema.
REVOKE CREATE ON SCHEMA public FROM pg_database_owner;
