-- What a new session still needs that no option of its connection can say.

-- name: record_read_write
-- Only where the role or the database is read-only by default, and not the server.
SELECT set_config(name, 'off', false)
FROM pg_settings
WHERE name = 'default_transaction_read_only' AND source IN ('database', 'user', 'database user');

-- name: record_no_transaction_timeout
SELECT set_config('transaction_timeout', '0', false);
