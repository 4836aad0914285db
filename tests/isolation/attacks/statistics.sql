SELECT query FROM pg_stat_statements; -- 42P01
SELECT query FROM extensions.pg_stat_statements; -- 42P01
SELECT pg_stat_statements_reset(); -- 42883
