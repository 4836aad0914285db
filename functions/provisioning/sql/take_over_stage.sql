-- An attempt whose time is over was given up by the state machine, and its Lambda is dead or a zombie: ending its
-- session is what keeps it from acting, because an attempt never reconnects.
SELECT pg_terminate_backend(holder.pid, 2000)
FROM unnest(%(keys)s) AS stage
CROSS JOIN LATERAL (SELECT hashtextextended(stage, 0) AS key) AS named
JOIN pg_locks AS holder
    ON holder.locktype = 'advisory'
    AND holder.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND holder.classid = ((named.key >> 32) & 4294967295)::oid
    AND holder.objid = (named.key & 4294967295)::oid
    AND holder.objsubid = 1
    AND holder.granted
    AND holder.pid <> pg_backend_pid()
JOIN pg_stat_activity AS session
    ON session.pid = holder.pid
    AND substring(session.application_name FROM '^provisioner until ([0-9.]+)$')::numeric
        < extract(epoch FROM clock_timestamp());
