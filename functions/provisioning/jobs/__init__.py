"""Job types: their declarations, and the registry used by everything that starts or shows a job."""
