-- Who holds up a statement of the admin's. Over another session of the admin's, in the register's database.
-- Placeholders are {name}: identifiers and literals, composed by psycopg2.sql.

-- name: lock_other_tenant
-- In addition to the session's other locks. Each time it is taken counts.
SELECT pg_try_advisory_lock(hashtextextended({tenant_id}, 0)) AS held;

-- name: unlock_other_tenant
SELECT pg_advisory_unlock(hashtextextended({tenant_id}, 0));

-- name: find_blockers
-- What holds what a session waits for: sessions, each by its process and its transaction, and prepared transactions.
-- pg_blocking_pids also names sessions that only wait ahead of it, and such a one may hold its place in the queue, a lock
-- on a tuple: they are followed to what holds up them. Autovacuum may be found, too, and ends by itself. A prepared
-- transaction has no session; it holds its own transaction id, which shows which it is.
WITH RECURSIVE locks AS (
    SELECT pid, granted, locktype, virtualtransaction, transactionid,
           ROW(locktype, database, relation, page, tuple, virtualxid, transactionid, classid, objid, objsubid)::text AS what
    FROM pg_locks
), in_the_way (pid, transaction) AS (
    SELECT {pid}, NULL::text
    UNION
    SELECT ahead, (
        SELECT held.virtualtransaction
        FROM locks AS wanted JOIN locks AS held USING (what)
        WHERE wanted.pid = in_the_way.pid AND NOT wanted.granted
            AND held.pid = ahead AND held.granted AND held.locktype <> 'tuple'
        LIMIT 1)
    FROM in_the_way, unnest(pg_blocking_pids(in_the_way.pid)) AS ahead
    WHERE in_the_way.transaction IS NULL
)
SELECT pid, transaction, NULL AS gid, rolname::text AS role, datname::text AS database
FROM in_the_way
JOIN pg_stat_activity USING (pid)
JOIN pg_roles ON pg_roles.oid = usesysid
WHERE transaction IS NOT NULL AND NOT rolsuper AND rolname <> session_user
UNION
SELECT NULL, NULL, gid, owner::text, prepared.database::text
FROM in_the_way
JOIN locks AS wanted ON wanted.pid = in_the_way.pid AND NOT wanted.granted
JOIN locks AS held ON held.what = wanted.what AND held.granted AND held.pid IS NULL
JOIN locks AS itself
    ON itself.locktype = 'transactionid' AND itself.granted AND itself.pid IS NULL
    AND itself.virtualtransaction = held.virtualtransaction
JOIN pg_prepared_xacts AS prepared ON prepared.transaction = itself.transactionid
JOIN pg_roles ON rolname = owner
WHERE in_the_way.transaction IS NULL AND NOT rolsuper
ORDER BY pid, gid;

-- name: end_sessions_of_blocker
-- The transaction may have ended since, and the process id may belong to another session. The admin may not see when
-- a tenant's session has begun, but which transaction it is in: the server uses that number once.
SELECT pg_terminate_backend(pid)
FROM pg_stat_activity
WHERE pid = {pid} AND usename = {role}
    AND EXISTS (
        SELECT FROM pg_locks
        WHERE pg_locks.pid = pg_stat_activity.pid AND granted AND virtualtransaction = {transaction});
