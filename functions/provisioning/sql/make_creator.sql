CREATE ROLE {creator} NOLOGIN INHERIT CREATEROLE CREATEDB;
-- To be granted on to its tenants' logins; a creator uses none of them.
GRANT {shared_roles} TO {creator} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE;
