-- Who has revealed a job's API keys, under which Idempotency-Key, and until when their secret is kept for the one who
-- asked through the HTTP API: NULL once it is removed, and for the command, which removes it at once. Rows from before
-- this migration have no ARN, and only the command reveals their keys.

ALTER TABLE control_plane.api_key_secrets
    ADD COLUMN secret_arn text, ADD COLUMN revealed_by text, ADD COLUMN revealed_key text, ADD COLUMN kept_until timestamptz;
CREATE INDEX api_key_secrets_by_request ON control_plane.api_key_secrets (revealed_by, revealed_key);
