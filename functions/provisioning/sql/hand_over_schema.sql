-- The schemas first: who is to own what is in them needs the right to create there. The databases themselves belong to
-- another role, because REASSIGN OWNED would move those as well. What it leaves, default privileges, DROP OWNED takes.
ALTER SCHEMA tenant OWNER TO {owner};
ALTER SCHEMA extensions OWNER TO {owner};
REASSIGN OWNED BY {objects} TO {owner};
DROP OWNED BY {objects};
