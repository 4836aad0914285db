-- What is in the tenant schema, created as its owner in one transaction. Row level security is forced, because without
-- FORCE it does not apply to the owner. A setting changed by SET LOCAL reads as '' afterwards, hence nullif before
-- every cast.

GRANT USAGE ON SCHEMA tenant TO anon, authenticated, service_role;

CREATE FUNCTION tenant.current_user_id() RETURNS uuid LANGUAGE sql STABLE AS
$$ SELECT nullif(nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub', '')::uuid $$;

CREATE TABLE tenant.users (
    user_id    uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    email      text NOT NULL,
    profile    jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX users_by_email ON tenant.users (lower(email));

CREATE TABLE tenant.audit_log (
    entry_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    user_id     uuid DEFAULT tenant.current_user_id(),
    action      text NOT NULL,
    details     jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_log_by_user ON tenant.audit_log (user_id, recorded_at DESC);
CREATE INDEX audit_log_by_time ON tenant.audit_log (recorded_at DESC);

CREATE TABLE tenant._migrations (
    version    integer PRIMARY KEY,
    name       text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);

ALTER TABLE tenant.users ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenant.users FORCE ROW LEVEL SECURITY;
ALTER TABLE tenant.audit_log ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenant.audit_log FORCE ROW LEVEL SECURITY;
ALTER TABLE tenant._migrations ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenant._migrations FORCE ROW LEVEL SECURITY;

CREATE POLICY users_read_self ON tenant.users FOR SELECT TO authenticated
    USING (user_id = (SELECT tenant.current_user_id()));
CREATE POLICY users_change_self ON tenant.users FOR UPDATE TO authenticated
    USING (user_id = (SELECT tenant.current_user_id())) WITH CHECK (user_id = (SELECT tenant.current_user_id()));
CREATE POLICY users_by_service ON tenant.users FOR ALL TO service_role USING (true) WITH CHECK (true);

CREATE POLICY audit_log_read_own ON tenant.audit_log FOR SELECT TO authenticated
    USING (user_id = (SELECT tenant.current_user_id()));
CREATE POLICY audit_log_write_own ON tenant.audit_log FOR INSERT TO authenticated
    WITH CHECK (user_id = (SELECT tenant.current_user_id()));
CREATE POLICY audit_log_by_service ON tenant.audit_log FOR ALL TO service_role USING (true) WITH CHECK (true);

-- Users cannot change the log, and nobody but the owner reads or writes which migrations ran.
REVOKE ALL ON tenant.users, tenant.audit_log, tenant._migrations FROM authenticated, service_role;
GRANT SELECT, UPDATE (email, profile, updated_at) ON tenant.users TO authenticated;
GRANT SELECT, INSERT, UPDATE, DELETE ON tenant.users TO service_role;
GRANT SELECT, INSERT ON tenant.audit_log TO authenticated, service_role;
CREATE POLICY migrations_by_owner ON tenant._migrations FOR ALL TO CURRENT_USER USING (true) WITH CHECK (true);
