CREATE SCHEMA extensions AUTHORIZATION {role};
SET LOCAL ROLE {role};
GRANT USAGE ON SCHEMA extensions TO {shared_roles};
SET LOCAL ROLE NONE;
-- Whoever makes a trusted extension needs this right, for as long as it does.
GRANT CREATE ON DATABASE {database} TO {role};
