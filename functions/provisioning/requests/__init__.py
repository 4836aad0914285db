"""Requests that start an execution once, however often and by however many they are sent.

A route makes the request, and calls one function, which answers at once:

    request = Request(caller_of(event["requestContext"]["authorizer"]["iam"]), event["routeKey"], idempotency_key)
    starting.create_project(request, payload)         a project and the job that provisions it
    starting.start_job(request, job_type, payload)    a job of any type for a project that exists
    changing.retry_job(job_id, request)               a new job with the payload of one that failed
    changing.stop_job(job_id, request, rolls_back=…)  an execution that rolls a job back, which is stopped first
    changing.roll_back_job(job_id, request)           the same for a job that has ended

The first three return Requested: the new job's id, and whether an earlier request had asked for it. The others return
Changed: the name of the rollback's execution, if one was asked for; without a request, as from the command line, they
are not remembered. Until a job opens in the ledger,
`remembering.find_pending(job_id)` is what GET shows. An error that says no leaves no trace of the request, so the same
key may be sent again once its cause is gone:

    InvalidPayload, ProjectNotFound, ProjectNotEligible    as "Verify project" raises them
    JobInProgress                   a job runs, of the project or the one to change; `job_id` names it
    OrganizationQuotaExceeded       a limit of the organization
    refusals.JobNotEligible         the job has ended otherwise, or was stopped; `job_id` names it
    refusals.JobNotFound
    refusals.ProjectExists          the project to create exists
    refusals.IdempotencyKeyReused   the key came with another body before

After refusals.StepFunctionsUnavailable, ControlPlaneUnavailable or another TransientError, and after a lost answer, the
caller repeats the request with its key: it gets the job that the first one started, or starts it now.

Callers: caller.py. What is remembered, and how a job gets its id: remembering.py.
"""
