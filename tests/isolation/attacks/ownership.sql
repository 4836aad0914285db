GRANT CREATE ON SCHEMA public TO pg_database_owner; -- open
DROP SCHEMA tenant CASCADE; -- open
ALTER TABLE tenant.users DISABLE ROW LEVEL SECURITY; -- open
DROP EXTENSION plpgsql CASCADE; -- 42501
DROP SCHEMA public CASCADE; -- open (15: 42501)
ALTER DATABASE {own} SET search_path = public; -- open
