"""What Step Functions says of an execution."""

from collections.abc import Callable, Mapping
from typing import Any

FORGOTTEN: Mapping[str, Any] = {"status": "FORGOTTEN"}
"""The answer about an execution that Step Functions does not have, or has no longer."""

Describe = Callable[[str], Mapping[str, Any] | None]
"""Takes an execution's ARN and returns DescribeExecution's answer, FORGOTTEN, or None if Step Functions did not answer.
"""
