CREATE DATABASE {database} OWNER {owner} TEMPLATE {template} CONNECTION LIMIT {connection_limit} ALLOW_CONNECTIONS false;
