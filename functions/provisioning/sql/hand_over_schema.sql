-- The schema first: who is to own what is in it needs the right to create there. The databases themselves belong to
-- another role, because REASSIGN OWNED would move those as well. What it leaves, default privileges, DROP OWNED takes.
ALTER SCHEMA tenant OWNER TO {owner};
REASSIGN OWNED BY {objects} TO {owner};
DROP OWNED BY {objects};
