"""The execution view: what Step Functions and the ledger hold of a provisioning, in the browser."""
