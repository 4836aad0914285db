SELECT datname FROM pg_database; -- harmless
SELECT rolname FROM pg_roles; -- harmless
SELECT setconfig FROM pg_db_role_setting; -- harmless
SELECT pg_get_userbyid(roleid), pg_get_userbyid(member) FROM pg_auth_members; -- harmless
SELECT datname, xact_commit, sessions FROM pg_stat_database; -- harmless
SELECT pid, locktype, database FROM pg_locks; -- harmless
SELECT gid, owner, database FROM pg_prepared_xacts; -- harmless
SELECT slot_name, database FROM pg_replication_slots; -- harmless
