GRANT CONNECT ON DATABASE {own} TO {victim_login}; -- open
GRANT CONNECT ON DATABASE {own} TO PUBLIC; -- open
GRANT CONNECT ON DATABASE {own} TO {ally_login}; -- harmless
-- The first of the two asks before the other has granted it
\connect dbname={ally} -- harmless, 42501
REVOKE CONNECT ON DATABASE {own} FROM {ally_login}; -- harmless
