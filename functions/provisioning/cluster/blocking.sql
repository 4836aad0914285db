-- Who holds up a statement of the admin's. Over another session of the admin's, in the register's database.
-- Placeholders are {name}: identifiers and literals, composed by psycopg2.sql.

-- name: lock_other_tenant
-- In addition to the session's other locks. Each time it is taken counts.
SELECT pg_try_advisory_lock(hashtextextended({tenant_id}, 0)) AS held;

-- name: unlock_other_tenant
SELECT pg_advisory_unlock(hashtextextended({tenant_id}, 0));

-- name: find_blockers
-- The sessions that a session waits for, and those that they wait for: autovacuum may be among them, and ends by
-- itself. A prepared transaction has no session.
WITH RECURSIVE blockers (pid) AS (
    SELECT unnest(pg_blocking_pids({pid}))
    UNION
    SELECT unnest(pg_blocking_pids(pid)) FROM blockers
)
SELECT pid, rolname::text AS role
FROM blockers
JOIN pg_stat_activity USING (pid)
JOIN pg_roles ON pg_roles.oid = usesysid
WHERE NOT rolsuper AND rolname <> session_user;

-- name: end_sessions_of_blocker
-- The process id may belong to another session by now.
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = {pid} AND usename = {role};

-- name: find_prepared_blockers
-- Prepared transactions that hold what the session, or one that it waits for, waits for. Each holds its own transaction
-- id, too, which shows which it is.
WITH RECURSIVE waiting (pid) AS (
    SELECT {pid}
    UNION
    SELECT unnest(pg_blocking_pids(pid)) FROM waiting
)
SELECT DISTINCT gid, owner::text, prepared.database::text
FROM waiting
JOIN pg_locks AS wanted ON wanted.pid = waiting.pid AND NOT wanted.granted
JOIN pg_locks AS held
    ON held.granted AND held.pid IS NULL
    AND (held.locktype, held.database, held.relation, held.page, held.tuple, held.transactionid, held.classid, held.objid)
        IS NOT DISTINCT FROM
        (wanted.locktype, wanted.database, wanted.relation, wanted.page, wanted.tuple, wanted.transactionid,
         wanted.classid, wanted.objid)
JOIN pg_locks AS itself
    ON itself.locktype = 'transactionid' AND itself.granted AND itself.pid IS NULL
    AND itself.virtualtransaction = held.virtualtransaction
JOIN pg_prepared_xacts AS prepared ON prepared.transaction = itself.transactionid
JOIN pg_roles ON rolname = owner
WHERE NOT rolsuper
ORDER BY gid;
