-- Whatever belongs to the entry's roles, in the database and out of it, goes with them.
ALTER DATABASE {entry} RENAME TO {database};
ALTER ROLE {entry_owner} RENAME TO {owner};
ALTER ROLE {entry_login} RENAME TO {login};
COMMENT ON ROLE {owner} IS {mark};
COMMENT ON ROLE {login} IS {mark};
