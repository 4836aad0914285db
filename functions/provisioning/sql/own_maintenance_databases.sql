-- Those that this role may shut to everyone: a superuser both, the master user of RDS both, another admin none.
SELECT datname FROM pg_database
WHERE datname IN ('postgres', 'template1') AND pg_has_role(datdba, 'USAGE')
ORDER BY datname;
