"""Job types: one declaration of each, and the registry that everybody who starts or shows a job asks."""
