-- What the session still holds is an ended attempt's: an environment handles one event at a time. The session says until
-- when its attempt may run, in the same breath in which it takes the lock.
SELECT pg_advisory_unlock_all();
SELECT set_config(
           'application_name',
           'provisioner until ' || extract(epoch FROM clock_timestamp() + make_interval(secs => %(seconds)s)), false),
       set_config('provisioner.held', bool_and(pg_try_advisory_lock(hashtextextended(key, 0)))::text, true)
FROM unnest(%(keys)s) AS key;
