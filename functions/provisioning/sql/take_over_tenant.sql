SELECT pg_terminate_backend(holder.pid, 2000)
FROM (SELECT hashtextextended(%(name)s, 0) AS key) AS named
JOIN pg_locks AS holder
    ON holder.locktype = 'advisory'
    AND holder.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND holder.classid = ((named.key >> 32) & 4294967295)::oid
    AND holder.objid = (named.key & 4294967295)::oid
    AND holder.objsubid = 1
    AND holder.granted
    AND holder.pid <> pg_backend_pid();
