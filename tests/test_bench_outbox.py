"""The measurement of the outbox's lock measures openings and endings of jobs, with events and without."""

from pathlib import Path

import pytest

from bench import outbox

pytestmark = pytest.mark.slow


def test_both_changes_are_measured_with_events_and_without(tmp_path: Path) -> None:
    measured = outbox.measure(tmp_path, sessions=3, jobs=2, rounds=2, fsync=False)
    assert {(one.change, one.triggers) for one in measured} == {
        (change, triggers) for change in ("open", "end") for triggers in (True, False)
    }
    assert all(0 < one.p50 <= one.p95 and one.per_second > 0 for one in measured)
    rows = outbox.table(measured).splitlines()[2:]
    assert [row.split(" | ")[:2] for row in rows] == [
        ["| open", "without"],
        ["| open", "with"],
        ["| end", "without"],
        ["| end", "with"],
    ]
