"""Let moto's interpreter parse a state machine's definition once, not for every execution and every path.

Parsing the definition of a job type takes longer than everything else that moto does for an execution of it. The cache
holds what the parsers return before anything is evaluated; each execution gets its own program.
"""

import functools
import pickle
import threading
from contextlib import ExitStack
from typing import Any
from unittest.mock import patch

from moto.stepfunctions.parser.asl.component.common.path import result_path
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser
from moto.stepfunctions.parser.asl.utils import json_path


def install() -> ExitStack:
    """Cache what is parsed from here on, until the result is closed."""
    undo = ExitStack()
    undo.enter_context(patch.object(AmazonStateLanguageParser, "parse", staticmethod(_parse_once())))
    for module in (json_path, result_path):
        undo.enter_context(patch.object(module, "parse", functools.cache(vars(module)["parse"])))
    return undo


def _parse_once() -> Any:
    read, known, lock = AmazonStateLanguageParser.parse, dict[str, tuple[bytes, Any]](), threading.Lock()

    def parse(definition: str) -> tuple[Any, Any]:
        with lock:
            if definition not in known:
                program, tree = read(definition)
                known[definition] = pickle.dumps(program), tree
        # An execution writes into its program. Unpickling one takes a twentieth of the time to build it from the tree.
        pickled, tree = known[definition]
        return pickle.loads(pickled), tree  # noqa: S301 (it has never left this process)

    return parse
