"""Errors that the user at the terminal can fix."""


class HumanError(Exception):
    """An error that the user can fix. The message is one line and says what to do."""
