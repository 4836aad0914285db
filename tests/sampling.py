"""Which tests run where there is no time for all: a few of each file, others for another seed."""

import hashlib
import os
from collections import defaultdict

import pytest


def sampled(items: list[pytest.Item]) -> list[pytest.Item]:
    """Return SAMPLE=NUMBER slow tests of each file and SAMPLE_FAST=NUMBER others, in their order.

    SEED=NUMBER chooses which; every process with the same seed chooses the same. Without SAMPLE all slow tests are
    returned, and without SAMPLE_FAST all others.
    """
    seed = os.environ.get("SEED", "")
    numbers = {True: os.environ.get("SAMPLE"), False: os.environ.get("SAMPLE_FAST")}
    of_file: dict[tuple[str, bool], list[pytest.Item]] = defaultdict(list)
    for item in items:
        is_slow = item.get_closest_marker("slow") is not None
        of_file[item.nodeid.partition("::")[0], is_slow].append(item)
    left_out: set[pytest.Item] = set()
    for (_, is_slow), found in of_file.items():
        if number := numbers[is_slow]:
            found.sort(key=lambda item: hashlib.sha256(f"{seed} {item.nodeid}".encode()).digest())
            left_out.update(found[int(number) :])
    return [item for item in items if item not in left_out]
