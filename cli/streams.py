"""The streams of a command: a reader that leaves, a locale without Unicode and a silent command are no failures."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast


class _Output:
    """A stream that drops what nobody reads any more, as after `| head -1`, so that the command goes on to its end."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.is_used = False

    def write(self, text: str) -> int:
        self.is_used = self.is_used or text != ""
        try:
            return self._stream.write(text)
        except BrokenPipeError:
            self._drop()
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except BrokenPipeError:
            self._drop()

    def _drop(self) -> None:
        # What the stream holds back goes there too, when the interpreter flushes it for the last time.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class Streams:
    """Both streams of a command."""

    def __init__(self, out: _Output, error: _Output) -> None:
        self._all = (out, error)

    @property
    def are_used(self) -> bool:
        """Whether anything was written."""
        return any(one.is_used for one in self._all)


@contextmanager
def forgiving() -> Iterator[Streams]:
    """Replace stdout and stderr within the block. What an encoding lacks is written as an escape."""
    before = (sys.stdout, sys.stderr)
    for stream in before:
        if getattr(stream, "errors", None) == "strict" and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    new = tuple(map(_Output, before))
    sys.stdout, sys.stderr = (cast("TextIO", one) for one in new)
    try:
        yield Streams(*new)
    finally:
        for one in new:
            one.flush()
        sys.stdout, sys.stderr = before
