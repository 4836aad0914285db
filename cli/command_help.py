"""The help of every command: plain text, in which nothing is taken for markup and no sentence is cut."""

import re
from typing import Any

FIRST_SENTENCE = re.compile(r".*?\.(?=\s|$)|.*", re.DOTALL)


def make_plain(command: Any) -> None:
    """Let a command and those below it print their help without rich's markup, which loses `[default: …]`, and list
    each command with its whole first sentence.
    """
    command.rich_markup_mode = None
    if command.help and not command.short_help:
        sentence = FIRST_SENTENCE.match(command.help.partition("\n\n")[0])
        command.short_help = " ".join(sentence[0].split()) if sentence else ""
    for below in getattr(command, "commands", {}).values():
        make_plain(below)
