"""Which slow tests run where there is no time for all: a few of each file, others for another seed."""

import hashlib
import os
from collections import defaultdict

import pytest


def sampled(items: list[pytest.Item]) -> list[pytest.Item]:
    """Return all tests that are not slow and SAMPLE=NUMBER of each file's slow ones, in their order.

    SEED=NUMBER chooses which; every process with the same seed chooses the same. Without SAMPLE all are returned.
    """
    number, seed = os.environ.get("SAMPLE"), os.environ.get("SEED", "")
    if not number:
        return items
    slow: dict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        if item.get_closest_marker("slow") is not None:
            slow[item.nodeid.partition("::")[0]].append(item)
    left_out: set[pytest.Item] = set()
    for found in slow.values():
        found.sort(key=lambda item: hashlib.sha256(f"{seed} {item.nodeid}".encode()).digest())
        left_out.update(found[int(number) :])
    return [item for item in items if item not in left_out]
