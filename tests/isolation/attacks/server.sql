SELECT pg_logical_emit_message(false, 'mine', repeat('x', 1000000)); -- harmless
SELECT pg_notify('mine', number::text) FROM generate_series(1, 1000) AS number; -- open
CREATE TABLE tenant.filler AS SELECT repeat('x', 1000) FROM generate_series(1, 1000); -- open
DO 'BEGIN FOR number IN 1..200 LOOP EXECUTE format(''CREATE TABLE tenant.filler_%s ()'', number); END LOOP; END'; -- open
