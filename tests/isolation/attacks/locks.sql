BEGIN; LOCK TABLE pg_database, pg_authid, pg_shdepend IN ACCESS SHARE MODE; -- 42501
BEGIN; LOCK TABLE pg_database IN ACCESS EXCLUSIVE MODE; -- 42501
BEGIN; LOCK TABLE pg_database IN SHARE MODE; -- 42501
BEGIN; LOCK TABLE pg_roles IN ROW EXCLUSIVE MODE; -- 42501
BEGIN; LOCK TABLE pg_shdepend IN EXCLUSIVE MODE; -- 42501
BEGIN; LOCK TABLE pg_db_role_setting IN SHARE ROW EXCLUSIVE MODE; -- 42501
SELECT * FROM pg_database FOR UPDATE; -- 42501
SELECT * FROM pg_shdepend FOR SHARE; -- 42501
UPDATE pg_database SET datallowconn = false; -- 42501
DELETE FROM pg_auth_members; -- 42501
REINDEX SYSTEM {own}; -- harmless
REINDEX TABLE pg_shdepend; -- 42501
VACUUM FULL pg_database; -- harmless
ANALYZE pg_authid; -- harmless
CLUSTER pg_shdepend; -- 42501, 42704
SELECT pg_advisory_lock(hashtextextended({victim_name}, 0)), pg_advisory_lock(1); -- open
SELECT pg_advisory_xact_lock(id) FROM generate_series(1, 1000) AS id; -- open
NOTIFY work; -- harmless
LISTEN work; BEGIN; SELECT txid_current(); -- open
LISTEN work; SELECT pg_notify('work', repeat('x', 7000)) FROM generate_series(1, 1000); -- open
SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; SELECT count(*) FROM tenant.users; -- open
SELECT pg_export_snapshot(); -- open
CHECKPOINT; -- 42501
SELECT pg_switch_wal(); -- 42501
