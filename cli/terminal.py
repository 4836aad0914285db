"""The console that the provision command writes to: names chosen by others are printed, never interpreted."""

import sys

from rich.console import Console

WIDTH_OF_A_FILE = 160


def console() -> Console:
    """Return a console without markup, emoji codes or highlighting, and wide if the output is not a terminal."""
    width = None if sys.stdout.isatty() else WIDTH_OF_A_FILE
    return Console(emoji=False, markup=False, highlight=False, width=width)
