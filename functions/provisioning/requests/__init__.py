"""Requests that start an execution once, however often and by however many they are sent.

A route makes the request, and calls one function, which answers at once:

    request = Request(caller_of(event["requestContext"]["authorizer"]["iam"]), event["routeKey"], idempotency_key)
    starting.create_project(request, payload)         a project and the job that provisions it
    starting.start_job(request, job_type, payload)    a job of any type for a project that exists

Each returns Requested: the job's id, and whether an earlier request had asked for it. Until the job opens in the
ledger, `remembering.find_pending(job_id)` is what GET shows. An error leaves no trace of the request, so the same key
may be sent again once its cause is gone:

    InvalidPayload, ProjectNotFound, ProjectNotEligible    as "Verify project" raises them
    JobInProgress                   another job runs for the project; `job_id` names it
    refusals.ProjectExists          the project to create exists
    refusals.IdempotencyKeyReused   the key came with another body before

After ControlPlaneUnavailable and refusals.StepFunctionsUnavailable, and after a lost answer, the caller repeats the
request with its key: it gets the job that the first one started, or starts it now.

Callers: caller.py. What is remembered, and how a job gets its id: remembering.py.
"""
