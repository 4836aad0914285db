UPDATE control_plane.pool_databases
SET status = 'ready', prepared = %(prepared)s
WHERE database_name = %(database_name)s AND status = 'building'
RETURNING database_name;
