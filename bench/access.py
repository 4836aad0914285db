"""What suspending and resuming a tenant costs, and how long a connected client stays in once it is asked for.

    python -m bench.access --rounds 50

Suspensions and resumptions of one tenant, one after the other, through the handlers of a warm environment. The client
has a session of its own, and is out when the server closes it. The databases are in memory unless told otherwise.
"""

import argparse
import functools
import select
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from bench import environment, handlers
from bench.environments import Environments, environments
from bench.figures import Figures
from bench.tables import cells, table
from local.stack import Stack

CLIENT_OUT = "from the start of a suspension until a connected client is out"


def measure(warm: Environments, rounds: int, progress: Callable[[str], None]) -> dict[str, dict[str, float]]:
    """Return the figures of a suspension, of a resumption, and of a client's way out, in ms."""
    found: list[dict[str, float]] = []
    for number in range(rounds + 1):
        progress(f"round {number} of {rounds}")
        found.append(warm.run(suspend_and_resume))
    return {what: Figures.of([one[what] for one in found[1:]]).as_dict() for what in found[0]}


def suspend_and_resume() -> dict[str, float]:
    """Suspend the environment's tenant with a client in it, and resume it; return the milliseconds of each."""
    from provisioning.jobs.resume_project import RESUME_PROJECT
    from provisioning.jobs.suspend_project import SUSPEND_PROJECT
    from provisioning.tenant import schema

    event = _live_tenant()
    out: list[float] = []
    with closing(schema.connect(event["credentials"])) as client:
        watching = threading.Thread(target=lambda: out.append(_closed_at(client.fileno())))
        watching.start()
        started = time.perf_counter()
        suspended = environment.timed(lambda: _run(SUSPEND_PROJECT, event["project_id"]))
        watching.join()
    resumed = environment.timed(lambda: _run(RESUME_PROJECT, event["project_id"]))
    return {"suspension": suspended, CLIENT_OUT: (out[0] - started) * 1000, "resumption": resumed}


@functools.cache
def _live_tenant() -> dict[str, Any]:
    """Return the project and the credentials of the environment's one tenant."""
    from provisioning.aws import secrets
    from provisioning.aws.documents import CREDENTIALS
    from provisioning.identity import TenantNames

    event = environment.new_event()
    list(environment.run(event))
    with environment.here().control_plane.cursor() as cursor:
        asked = "SELECT tenant_id FROM control_plane.jobs WHERE job_id = %s"
        cursor.execute(asked, (event["job_id"],))
        ((tenant_id,),) = cursor.fetchall()
    project_id = event["payload"]["project_id"]
    return {"project_id": project_id, "credentials": secrets.read_recorded(TenantNames(tenant_id).secret, CREDENTIALS)}


def _run(declared: Any, project_id: str) -> None:
    job_id = f"bench-{uuid.uuid4().hex}"
    event = {"job_type": declared.job_type, "job_id": job_id, "execution_arn": f"arn:{job_id}"}
    event["payload"] = {"project_id": project_id}
    for handler in handlers.stages(declared).values():
        answer = handler(event, environment.Context())
        event |= {key: answer[key] for key in ("tenant_id",) if key in answer}


def _closed_at(descriptor: int) -> float:
    """Return when the server has closed a session, or said that it does."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN | select.POLLHUP)
    poll.poll()
    return time.perf_counter()


def access_table(found: dict[str, dict[str, float]]) -> str:
    """Return the figures as a table."""
    return table(["of a live tenant", "p50 ms", "p95 ms", "n"], [[what, *cells(one)] for what, one in found.items()])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--directory", type=Path, default=Path("/dev/shm"), help="where the databases go")  # noqa: S108
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="bench-", dir=options.directory) as directory,
        Stack(Path(directory), fsync=True) as stack,
        environments(stack, 1) as warm,
    ):
        print(access_table(measure(warm, options.rounds, lambda _: None)))


if __name__ == "__main__":
    main()
