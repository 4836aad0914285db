"""A real command in a pseudo-terminal of some width."""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from local.template import REPOSITORY

PROVISION = (sys.executable, "-m", "cli.app")


class Shown(NamedTuple):
    """What a terminal was sent, and how the command ended."""

    text: str
    code: int

    @property
    def lines(self) -> list[str]:
        return self.text.replace("\r\n", "\n").splitlines()


def environment(state: Path | None = None, **variables: str) -> dict[str, str]:
    path = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "functions")])
    known = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "COLUMNS", "LINES"}}
    return known | {"PYTHONPATH": path, "PROVISIONER_STATE_DIR": str(state or "/nonexistent/state")} | variables


def show(
    *arguments: str | Path,
    columns: int,
    variables: Mapping[str, str],
    command: Sequence[str] = PROVISION,
    directory: Path | None = None,
    on_text: Callable[[subprocess.Popen[bytes], str], None] = lambda process, text: None,
) -> Shown:
    """Run a command in a terminal of that many columns; `on_text` sees all that was written, after each part of it."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    written = b""
    with subprocess.Popen(
        [*command, *map(str, arguments)], stdin=slave, stdout=slave, stderr=slave, env=dict(variables), cwd=directory
    ) as process:
        os.close(slave)
        try:
            while part := os.read(master, 65536):
                written += part
                on_text(process, written.decode(errors="replace"))
        except OSError:
            # Linux reports the end of a pseudo-terminal so.
            pass
        finally:
            os.close(master)
    return Shown(written.decode(), process.returncode)
