"""What AWS bills for a provision, and what memory a handler needs: python -m bench.cost.

Transitions and invocations are counted in the history of an execution. The milliseconds are those of this machine, with
everything on loopback; Secrets Manager, the services and the databases are farther from a Lambda than that.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bench import environment, handlers
from local.lambda_output import LambdaOutput
from local.stack import Stack
from provisioning.jobs.declaration import JobType, TenantOf
from provisioning.jobs.provision_project import PROVISION_PROJECT
from provisioning.jobs.registry import DECLARATIONS

DOLLARS_PER_TRANSITION = 25 / 1e6
"""aws.amazon.com/step-functions/pricing, Standard Workflows, US East (N. Virginia)."""

DOLLARS_PER_REQUEST, DOLLARS_PER_GB_SECOND = 0.20 / 1e6, 0.0000166667
"""aws.amazon.com/lambda/pricing, x86, US East (N. Virginia)."""

MEMORY_GB = 512 / 1024
"""The default of MemorySize in template.yaml."""

WARM_ROUNDS = 20
FUNCTIONS = Path(__file__).parents[1] / "functions"
REFILL = "upkeep.refill_pools.refill_pools"
MEASURED = """
import contextlib, importlib, io, json, re, sys, time
sys.path[:0] = sys.argv[1:3]
started = time.process_time()
module, _, name = sys.argv[3].rpartition(".")
handler = getattr(importlib.import_module(module), name)
imported = time.process_time()
class Context:
    def get_remaining_time_in_millis(self):
        return 50_000
with contextlib.redirect_stdout(io.StringIO()):
    answer = handler(json.loads(sys.argv[4]), Context())
    ended = time.process_time()
# Not getrusage: what it says of a child is at least what its parent had when it was forked.
peak = int(re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1]) / 1024
figures = {"peak_mib": peak, "import_ms": (imported - started) * 1000, "run_ms": (ended - imported) * 1000}
print(json.dumps([figures, answer], default=str))
"""


def counted(stack: Stack) -> tuple[int, int]:
    """Return the state transitions and the invocations of one execution with every service."""
    ran = stack.run(environment.new_payload())
    if ran["status"] != "SUCCEEDED":
        raise AssertionError(f"the execution {ran['status']}")
    pages = stack.client("stepfunctions").get_paginator("get_execution_history")
    events = [event for page in pages.paginate(executionArn=ran["executionArn"]) for event in page["events"]]
    return (
        sum("stateEnteredEventDetails" in event for event in events),
        sum(event["type"] == "TaskScheduled" for event in events),
    )


def warm_milliseconds(stack: Stack) -> float:
    """Return how long the handlers of one job take in all, in a warm environment: the median of some jobs."""
    output = LambdaOutput(stack.state_directory / "cost.log")
    with ThreadPoolExecutor(1, initializer=output.adopt, initargs=("cost", "cost")) as warm:
        taken = [warm.submit(environment.provision).result() for _ in range(WARM_ROUNDS + 1)]
    return statistics.median(taken[1:])


def measure() -> dict[str, dict[str, float]]:
    """Return {peak_mib, import_ms, run_ms} of each handler: of a job of every type, and of one that is rolled back.

    The milliseconds are the processor's, which other load on the machine does not add to.
    """
    found = {REFILL: run(REFILL, {})[0]}
    payload = environment.new_payload()
    for declared in DECLARATIONS.values():
        named = handlers.of(declared)
        document: dict[str, Any] = {"project_id": payload["project_id"]}
        if declared.tenant is TenantOf.NEW:
            document = payload
        found |= run_job(declared.job_type, document, [named[state] for state in declared.states.values()])
    named = handlers.of(PROVISION_PROJECT)
    forward = list(PROVISION_PROJECT.states.values())[:-1]
    names = [*forward, *reversed(PROVISION_PROJECT.compensations)]
    return found | run_job(PROVISION_PROJECT.job_type, environment.new_payload(), [named[name] for name in names])


def run_job(job_type: JobType, payload: dict[str, Any], named: Sequence[str]) -> dict[str, dict[str, float]]:
    """Run a job's handlers one after the other, each in an interpreter of its own, and return the figures of each."""
    job_id = f"cost-{uuid.uuid4().hex}"
    event: dict[str, Any] = {"job_type": job_type, "job_id": job_id, "execution_arn": f"arn:{job_id}"}
    event["payload"] = payload
    found = {}
    for handler in named:
        found[handler], answer = run(handler, event)
        event |= {"tenant_id": answer.get("tenant_id", event.get("tenant_id"))}
    return found


def run(handler: str, event: dict[str, Any]) -> tuple[dict[str, float], dict[str, Any]]:
    """Run the handler in an interpreter of its own, in the settings that the stack has put into the environment.

    Return its figures and its answer.
    """
    command = [sys.executable, "-c", MEASURED, str(FUNCTIONS), str(FUNCTIONS.parent), handler, json.dumps(event)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 (our own)
    figures, output = json.loads(answer.stdout)
    return figures, output


def main() -> None:
    """Print the prices and the table."""
    with tempfile.TemporaryDirectory() as directory, Stack(Path(directory), fsync=True) as stack:
        transitions, invocations = counted(stack)
        milliseconds = warm_milliseconds(stack)
        found = measure()
    gb_seconds = milliseconds / 1000 * MEMORY_GB
    prices = {
        f"{transitions} state transitions": transitions * DOLLARS_PER_TRANSITION,
        f"{invocations} requests to Lambda": invocations * DOLLARS_PER_REQUEST,
        f"{gb_seconds:.3f} GB-seconds ({milliseconds:.0f} ms warm)": gb_seconds * DOLLARS_PER_GB_SECOND,
    }
    print("| of one provision | $ per 1,000 |\n|---|---|")
    for name, price in [*prices.items(), ("in all", sum(prices.values()))]:
        print(f"| {name} | {price * 1000:.4f} |")
    print("\n| handler | peak MiB | import, ms of CPU | cold run, ms of CPU |\n|---|---|---|---|")
    for handler, figures in found.items():
        print(f"| {handler.rpartition('.')[2]} | {figures['peak_mib']:.0f} | {figures['import_ms']:.0f} |", end="")
        print(f" {figures['run_ms']:.0f} |")


if __name__ == "__main__":
    main()
