"""What a console shows and whether it may act."""

import functools
from dataclasses import dataclass
from urllib.parse import urlsplit

from console.guard import LOOPBACK
from console.job_rows import JobRows
from console.job_view import Sources
from provisioning.jobs.registry import job_type_of


@dataclass(frozen=True)
class Setting:
    """The sources that a console shows, and whether it may act."""

    sources: Sources
    where: str
    """The endpoint and the state machine, as shown in the bar at the top."""
    read_only: bool = False

    @property
    def starts_jobs(self) -> bool:
        """Whether jobs can be started: a state machine of no job type has no form."""
        return not self.read_only and job_type_of(self.sources.executions.state_machine_arn) is not None

    @property
    def is_local(self) -> bool:
        """Whether it shows a laptop's stack, whose databases speak without TLS."""
        host = urlsplit(str(self.sources.executions.client.meta.endpoint_url)).hostname
        return host in LOOPBACK

    @functools.cached_property
    def job_rows(self) -> JobRows:
        """The jobs that the ledger knows."""
        return JobRows(self.sources)
