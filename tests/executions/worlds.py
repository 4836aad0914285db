"""The required worlds: that of a provisioned project, and that of a rolled back one.

After a job, a test calls look() and then asks for the problems: an empty list means that the world is correct.
"""

from local.stack import Stack
from tests.executions.last_look import look_last
from tests.executions.looking import World, look
from tests.executions.provisioned import problems_of_provisioned
from tests.executions.rolled_back import problems_of_gone, problems_of_rolled_back

__all__ = [
    "World",
    "look",
    "problems_after_last_look",
    "problems_of_gone",
    "problems_of_provisioned",
    "problems_of_rolled_back",
]


def problems_after_last_look(stack: Stack, project_id: str) -> list[str]:
    """Return the problems of a rolled back project, before the last look and after it, and what that look found."""
    before = problems_of_rolled_back(look(stack, project_id))
    found = [f"the last look found {one}" for one in look_last(stack, project_id)]
    return before + found + problems_of_gone(look(stack, project_id))
