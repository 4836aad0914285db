"""The measurement of the HTTP API's handler has each kind of request beside a bare handler."""

from pathlib import Path

import pytest

from bench import requests

pytestmark = pytest.mark.slow


def test_each_kind_of_request_is_measured_beside_a_bare_handler(tmp_path: Path) -> None:
    bare, *measured = requests.measure(tmp_path, requests=3)
    assert len(measured) == 3
    assert all(bare.cpu < one.cpu and bare.p50 < one.p50 <= one.p95 for one in measured)
    assert len(requests.table([bare, *measured]).splitlines()) == 6
