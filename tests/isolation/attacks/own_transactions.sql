BEGIN; SELECT txid_current(); PREPARE TRANSACTION {own_name}; -- harmless
ROLLBACK PREPARED {own_name}; -- harmless
BEGIN; NOTIFY work; PREPARE TRANSACTION {own_name}; -- 0A000
