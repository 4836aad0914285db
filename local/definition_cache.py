"""Lets moto's interpreter read a state machine's definition once, instead of anew for every execution and every path.

Reading the definition of "provision_project" takes longer than everything else that moto does for an execution of it.
What is kept is what the parsers return before anything is evaluated; each execution still builds its own program.
"""

import functools
import threading
from contextlib import ExitStack
from typing import Any
from unittest.mock import patch

from moto.stepfunctions.parser.asl.component.common.path import result_path
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser
from moto.stepfunctions.parser.asl.parse.preprocessor import Preprocessor
from moto.stepfunctions.parser.asl.utils import json_path


def install() -> ExitStack:
    """Keeps what is read from here on, until the result is closed."""
    undo = ExitStack()
    undo.enter_context(patch.object(AmazonStateLanguageParser, "parse", staticmethod(_parse_once())))
    for module in (json_path, result_path):
        undo.enter_context(patch.object(module, "parse", functools.cache(vars(module)["parse"])))
    return undo


def _parse_once() -> Any:
    read, trees, lock = AmazonStateLanguageParser.parse, dict[str, Any](), threading.Lock()

    def parse(definition: str) -> tuple[Any, Any]:
        with lock:
            tree = trees.get(definition)
            if tree is None:
                program, trees[definition] = read(definition)
                return program, trees[definition]
        return Preprocessor().visit(tree), tree

    return parse
