"""Where the processor's time goes while jobs run: by groups of processes, as Linux counts it; nothing elsewhere."""

import os
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
ENVIRONMENTS = "environments: the handlers"
STACK = "AWS and the services"
BACKENDS = "PostgreSQL: backends of the environments"
SHORT_LIVED = "PostgreSQL: processes that came and went"
BACKGROUND = "PostgreSQL: postmaster and background processes"
BENCH = "the bench, which hands out the jobs"
ELSEWHERE, STOLEN, IDLE = "everything else on the machine", "taken by the host", "idle"
OF_A_JOB = (ENVIRONMENTS, STACK, BACKENDS, SHORT_LIVED, BACKGROUND, BENCH)

_CLIENT = re.compile(r"\(\d+\)")
"""A backend's title has its client's port: "postgres: user database 127.0.0.1(50000) idle"."""


@dataclass(frozen=True)
class _Process:
    """A process's parent, the seconds that it had of the processor, and those of its children that have ended."""

    parent: int
    seconds: float
    children: float


@dataclass(frozen=True)
class Snapshot:
    """Seconds of the processor since each process began, and since the machine did."""

    environments: dict[int, float]
    here: float
    bench: float
    backends: dict[int, float]
    background: dict[int, float]
    ended: float
    machine: dict[str, float]
    queued: dict[int, float]
    """Of each thread of a job's processes: the seconds that it was ready and another had its core."""

    def queued_until(self, later: "Snapshot") -> float:
        """Return the seconds that a job's processes waited for a core; those that came and went are left out."""
        return _grown(self.queued, later.queued)

    def until(self, later: "Snapshot") -> dict[str, float]:
        """Return the seconds of each group between this snapshot and a later one."""
        postgres = self.backends | self.background
        bench = later.bench - self.bench
        spent = {
            ENVIRONMENTS: _grown(self.environments, later.environments),
            # The stack runs on threads of this process.
            STACK: later.here - self.here - bench,
            BACKENDS: _grown(self.backends, later.backends),
            # What a process had before this snapshot is in its parent's count as well, once it has ended.
            SHORT_LIVED: later.ended
            - self.ended
            - sum(postgres[pid] for pid in postgres.keys() - later.backends.keys() - later.background.keys()),
            BACKGROUND: _grown(self.background, later.background),
            BENCH: bench,
        }
        machine = {name: seconds - self.machine[name] for name, seconds in later.machine.items()}
        return spent | {
            ELSEWHERE: machine["busy"] - sum(spent.values()),
            STOLEN: machine["steal"],
            IDLE: machine["idle"],
        }


class Watch:
    """Take snapshots of a stack in this process, of its server and of the environments that were forked from here."""

    def __init__(self, postgres: Path) -> None:
        self._pid_file = postgres / "data" / "postmaster.pid"

    def snapshot(self) -> Snapshot | None:
        """Return what each group had so far, or None where there is no /proc."""
        if not (PROC / "stat").exists():
            return None
        postmaster = int(self._pid_file.read_text().splitlines()[0])
        processes = dict(_processes())
        of_postmaster = {pid: found.seconds for pid, found in processes.items() if found.parent == postmaster}
        backends = {pid: seconds for pid, seconds in of_postmaster.items() if _CLIENT.search(_title(pid))}
        background = {pid: seconds for pid, seconds in of_postmaster.items() if pid not in backends}
        environments = {pid: processes[pid].seconds for pid in _descendants(os.getpid(), processes)}
        return Snapshot(
            environments=environments,
            here=processes[os.getpid()].seconds,
            bench=sum(_thread_seconds(thread) for thread in threading.enumerate() if _is_bench(thread)),
            backends=backends,
            background=background | {postmaster: processes[postmaster].seconds},
            ended=processes[postmaster].children,
            machine=_machine(),
            queued={
                thread: seconds for pid in (os.getpid(), *environments, *backends) for thread, seconds in _queued(pid)
            },
        )


def add(spent: list[dict[str, float]]) -> dict[str, float]:
    """Return the sum of what was spent in some bursts, by group, in seconds to a thousandth."""
    return {name: round(sum(one[name] for one in spent), 3) for name in spent[0]} if spent and spent[0] else {}


def _grown(before: dict[int, float], after: dict[int, float]) -> float:
    return sum(seconds - before.get(pid, 0.0) for pid, seconds in after.items())


def _processes() -> Iterator[tuple[int, _Process]]:
    for directory in PROC.iterdir():
        if directory.name.isdigit():
            try:
                fields = _fields(directory / "stat")
            except (FileNotFoundError, ProcessLookupError):
                continue
            yield int(directory.name), _Process(int(fields[1]), _seconds(*fields[11:13]), _seconds(*fields[13:15]))


def _queued(pid: int) -> Iterator[tuple[int, float]]:
    """Yield each thread of a process with the seconds that it has waited for a core (Linux's sched-stats.rst)."""
    try:
        for thread in (PROC / str(pid) / "task").iterdir():
            yield int(thread.name), int((thread / "schedstat").read_text().split()[1]) / 1e9
    except (FileNotFoundError, ProcessLookupError):
        return


def _descendants(pid: int, processes: dict[int, _Process]) -> Iterator[int]:
    for child, found in processes.items():
        if found.parent == pid:
            yield child
            yield from _descendants(child, processes)


def _thread_seconds(thread: threading.Thread) -> float:
    try:
        return _seconds(*_fields(PROC / "self" / "task" / str(thread.native_id) / "stat")[11:13])
    except (FileNotFoundError, ProcessLookupError):
        return 0.0


def _is_bench(thread: threading.Thread) -> bool:
    """Return whether a thread hands out jobs: the main one, the callers, and those of the pool of processes."""
    kinds = ("MainThread", "ThreadPoolExecutor", "QueueFeederThread")
    return thread.name.startswith(kinds) or type(thread).__name__ == "_ExecutorManagerThread"


def _title(pid: int) -> str:
    try:
        return (PROC / str(pid) / "cmdline").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _machine() -> dict[str, float]:
    user, nice, system, idle, waiting, irq, soft_irq, steal = (PROC / "stat").read_text().split()[1:9]
    return {
        "busy": _seconds(user, nice, system, irq, soft_irq),
        "idle": _seconds(idle, waiting),
        "steal": _seconds(steal),
    }


def _fields(stat: Path) -> list[str]:
    """Return the fields of /proc/…/stat from the third on (proc_pid_stat(5)): a command's name may hold anything."""
    return stat.read_text().rpartition(")")[2].split()


def _seconds(*ticks: str) -> float:
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
