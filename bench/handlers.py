"""The handlers of a job type, as its declaration, its state machine and the template name them."""

import functools
import json
from collections.abc import Iterator, Mapping
from typing import Any

from local.lambda_environment import Handler, load_handler
from local.template import read_template
from provisioning.jobs.declaration import JobType
from provisioning.jobs.registry import DECLARATIONS


@functools.cache
def stages(job_type: JobType) -> dict[str, Handler]:
    """Return the handlers of the happy path in their order, by the name of the state."""
    template = read_template()
    handlers = {function.resource: function.handler for function in template.functions}
    (machine,) = (one for one in template.state_machines if one.file.name == f"{job_type}.asl.yaml")
    found = dict(_handlers(json.loads(machine.definition(handlers))))
    return {state: load_handler(found[state]) for state in DECLARATIONS[job_type].states.values()}


def _handlers(machine: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, state in machine["States"].items():
        if isinstance(function := state.get("Parameters", {}).get("FunctionName"), str):
            yield name, function
        for branch in state.get("Branches", ()):
            yield from _handlers(branch)
