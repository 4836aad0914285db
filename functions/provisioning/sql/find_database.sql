SELECT shobj_description(oid, 'pg_database'), pg_get_userbyid(datdba), datconnlimit
FROM pg_database
WHERE datname = %(database)s;
