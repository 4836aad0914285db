SELECT pg_terminate_backend(pid, 5000)
FROM pg_stat_activity
WHERE datname = %(database)s AND backend_type <> 'autovacuum worker' AND pid <> pg_backend_pid();
