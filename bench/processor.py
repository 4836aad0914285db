"""What a stack's jobs have of the processor, as Linux counts it in /proc; nothing elsewhere."""

import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

PROC = Path("/proc")
JOBS = "the jobs: handlers, AWS, services, PostgreSQL and the bench"
NOT_OF_JOBS = ELSEWHERE, STOLEN, IDLE = "everything else on the machine", "taken by the host", "idle"


class _Process(NamedTuple):
    parent: int
    seconds: float
    """Its own, and those of its children that have ended."""


class Watch:
    """Count for a stack in this process, its server and the environments that were started from here."""

    def __init__(self, postgres: Path) -> None:
        self._pid_file = postgres / "data" / "postmaster.pid"

    def seconds(self) -> dict[str, float]:
        """Return the seconds that each group has had so far, or nothing where there is no /proc."""
        if not (PROC / "stat").exists():
            return {}
        postmaster = int(self._pid_file.read_text().splitlines()[0])
        user, nice, system, idle, waiting, irq, soft_irq, steal = (PROC / "stat").read_text().split()[1:9]
        jobs = _with_descendants(os.getpid(), postmaster)
        return {
            JOBS: jobs,
            ELSEWHERE: _seconds(user, nice, system, irq, soft_irq) - jobs,
            STOLEN: _seconds(steal),
            IDLE: _seconds(idle, waiting),
        }


def seconds_per_job(found: dict[str, Any]) -> float | None:
    """Return what each of some jobs at once had, or None where it was not counted.

    Older results tell several groups of a job's processes apart.
    """
    if not (spent := found["processor_seconds"]):
        return None
    return float(sum(seconds for group, seconds in spent.items() if group not in NOT_OF_JOBS) / found["ms"]["n"])


def _with_descendants(*pids: int) -> float:
    """Return the seconds of some processes and all their descendants, those that have ended included."""
    processes = dict(_processes())
    children = defaultdict(list)
    for pid, process in processes.items():
        children[process.parent].append(pid)
    found, left = set[int](), list(pids)
    while left:
        pid = left.pop()
        found.add(pid)
        left += children[pid]
    return sum(processes[pid].seconds for pid in found)


def _processes() -> Iterator[tuple[int, _Process]]:
    for directory in PROC.iterdir():
        if directory.name.isdigit():
            try:
                stat = (directory / "stat").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            # From the third field on (proc_pid_stat(5)): a command's name may hold anything.
            fields = stat.rpartition(")")[2].split()
            yield int(directory.name), _Process(int(fields[1]), _seconds(*fields[11:15]))


def _seconds(*ticks: str) -> float:
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
