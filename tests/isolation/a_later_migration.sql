-- A migration of a later revision.
ALTER TABLE tenant.users ADD COLUMN IF NOT EXISTS later text;
