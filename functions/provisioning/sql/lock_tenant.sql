SELECT pg_advisory_unlock_all();
SELECT set_config('provisioner.held', pg_try_advisory_lock(hashtextextended(%(name)s, 0))::text, true);
