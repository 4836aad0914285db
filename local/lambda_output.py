"""The handlers' output on a laptop: in a file, as CloudWatch would keep it, never on the terminal."""

import logging
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO, cast

KEPT_LINES = 100_000

_current = threading.local()


@dataclass(frozen=True)
class Line:
    """One line that a handler wrote, and when, in milliseconds since 1970."""

    milliseconds: int
    function: str
    environment: str
    text: str


class LambdaOutput:
    """Collect what adopted threads write to stdout and stderr, as whole lines, in a file that only its owner can read.

    A logger keeps the stream that it was created with: one created before install() is redirected, too.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "w", encoding="utf-8")
        self._lock = threading.Lock()
        self._lines: deque[Line] = deque(maxlen=KEPT_LINES)
        self._redirected: list[tuple[logging.StreamHandler[Any], Any]] = []

    def adopt(self, function: str, environment: str) -> None:
        """Send the calling thread's output here from now on, as the output of a function's environment."""
        _current.output, _current.line = self, ""
        _current.function, _current.environment = function, environment

    def take(self) -> Iterator[Line]:
        """Yield each line once, oldest first; only the newest 100,000 are kept."""
        while True:
            try:
                yield self._lines.popleft()
            except IndexError:
                return

    def write(self, text: str) -> None:
        """Keep an unfinished line until its end arrives, so that two threads never share one."""
        text = _current.line + text
        complete, newline, _current.line = text.rpartition("\n")
        if newline:
            now = time.time_ns() // 1_000_000
            with self._lock:
                if not self._file.closed:
                    self._file.write(complete + newline)
                    self._file.flush()
                    written = (_current.function, _current.environment)
                    self._lines.extend(Line(now, *written, text) for text in complete.split("\n"))

    def install(self) -> None:
        """Replace sys.stdout and sys.stderr; other threads write to them as before."""
        before = (sys.stdout, sys.stderr)
        sys.stdout, sys.stderr = cast("TextIO", _Divider(sys.stdout)), cast("TextIO", _Divider(sys.stderr))
        names = list(logging.Logger.manager.loggerDict)
        for handler in [handler for name in names for handler in logging.getLogger(name).handlers]:
            if isinstance(handler, logging.StreamHandler) and handler.stream in (*before, sys.__stdout__):
                new = sys.stderr if handler.stream is before[1] else sys.stdout
                self._redirected.append((handler, handler.setStream(new)))

    def close(self) -> None:
        """Restore the streams. What adopted threads still write is dropped."""
        for handler, stream in self._redirected:
            handler.setStream(stream)
        self._redirected.clear()
        for name in ("stdout", "stderr"):
            divider: object = getattr(sys, name)
            if isinstance(divider, _Divider):
                setattr(sys, name, divider.other)
        with self._lock:
            self._file.close()


class _Divider:
    """Split by thread: adopted ones write to their LambdaOutput, the others to the original stream."""

    def __init__(self, other: TextIO) -> None:
        self.other = other

    def write(self, text: str) -> int:
        output: LambdaOutput | None = getattr(_current, "output", None)
        if output is None:
            return self.other.write(text)
        output.write(text)
        return len(text)

    def flush(self) -> None:
        if getattr(_current, "output", None) is None:
            self.other.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.other, name)
