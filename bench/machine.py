"""The machine that was measured on, so that figures can be read: no name of it, and none of its paths."""

import os
import platform
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

IN_MEMORY = ("tmpfs", "ramfs")


def describe() -> dict[str, Any]:
    """Return processor, cores, memory, kernel and Python, and how busy the machine is now."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": _line("/proc/cpuinfo", r"model name\s*:\s*(.+)") or platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load_average_at_start": [round(load, 2) for load in os.getloadavg()],
    }


def file_system(directory: Path) -> str:
    """Return the type of the file system that a directory lies on, as the kernel calls it, or "unknown"."""
    mounts = Path("/proc/mounts")
    if not mounts.exists():
        return "unknown"
    found = [line.split()[1:3] for line in mounts.read_text().splitlines()]
    above = [(len(point), kind) for point, kind in found if directory.resolve().is_relative_to(point)]
    return max(above)[1] if above else "unknown"


def problem(directory: Path, *, in_memory: bool, gigabytes: float) -> str | None:
    """Return why databases of that size cannot be measured in a directory, which is made if need be, or None."""
    directory.mkdir(parents=True, exist_ok=True)
    if (file_system(directory) in IN_MEMORY) is not in_memory:
        return f"{directory} lies {'on a disk' if in_memory else 'in memory'}"
    free = shutil.disk_usage(directory).free / 1e9
    return f"{directory} has {free:.1f} GB free of the {gigabytes:.1f} needed" if free < gigabytes else None


def _line(file: str, pattern: str) -> str | None:
    path = Path(file)
    found = re.search(pattern, path.read_text()) if path.exists() else None
    return found[1].strip() if found else None
