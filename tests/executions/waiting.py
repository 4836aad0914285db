"""A job that waits for its next attempt."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from local.stack import Stack
from tests.executions.running import eventually, payload_for, seconds_between_attempts
from tests.executions.stage_faults import STAGES, Fault, failing


@contextmanager
def waiting(stack: Stack, project_id: str, start: Callable[[str], str] | None = None) -> Iterator[str]:
    """A job of this project that waits five minutes for its second attempt, started by StartExecution or as given."""
    with seconds_between_attempts(stack, 300), failing(stack, STAGES["creating_schema"], Fault.ERROR):
        if start is None:
            job_id = f"job-{project_id}"
            stack.start_execution(payload_for(project_id), job_id)
        else:
            job_id = start(project_id)
        assert eventually(lambda: stack.clock.seconds(execution=job_id) == [300])
        yield job_id
