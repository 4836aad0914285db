import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from local.lambda_environment import Invocation, LambdaContext
from tests.local.conftest import Runtimes


class Crash(BaseException):
    """What a test raises for the death of the process."""


def report(invocation: Invocation) -> dict[str, Any]:
    assert invocation.failed
    parsed: dict[str, Any] = json.loads(invocation.payload)
    return parsed


def test_event_and_result_pass_through_json(runtimes: Runtimes) -> None:
    runtime = runtimes(lambda event, _: {"got": event, "pair": (1, 2)})
    assert runtime.invoke("WorkFunction", '{"a": [1]}') == Invocation('{"got": {"a": [1]}, "pair": [1, 2]}')


def test_error_has_the_members_that_lambdas_runtime_reports(runtimes: Runtimes) -> None:
    def work(_event: Any, _context: Any) -> None:
        raise ValueError("no good")

    found = report(runtimes(work).invoke("WorkFunction", "{}"))
    assert list(found) == ["errorMessage", "errorType", "requestId", "stackTrace"]
    assert (found["errorMessage"], found["errorType"]) == ("no good", "ValueError")
    assert len(found["requestId"]) == 36


def test_stack_trace_begins_in_the_handler(runtimes: Runtimes) -> None:
    def work(_event: Any, _context: Any) -> None:
        raise ValueError("no good")

    (frame,) = report(runtimes(work).invoke("WorkFunction", "{}"))["stackTrace"]
    assert frame.startswith(f'  File "{__file__}", line ')
    assert "in work\n" in frame


def test_unserialisable_result_is_a_marshal_error(runtimes: Runtimes) -> None:
    found = report(runtimes(lambda *_: Decimal(1)).invoke("WorkFunction", "{}"))
    assert found["errorType"] == "Runtime.MarshalError"
    assert found["errorMessage"] == "Unable to marshal response: Object of type Decimal is not JSON serializable"


def test_missing_handler_is_named(runtimes: Runtimes, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = runtimes(lambda *_: None)
    monkeypatch.delattr(sys.modules["sample_handlers"], "work")
    found = report(runtime.invoke("WorkFunction", "{}"))
    assert found["errorType"] == "Runtime.HandlerNotFound"
    assert found["errorMessage"] == "Handler 'work' missing on module 'sample_handlers'"


def test_missing_module_is_named(runtimes: Runtimes, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = runtimes(lambda *_: None)
    monkeypatch.delitem(sys.modules, "sample_handlers")
    assert report(runtime.invoke("WorkFunction", "{}"))["errorType"] == "Runtime.ImportModuleError"


@pytest.mark.parametrize(
    ("death", "reason"),
    [
        (Crash(), "Runtime exited with error: exit status 1"),
        (SystemExit(3), "Runtime exited with error: exit status 3"),
        (SystemExit(), "Runtime exited without providing a reason"),
    ],
)
def test_death_of_the_process_is_an_exit_error(runtimes: Runtimes, death: BaseException, reason: str) -> None:
    def work(_event: Any, _context: Any) -> None:
        raise death

    found = report(runtimes(work).invoke("WorkFunction", "{}"))
    assert list(found) == ["errorType", "errorMessage"]
    assert found["errorType"] == "Runtime.ExitError"
    assert found["errorMessage"].startswith("RequestId: ")
    assert found["errorMessage"].endswith(f" Error: {reason}")


def test_environment_keeps_its_module_state_from_event_to_event(runtimes: Runtimes) -> None:
    state = threading.local()

    def work(_event: Any, _context: Any) -> int:
        state.count = getattr(state, "count", 0) + 1
        return int(state.count)

    runtime = runtimes(work)
    assert [runtime.invoke("WorkFunction", "{}").payload for _ in range(3)] == ["1", "2", "3"]


def test_an_error_keeps_the_environment(runtimes: Runtimes) -> None:
    threads = []

    def work(_event: Any, _context: Any) -> None:
        threads.append(threading.get_ident())
        raise ValueError

    runtime = runtimes(work)
    for _ in range(2):
        runtime.invoke("WorkFunction", "{}")
    assert threads[0] == threads[1]


def test_a_dead_process_has_let_go_of_everything_before_anyone_hears_of_it(runtimes: Runtimes) -> None:
    state, closed = threading.local(), []

    class Connection:
        def __del__(self) -> None:
            closed.append(True)

    def work(_event: Any, _context: Any) -> None:
        connection = state.connection = Connection()
        connection.itself = connection  # type: ignore[attr-defined]
        raise Crash

    runtimes(work).invoke("WorkFunction", "{}")
    assert closed == [True]


def test_a_dead_environment_is_not_used_again(runtimes: Runtimes) -> None:
    state = threading.local()

    def work(event: Any, _context: Any) -> bool:
        known = hasattr(state, "known")
        state.known = True
        if event:
            raise Crash
        return known

    runtime = runtimes(work)
    runtime.invoke("WorkFunction", "1")
    assert runtime.invoke("WorkFunction", "0").payload == "false"


def test_a_busy_environment_gets_a_neighbour(runtimes: Runtimes) -> None:
    together = threading.Barrier(3, timeout=5)
    runtime = runtimes(lambda *_: together.wait() >= 0)
    with ThreadPoolExecutor(3) as pool:
        answers = [pool.submit(runtime.invoke, "WorkFunction", "{}") for _ in range(3)]
    assert [answer.result().payload for answer in answers] == ["true"] * 3
    assert runtime.environments("WorkFunction") == 3


def test_timeout_is_answered_as_lambdas_sandbox_does(runtimes: Runtimes) -> None:
    release = threading.Event()
    runtime = runtimes(lambda *_: release.wait(5), timeout_seconds=50, timeout_scale=0.001)
    found = report(runtime.invoke("WorkFunction", "{}"))
    release.set()
    assert list(found) == ["errorType", "errorMessage"]
    assert found["errorType"] == "Sandbox.Timedout"
    assert found["errorMessage"].endswith(" Error: Task timed out after 50.00 seconds")


def test_a_timed_out_handler_continues_beside_its_retry_and_is_not_used_again(runtimes: Runtimes) -> None:
    release, threads = threading.Event(), []

    def work(event: Any, _context: Any) -> None:
        threads.append(threading.get_ident())
        if event == "slow":
            release.wait(5)
            threads.append(threading.get_ident())

    runtime = runtimes(work, timeout_seconds=100, timeout_scale=0.001)
    runtime.invoke("WorkFunction", '"slow"')
    runtime.invoke("WorkFunction", '"quick"')
    release.set()
    runtime.close()
    assert threads[0] != threads[1]
    assert runtime.environments("WorkFunction") == 0


def test_context_tells_the_time_that_is_left_and_who_is_asked(runtimes: Runtimes) -> None:
    contexts: list[LambdaContext] = []

    def work(_event: Any, context: LambdaContext) -> int:
        contexts.append(context)
        return context.get_remaining_time_in_millis()

    runtime = runtimes(work, timeout_seconds=50)
    left = int(runtime.invoke("WorkFunction", "{}", "arn:aws:lambda:us-east-1:123456789012:function:Work").payload)
    (context,) = contexts
    assert 49_000 < left <= 50_000
    assert (context.function_name, context.function_version, context.memory_limit_in_mb) == (
        "WorkFunction",
        "$LATEST",
        "512",
    )
    assert context.invoked_function_arn.endswith(":function:Work")
    assert context.log_group_name == "/aws/lambda/WorkFunction"


def test_handlers_print_into_the_log_and_not_to_the_terminal(
    runtimes: Runtimes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def work(_event: Any, _context: Any) -> None:
        print("from the handler")
        print("and its errors", file=sys.stderr)

    runtimes(work).invoke("WorkFunction", "{}")
    print("from the test")
    assert (tmp_path / "lambda.log").read_text() == "from the handler\nand its errors\n"
    assert capsys.readouterr() == ("from the test\n", "")


def test_a_handler_can_be_replaced_for_a_while(runtimes: Runtimes) -> None:
    runtime = runtimes(lambda *_: "own")
    with runtime.replaced("WorkFunction", lambda *_: "another"):
        assert runtime.invoke("WorkFunction", "{}").payload == '"another"'
    assert runtime.invoke("WorkFunction", "{}").payload == '"own"'
