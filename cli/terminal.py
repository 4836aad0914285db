"""The terminal as the provision command writes to it: what others named is printed, never interpreted."""

import sys

from rich.console import Console

WIDTH_OF_A_FILE = 160


def console() -> Console:
    """Return a console without markup, emoji codes or highlighting, wide enough where nobody looks."""
    width = None if sys.stdout.isatty() else WIDTH_OF_A_FILE
    return Console(emoji=False, markup=False, highlight=False, width=width)
