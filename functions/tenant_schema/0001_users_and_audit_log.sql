-- An example of what a platform gives every tenant: its users, and a log of what they did. Replace it by your own files.
-- It runs as the tenant's owner, over the tenant's login. Row level security binds everybody but the owner.

GRANT USAGE ON SCHEMA tenant TO anon, authenticated, service_role;

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
    user_id     uuid DEFAULT auth.uid(),
    action      text NOT NULL,
    details     jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_log_by_user ON tenant.audit_log (user_id, recorded_at DESC);
CREATE INDEX audit_log_by_time ON tenant.audit_log (recorded_at DESC);

ALTER TABLE tenant.users ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenant.audit_log ENABLE ROW LEVEL SECURITY;

CREATE POLICY users_read_self ON tenant.users FOR SELECT TO authenticated
    USING (user_id = (SELECT auth.uid()));
CREATE POLICY users_change_self ON tenant.users FOR UPDATE TO authenticated
    USING (user_id = (SELECT auth.uid())) WITH CHECK (user_id = (SELECT auth.uid()));
CREATE POLICY users_by_service ON tenant.users FOR ALL TO service_role USING (true) WITH CHECK (true);

CREATE POLICY audit_log_read_own ON tenant.audit_log FOR SELECT TO authenticated
    USING (user_id = (SELECT auth.uid()));
CREATE POLICY audit_log_write_own ON tenant.audit_log FOR INSERT TO authenticated
    WITH CHECK (user_id = (SELECT auth.uid()));
CREATE POLICY audit_log_by_service ON tenant.audit_log FOR ALL TO service_role USING (true) WITH CHECK (true);

GRANT SELECT, UPDATE (email, profile, updated_at) ON tenant.users TO authenticated;
GRANT SELECT, INSERT, UPDATE, DELETE ON tenant.users TO service_role;
-- Nobody but the owner changes the log.
GRANT SELECT, INSERT ON tenant.audit_log TO authenticated, service_role;
