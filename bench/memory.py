"""Peak memory and processor time of each handler, each cold in an interpreter of its own."""

import json
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

from bench.environment import SERVICES, new_payload

FUNCTIONS = Path(__file__).parents[1] / "functions"
FORWARD = (
    "stages.create_database.create_database",
    "stages.create_schema.create_schema",
    *(f"stages.register_services.register_{service}" for service in SERVICES),
    "stages.generate_api_keys.generate_api_keys",
    "stages.finalize.finalize",
)
BACK = (
    "stages.generate_api_keys.revoke_api_keys",
    "stages.register_services.deregister_services",
    "stages.create_database.drop_database",
)
VERIFY = "stages.verify_project.verify_project"
REFILL = "provisioning.database_pool.refill_pools"
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
    handler(json.loads(sys.argv[4]), Context())
    ended = time.process_time()
# Not getrusage: what it says of a child is at least what its parent had when it was forked.
peak = int(re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1]) / 1024
print(json.dumps({"peak_mib": peak, "import_ms": (imported - started) * 1000, "run_ms": (ended - imported) * 1000}))
"""


def measure() -> dict[str, dict[str, float]]:
    """Returns {peak_mib, import_ms, run_ms} of each handler: of a job that succeeds and of one that is rolled back.

    On the stack that runs in this process.

    The milliseconds are the processor's, which other load on the machine does not add to.
    """
    found = {REFILL: run(REFILL, {})}
    for handlers in (FORWARD, (*FORWARD[:-1], *BACK)):
        job = {"job_id": f"memory-{uuid.uuid4().hex}"}
        found[VERIFY] = run(VERIFY, job | {"execution_arn": f"arn:{job['job_id']}", "payload": new_payload()})
        found |= {handler: run(handler, job) for handler in handlers}
    return found


def run(handler: str, event: dict[str, Any]) -> dict[str, float]:
    """Runs the handler in an interpreter of its own, in the settings that the stack has put into the environment."""
    command = [sys.executable, "-c", MEASURED, str(FUNCTIONS), str(FUNCTIONS.parent), handler, json.dumps(event)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 (our own)
    return {name: float(value) for name, value in json.loads(answer.stdout).items()}
