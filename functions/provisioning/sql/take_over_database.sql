ALTER DATABASE {entry} RENAME TO {database};
ALTER DATABASE {database} OWNER TO {owner};
