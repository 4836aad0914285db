SELECT coalesce(max(version), 0) FROM tenant._migrations;
