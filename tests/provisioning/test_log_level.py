"""The level that the template gives the logger is the one that counts."""

import os
import subprocess
import sys

import pytest

WRITES = "from provisioning.observability import logger; logger().info('a fact'); logger().error('a failure')"


@pytest.mark.parametrize(("level", "expected"), [("INFO", ["a fact", "a failure"]), ("ERROR", ["a failure"])])
def test_the_loggers_level_counts_beside_lambdas(level: str, expected: list[str]) -> None:
    """Lambda sets AWS_LAMBDA_LOG_LEVEL to ApplicationLogLevel, which stays INFO for the metrics' sake."""
    environment = os.environ | {"AWS_LAMBDA_LOG_LEVEL": "INFO", "POWERTOOLS_LOG_LEVEL": level}
    ran = subprocess.run([sys.executable, "-c", WRITES], env=environment, check=True, capture_output=True, text=True)
    assert [fact for fact in ("a fact", "a failure") if fact in ran.stdout] == expected
