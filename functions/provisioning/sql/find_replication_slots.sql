SELECT slot_name
FROM pg_replication_slots
WHERE database = %(database)s;
