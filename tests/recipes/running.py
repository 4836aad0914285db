"""Jobs on the laptop stack of a tree, in a state that another tree's stack may have made: old code with new data."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.recipes.tree import Tree

JOBS = """
import json, pathlib, sys
from local.stack import Stack

with Stack(pathlib.Path(sys.argv[1]), fsync=False) as stack:
    ended = [stack.run(payload, job_type=job_type) for job_type, payload in json.loads(sys.argv[2])]
    print(json.dumps([[one["status"], json.loads(one.get("output", "null"))] for one in ended]))
"""


def run_jobs(tree: Tree, state: Path, jobs: Sequence[tuple[str, object]]) -> list[tuple[str, Any]]:
    """Run jobs in sequence with a tree's code, and return the status and output of each execution."""
    return [(status, output) for status, output in tree.run(JOBS, state, json.dumps(jobs))]
