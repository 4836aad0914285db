SELECT pg_drop_replication_slot(slot_name)
FROM pg_replication_slots
WHERE database = %(database)s AND slot_name = %(slot)s;
