SELECT pg_advisory_xact_lock(hashtextextended('tenant schema', 0));
