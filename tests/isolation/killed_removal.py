"""A removal in a process of its own, which dies by SIGKILL at one of its statements on the cluster."""

import json
import os
import signal
from multiprocessing import get_context
from multiprocessing.connection import Connection as Pipe
from typing import Any
from unittest.mock import patch

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import cursor as Cursor  # noqa: N812
from typing_extensions import override

from local.bootstrap import CONTROL_PLANE
from stages.database import drop_database
from tests.stages.jobs import Context, StagedJob

_spawner = get_context("forkserver")
_spawner.set_forkserver_preload(["boto3", "psycopg2", "stages.database"])


def _remove(environment: dict[str, str], event: dict[str, Any], last: int, pipe: Pipe) -> None:
    """Run the removal until its statement of that number on the cluster is about to be sent, and die."""
    os.environ.update(environment)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(1, 2)
    sent = [0]

    class Counting(Cursor):
        @override
        def execute(self, *arguments: Any, **named: Any) -> Any:
            if self.connection.info.dbname != CONTROL_PLANE:
                sent[0] += 1
                if sent[0] > last:
                    os.kill(os.getpid(), signal.SIGKILL)
            return super().execute(*arguments, **named)

    class Counted(Connection):
        @override
        def cursor(self, *arguments: Any, **named: Any) -> Any:
            return super().cursor(*arguments, cursor_factory=named.pop("cursor_factory", None) or Counting, **named)

    real = psycopg2.connect
    with patch.object(psycopg2, "connect", lambda **arguments: real(connection_factory=Counted, **arguments)):
        pipe.send(json.dumps(drop_database(event, Context())))


def died(job: StagedJob, last: int) -> bool:
    """Return whether the process that removes the job's tenant has died before it was done."""
    _, theirs = _spawner.Pipe()
    event = {"job_type": job.job_type, "job_id": job.job_id, "tenant_id": job.tenant_id, "forgotten": False}
    process = _spawner.Process(target=_remove, args=(dict(os.environ), event | {"failure": {}}, last, theirs))
    process.start()
    theirs.close()
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode != 0
