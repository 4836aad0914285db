SELECT polname, relname
FROM pg_policy
JOIN pg_class ON pg_class.oid = polrelid
WHERE relnamespace = to_regnamespace('tenant') AND to_regrole(%(objects)s) = ANY (polroles)
ORDER BY relname, polname;
