\connect replication=database -- 42501, 28000
\connect replication=true -- 42501, 28000
\connect replication=database dbname={victim} -- 42501
SELECT pg_create_logical_replication_slot('mine', 'pgoutput'); -- 42501
SELECT pg_create_logical_replication_slot('mine', 'pgoutput', true); -- 42501
SELECT pg_create_physical_replication_slot('mine', true); -- 42501
SELECT pg_copy_logical_replication_slot({victim_slot_name}, 'mine'); -- 42501
SELECT pg_copy_physical_replication_slot({victim_slot_name}, 'mine'); -- 42501
SELECT pg_drop_replication_slot({victim_slot_name}); -- 42501
SELECT pg_replication_slot_advance({victim_slot_name}, pg_current_wal_lsn()); -- 42501
SELECT pg_logical_slot_get_changes({victim_slot_name}, NULL, NULL); -- 42501
SELECT pg_logical_slot_peek_binary_changes({victim_slot_name}, NULL, NULL); -- 42501
SELECT pg_sync_replication_slots(); -- 42501 (15: 42883; 16: 42883)
SELECT pg_replication_origin_create('mine'); -- 42501
SELECT pg_replication_origin_drop('mine'); -- 42501
SELECT pg_logical_emit_message(true, 'mine', 'mine'); -- harmless
SELECT pg_promote(); -- 42501
SELECT pg_wal_replay_pause(); -- 42501
SELECT pg_backup_start('mine'); -- 42501
SELECT pg_create_restore_point('mine'); -- 42501
CREATE SUBSCRIPTION mine CONNECTION 'dbname=postgres' PUBLICATION mine WITH (connect = false); -- 42501
CREATE SUBSCRIPTION mine CONNECTION 'dbname=postgres' PUBLICATION mine; -- 42501, 25001
CREATE PUBLICATION mine FOR ALL TABLES; -- 42501
CREATE PUBLICATION mine FOR TABLES IN SCHEMA tenant; -- 42501
CREATE PUBLICATION mine FOR TABLE tenant.users; -- open
ALTER ROLE SESSION_USER REPLICATION; -- 42501
SET ROLE NONE; ALTER ROLE CURRENT_USER REPLICATION; -- 42501
