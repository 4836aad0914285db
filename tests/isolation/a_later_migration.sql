-- One that is still to come.
ALTER TABLE tenant.users ADD COLUMN IF NOT EXISTS later text;
