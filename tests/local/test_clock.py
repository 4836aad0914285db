import threading
import time
from itertools import pairwise
from typing import Any

import pytest

from local.clock import Clock
from tests.local.conftest import Machines


def fail(_event: Any, _context: Any) -> None:
    raise ValueError("no good")


def test_three_attempts_300_seconds_apart(machines: Machines) -> None:
    attempts = []

    def work(_event: Any, _context: Any) -> None:
        attempts.append(time.monotonic())
        raise ValueError("no good")

    machine = machines(work)
    outcome = machine.run()
    assert (outcome["status"], outcome["error"]) == ("FAILED", "ValueError")
    assert len(attempts) == 3
    assert machine.clock.seconds() == [300, 300]


def test_waits_are_told_apart_by_execution_and_state(machines: Machines) -> None:
    machine = machines(fail)
    machine.run(name="one")
    machine.run(name="two")
    assert [machine.clock.seconds(execution=name, state="Work") for name in ("one", "two")] == [[300, 300], [300, 300]]
    assert machine.clock.seconds(execution="three") == []


def test_real_waiting_is_the_asked_one_times_the_scale(machines: Machines) -> None:
    attempts = []

    def work(_event: Any, _context: Any) -> None:
        attempts.append(time.monotonic())
        raise ValueError("no good")

    machines(work, scale=0.0005).run()
    # A busy machine wakes a thread late, and never early.
    assert 0.149 < min(later - earlier for earlier, later in pairwise(attempts)) < 1.5


def test_timeouts_keep_their_length_when_waits_are_scaled(machines: Machines) -> None:
    machine = machines(lambda *_: time.sleep(0.1), scale=0.0)
    assert machine.run()["status"] == "SUCCEEDED"


def test_a_timed_out_attempt_is_retried_while_it_is_still_running(machines: Machines) -> None:
    release, attempts = threading.Event(), []

    def work(_event: Any, _context: Any) -> list[int]:
        attempts.append(threading.get_ident())
        if len(attempts) == 1:
            release.wait(5)
        return [2]

    machine = machines(work, timeout_scale=0.005)
    outcome = machine.run()
    release.set()
    assert (outcome["status"], outcome["output"]) == ("SUCCEEDED", "[2]")
    assert attempts[0] != attempts[1]


def test_uninstalling_wakes_who_waits() -> None:
    clock = Clock(1.0)
    clock.install()
    waiting = threading.Thread(target=clock.sleep, args=(300,))
    waiting.start()
    clock.uninstall()
    waiting.join(1)
    assert not waiting.is_alive()


def test_a_stop_wakes_its_own_execution_and_no_other(machines: Machines) -> None:
    machine = machines(fail, scale=1.0)
    client = machine.aws.client("stepfunctions")
    one, other = (
        client.start_execution(stateMachineArn=machine.aws.state_machine_arn, name=name)["executionArn"]
        for name in ("one", "other")
    )
    while len(machine.clock.waits) < 2:
        time.sleep(0.01)
    client.stop_execution(executionArn=one, error="Changed", cause="our mind")
    assert machine.aws.wait(one, 5)
    described = client.describe_execution(executionArn=one)
    assert (described["status"], described["error"], described["cause"]) == ("ABORTED", "Changed", "our mind")
    assert not machine.aws.ended(other)


def test_only_one_clock_at_a_time() -> None:
    with Clock(1.0), pytest.raises(RuntimeError, match="installed already"):
        Clock(1.0).install()


def test_the_scale_is_1_unless_told_otherwise() -> None:
    assert (Clock().scale, Clock().timeout_scale) == (1.0, 1.0)
