BEGIN; SELECT txid_current(); PREPARE TRANSACTION {own_name}; -- harmless
ROLLBACK PREPARED {own_name}; -- harmless
BEGIN; NOTIFY work; PREPARE TRANSACTION {own_name}; -- 0A000
BEGIN; ALTER DATABASE {own} CONNECTION LIMIT 59; PREPARE TRANSACTION {own_name}; -- harmless
ROLLBACK PREPARED {own_name}; -- harmless
