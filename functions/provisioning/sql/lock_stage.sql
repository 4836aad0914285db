-- The session says until when its attempt may run, in the same breath in which it takes the lock.
SELECT set_config(
    'application_name', 'provisioner until ' || extract(epoch FROM clock_timestamp() + make_interval(secs => %(seconds)s)),
    false);
SELECT pg_try_advisory_lock(hashtextextended(key, 0)) AS held
FROM unnest(%(keys)s) AS key;
