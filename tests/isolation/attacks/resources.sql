SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; -- harmless
SET work_mem = '64MB'; SELECT count(DISTINCT number) FROM generate_series(1, 20000) AS number; -- harmless
SET work_mem = '64kB'; SELECT count(DISTINCT number) FROM generate_series(1, 20000) AS number; -- harmless
CREATE TEMPORARY TABLE filler AS SELECT repeat('x', 1000) FROM generate_series(1, 1000); -- open
SET max_parallel_workers_per_gather = 8; SELECT count(*) FROM pg_attribute; -- harmless
SELECT lo_from_bytea(0, repeat('x', 100000)::bytea); -- open
SELECT count(pg_advisory_lock(number)) FROM generate_series(1, 1000) AS number; -- open
