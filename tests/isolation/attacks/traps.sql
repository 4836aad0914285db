CREATE FUNCTION tenant.hashtextextended(text, integer) RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RAISE ''sprung''; END'; -- open
CREATE OPERATOR tenant.|| (LEFTARG = text, RIGHTARG = text, FUNCTION = textcat); -- open
ALTER DATABASE {own} SET search_path = tenant, pg_catalog; -- open
