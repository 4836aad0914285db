-- What all tenants of a server use together. Over the admin's session. Nothing is filled in.

-- name: find_server
SELECT current_setting('temp_file_limit') <> '-1' AS limits_temporary_files,
       current_setting('max_slot_wal_keep_size') <> '-1' AS limits_slots,
       current_setting('wal_level') = 'logical' OR EXISTS (SELECT FROM pg_replication_slots) AS may_have_slots,
       (100 * pg_notification_queue_usage())::integer AS notifications,
       current_setting('autovacuum')::boolean AS vacuums,
       (SELECT setting::integer FROM pg_settings WHERE name = 'autovacuum_naptime') AS nap_seconds,
       (SELECT count(*)::integer FROM pg_database WHERE datallowconn) AS databases,
       (SELECT datname::text FROM pg_database ORDER BY age(datfrozenxid) DESC, datname LIMIT 1) AS oldest,
       (SELECT max(age(datfrozenxid)) FROM pg_database) AS oldest_age,
       current_setting('autovacuum_freeze_max_age')::integer AS freeze_age;
