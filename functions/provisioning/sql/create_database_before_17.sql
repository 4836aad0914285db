CREATE DATABASE {database}
    OWNER {owner} TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'
    CONNECTION LIMIT {connection_limit} ALLOW_CONNECTIONS false;
