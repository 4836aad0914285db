-- The admin joins both roles: the owner's to create and drop its database, the login's to end its sessions.
GRANT {owner}, {login} TO CURRENT_USER;
ALTER ROLE {login} CONNECTION LIMIT {connection_limit};
ALTER ROLE {login} SET statement_timeout = {statement_timeout};
ALTER ROLE {login} SET idle_in_transaction_session_timeout = {idle_in_transaction_timeout};
GRANT {owner}, {shared_roles} TO {login};
