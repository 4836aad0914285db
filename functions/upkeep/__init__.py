"""Lambdas outside jobs, on a schedule or an event: refill the pools, reconcile removals, record stopped executions,
deliver events.
"""
