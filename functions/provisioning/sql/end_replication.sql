SELECT pg_terminate_backend(active_pid, 5000)
FROM pg_replication_slots
WHERE database = %(database)s AND slot_name = %(slot)s AND active_pid IS NOT NULL;
