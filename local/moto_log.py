"""moto's own log, in a file that only its owner can read, never on the terminal."""

import logging
import os
from collections.abc import Callable
from pathlib import Path


def log_to(path: Path) -> Callable[[], None]:
    """Send moto's own log to a file instead of the terminal; calling the result undoes it."""
    moto = logging.getLogger("moto")
    handler = logging.StreamHandler(os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "w"))
    moto.addHandler(handler)
    moto.propagate = False

    def undo() -> None:
        moto.removeHandler(handler)
        moto.propagate = True
        handler.stream.close()

    return undo
