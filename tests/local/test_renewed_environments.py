"""New settings reach a running stack: its Lambda environments are replaced, and none loses an event."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from local.lambda_environment import Invocation, LambdaContext
from tests.local.conftest import Runtimes


def test_new_settings_reach_every_event_in_a_new_environment(runtimes: Runtimes) -> None:
    seen = threading.local()

    def work(_event: Any, _context: Any) -> int:
        seen.count = getattr(seen, "count", 0) + 1
        return int(seen.count)

    runtime = runtimes(work)
    counted = [runtime.invoke("WorkFunction", "{}").payload for _ in range(2)]
    runtime.renew()
    assert [*counted, runtime.invoke("WorkFunction", "{}").payload] == ["1", "2", "1"]


def test_an_event_in_flight_ends_in_its_environment_which_is_not_used_again(runtimes: Runtimes) -> None:
    begun, may_end, names = threading.Event(), threading.Event(), []

    def work(event: Any, context: LambdaContext) -> str:
        names.append(context.log_stream_name)
        begun.set()
        assert may_end.wait(30)
        return str(event)

    runtime = runtimes(work)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(runtime.invoke, "WorkFunction", '"in flight"')
        begun.wait(30)
        runtime.renew()
        may_end.set()
        assert first.result() == Invocation('"in flight"')
    assert runtime.environments("WorkFunction") == 0
    runtime.invoke("WorkFunction", "{}")
    assert len(set(names)) == 2
