GRANT CREATE, USAGE ON SCHEMA public TO PUBLIC; -- open
DROP SCHEMA tenant CASCADE; -- open
ALTER TABLE tenant.users DISABLE ROW LEVEL SECURITY; -- open
DROP EXTENSION plpgsql CASCADE; -- 42501
DROP SCHEMA public CASCADE; -- open
ALTER DATABASE {own} SET search_path = public; -- open
