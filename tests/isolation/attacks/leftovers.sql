GRANT CONNECT, CREATE ON DATABASE {own} TO {victim_login}; -- open
