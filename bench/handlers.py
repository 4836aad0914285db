"""The handlers of a job type, as its declaration, its state machine and the template name them."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from local.lambda_environment import Handler, load_handler
from local.template import read_template
from provisioning.jobs.declaration import Declaration
from provisioning.jobs.registry import job_type_of


def stages(declared: Declaration) -> dict[str, Handler]:
    """Return the handlers of the happy path in their order, by the name of the state."""
    template = read_template()
    handlers = {function.resource: function.handler for function in template.functions}
    (machine,) = (one for one in template.state_machines if job_type_of(_arn(one.name)) == declared.job_type)
    found = dict(_handlers(json.loads(machine.definition(handlers))))
    return {state: load_handler(found[state]) for state in declared.states.values()}


def _handlers(machine: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, state in machine["States"].items():
        if isinstance(function := state.get("Parameters", {}).get("FunctionName"), str):
            yield name, function
        for branch in state.get("Branches", ()):
            yield from _handlers(branch)


def _arn(name: str) -> str:
    return f"arn:aws:states:us-east-1:123456789012:stateMachine:{name}"
