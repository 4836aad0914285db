"""What a person at the terminal can put right."""


class HumanError(Exception):
    """A mistake or a circumstance that the reader can change. The message is one line and says what to do."""
