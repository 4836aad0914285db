-- Prepared transactions, inside the database where they were prepared, as the role that prepared them.
-- Placeholders are {name}: identifiers and literals, composed by psycopg2.sql.

-- name: rollback_prepared
ROLLBACK PREPARED {gid};
