SELECT available.name::text, version.trusted
FROM pg_available_extensions AS available
JOIN pg_available_extension_versions AS version
    ON version.name = available.name AND version.version = available.default_version
WHERE available.name = ANY (%(names)s) AND available.installed_version IS NULL
ORDER BY array_position(%(names)s, available.name::text);
