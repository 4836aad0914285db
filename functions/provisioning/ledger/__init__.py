"""The ledger: who works on a stage, how it ended, and what its rollback removed."""
