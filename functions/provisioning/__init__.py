"""What the stages share: the ledger, the control plane, the tenant database, the service client and their types."""
