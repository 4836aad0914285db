SELECT pg_try_advisory_lock(hashtextextended(key, 0)) AS held
FROM unnest(%(keys)s) AS key;
