-- After the commit: whoever gets the lock next sees what was recorded.
SELECT pg_advisory_unlock_all(), current_setting('provisioner.recorded')::boolean AS recorded,
       nullif(current_setting('provisioner.result', true), '')::json AS result;
