"""Lambdas outside jobs, on a schedule: refill the pools, reconcile what is being removed."""
