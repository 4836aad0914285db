-- What a tenant has, for `provision schema check`. Over the tenant's own login. No placeholders.

-- name: find_what_a_tenant_has
WITH schemas AS (
    SELECT oid, nspname::text AS name, nspacl FROM pg_namespace
    WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'extensions')
)
SELECT 'schema' AS kind, name, '' AS detail FROM schemas
UNION ALL
SELECT 'table', format('%s.%s', name, relname),
       concat('row level security ', CASE WHEN relrowsecurity THEN 'on' ELSE 'off' END, ', policies: ', coalesce((
           SELECT string_agg(polname, ', ' ORDER BY polname) FROM pg_policy WHERE polrelid = pg_class.oid), 'none'))
FROM pg_class JOIN schemas ON schemas.oid = relnamespace
WHERE relkind IN ('r', 'p')
UNION ALL
SELECT CASE relkind WHEN 'S' THEN 'sequence' ELSE 'view' END, format('%s.%s', name, relname), ''
FROM pg_class JOIN schemas ON schemas.oid = relnamespace
WHERE relkind IN ('S', 'v', 'm')
UNION ALL
SELECT 'function', format('%s.%s(%s)', name, proname, pg_get_function_identity_arguments(pg_proc.oid)),
       CASE WHEN prosecdef THEN 'with the rights of the owner' ELSE '' END
FROM pg_proc JOIN schemas ON schemas.oid = pronamespace
UNION ALL
SELECT 'grant', grantee.name, format('%s on %s', string_agg(granted.privilege, ', ' ORDER BY granted.privilege), what)
FROM (
    SELECT one.grantee, format('schema %s', name) AS what, lower(privilege_type) AS privilege
    FROM schemas, aclexplode(nspacl) AS one
    UNION ALL
    SELECT one.grantee, format('%s.%s', name, relname), lower(privilege_type)
    FROM pg_class JOIN schemas ON schemas.oid = relnamespace, aclexplode(relacl) AS one
    UNION ALL
    SELECT one.grantee, format('%s.%s', name, relname), format('%s (%s)', lower(privilege_type), attname)
    FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid JOIN schemas ON schemas.oid = relnamespace,
         aclexplode(attacl) AS one
    UNION ALL
    SELECT one.grantee, format('%s.%s()', name, proname), lower(privilege_type)
    FROM pg_proc JOIN schemas ON schemas.oid = pronamespace, aclexplode(coalesce(proacl, acldefault('f', proowner))) AS one
) AS granted
CROSS JOIN LATERAL (
    SELECT CASE granted.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(granted.grantee)::text END AS name
) AS grantee
WHERE grantee.name IN ('PUBLIC', 'anon', 'authenticated', 'service_role')
GROUP BY grantee.name, what
UNION ALL
SELECT 'extension', extname::text, extversion FROM pg_extension WHERE extname <> 'plpgsql'
ORDER BY kind, name, detail;
