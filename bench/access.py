"""What suspending and resuming a tenant costs, and how long a connected client stays in once it is asked for.

Suspensions and resumptions of one tenant, one after the other, through the handlers of a warm environment. The client
has a session of its own, and is out when the server closes it.
"""

import functools
import select
import threading
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

from bench import environment
from bench.environments import Environments
from bench.figures import Figures, figures

CLIENT_OUT = "from the start of a suspension until a connected client is out"


def measure(warm: Environments, rounds: int, progress: Callable[[str], None]) -> dict[str, Figures]:
    """Return the figures of a suspension, of a resumption, and of a client's way out, in ms."""
    found: list[dict[str, float]] = []
    for number in range(rounds + 1):
        progress(f"round {number} of {rounds}")
        found.append(warm.run(suspend_and_resume))
    return {what: figures([one[what] for one in found[1:]]) for what in found[0]}


def suspend_and_resume() -> dict[str, float]:
    """Suspend the environment's tenant with a client in it, and resume it; return the milliseconds of each."""
    from provisioning.jobs.resume_project import RESUME_PROJECT
    from provisioning.jobs.suspend_project import SUSPEND_PROJECT
    from provisioning.tenant import schema

    project, credentials = _live_tenant()
    out: list[float] = []
    with closing(schema.connect(credentials)) as client:
        watching = threading.Thread(target=lambda: out.append(_closed_at(client.fileno())))
        watching.start()
        started = time.perf_counter()
        suspended = environment.run(environment.new_event(SUSPEND_PROJECT.job_type, project))
        watching.join()
    resumed = environment.run(environment.new_event(RESUME_PROJECT.job_type, project))
    return {"suspension": suspended, CLIENT_OUT: (out[0] - started) * 1000, "resumption": resumed}


@functools.cache
def _live_tenant() -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the payload that names the environment's one project, and the credentials of its tenant."""
    from provisioning.aws import secrets
    from provisioning.aws.documents import CREDENTIALS
    from provisioning.identity import TenantNames

    event = environment.new_provision()
    environment.run(event)
    credentials = secrets.read_recorded(TenantNames(event["tenant_id"]).secret, CREDENTIALS)
    return {"project_id": event["payload"]["project_id"]}, credentials


def _closed_at(descriptor: int) -> float:
    """Return when the server has closed a session, or said that it does."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN | select.POLLHUP)
    poll.poll()
    return time.perf_counter()
