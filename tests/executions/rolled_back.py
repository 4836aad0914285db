"""The world of a project that was rolled back: before the last look at what was removed, and after it."""

from collections.abc import Iterator

from tests.executions.looking import Row, World


def problems_of_rolled_back(world: World) -> list[str]:
    """Return what is left, or unrecorded, in the world of a project whose latest job failed."""
    return [
        *_left_over(world),
        *waiting_problems(world.tenants, world),
        *_close_problems(world),
        *quiet_problems(world),
    ]


def problems_of_gone(world: World) -> list[str]:
    """Return what is left of a rolled back project after the last look: not even records may be."""
    problems = problems_of_rolled_back(world)
    problems += [f"tenant {row['tenant_id']} is {row['state']}" for row in world.tenants if row["state"] != "gone"]
    problems += [f"the register has {row['tenant_id']} as {row['state']}" for row in world.registered]
    problems += [f"record of a registration with {row['service']}" for row in world.service_registrations]
    return problems + [f"record of the keys of {row['tenant_id']}" for row in world.api_key_secrets]


def _left_over(world: World) -> Iterator[str]:
    for kind in ("databases", "roles", "secrets", "api_keys"):
        if rows := getattr(world, kind):
            yield f"{kind} left: {[row.get('name') or row.get('key_id') or row.get('job_id') for row in rows]}"
    if world.registrations:
        yield f"registrations left with {', '.join(world.registrations)}"
    if kept := [row["service"] for row in world.service_registrations if row["status"] != "removed"]:
        yield f"service_registrations left: {kept}"


def waiting_problems(tenants: list[Row], world: World) -> Iterator[str]:
    """Check the tenants without an owner: gone, or removed and due for another look."""
    registered = {row["tenant_id"]: row["state"] for row in world.registered}
    for row in tenants:
        is_gone, state = row["state"] == "gone", registered.get(row["tenant_id"])
        times = tuple(row[name] is not None for name in ("removed_at", "look_again_at", "gone_at"))
        if row["state"] not in ("removing", "gone"):
            yield f"tenants left: {row['tenant_id']} is {row['state']}"
        elif times[1:] != (not is_gone, is_gone) or (not is_gone and not times[0]):
            yield f"tenant {row['tenant_id']} is {row['state']} with (removed, look again, gone) {times}"
        if state not in ((None,) if is_gone else (None, "removing")):
            yield f"the register has {row['tenant_id']}, which is {row['state']}, as {state}"


def _close_problems(world: World) -> Iterator[str]:
    job, project = world.job, world.project
    if job is None:
        yield "no job was recorded"
        return
    opened = bool(world.audited("job opened", job["job_id"]))
    if job["status"] not in (("rolled_back", "failed") if opened else ("failed",)):
        yield f"the job is {job['status']}"
    if project is not None and project["status"] not in (("failed",) if opened else ("created", "failed")):
        yield f"the project is {project['status']}"
    if not job["last_error_type"] or not job["last_error_message"] or "\n" in job["last_error_message"]:
        yield f"the cause is {job['last_error_type']}: {job['last_error_message']!r}"
    if job["completed_at"] is None or job["leftovers"] != [] or job["result"] is not None:
        yield f"completed at {job['completed_at']}, leftovers {job['leftovers']}, result {job['result']}"
    if job["progress_percent"] == 100 or job["current_stage"] not in ("rolled_back", "failed"):
        yield f"the progress is {job['progress_percent']} % at {job['current_stage']}"
    if not world.audited("job closed", job["job_id"]):
        yield "the audit log does not say that the job was closed"
    for step in world.steps[job["job_id"]]:
        allowed = {"initializing": ("succeeded",), "finalizing": ("pending", "failed")}
        if step["status"] not in allowed.get(step["stage"], ("pending", "skipped", "compensated")):
            yield f"the ledger has {step['stage']} as {step['status']}"


def quiet_problems(world: World) -> Iterator[str]:
    yield from (f"{one['job_id']} is {one['status']}" for one in world.jobs if one["status"] in ("pending", "running"))
    yield from (f"lock held: {lock}" for lock in world.locks)
    yield from (f"dangling: {what}" for what in world.dangling)
