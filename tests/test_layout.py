import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from provisioning.stage import Service
from tests import shipped

MAY_IMPORT = {
    "cli": {"console", "local", "api", "stages", "upkeep", "provisioning"},
    "local": {"api", "stages", "upkeep", "provisioning"},
    "console": {"provisioning"},
    "api": {"provisioning"},
    "stages": {"provisioning"},
    "upkeep": {"provisioning"},
    "provisioning": set[str](),
}
"""What each layer may import apart from itself."""

LAYER = shipped.template()["Resources"]["ValidationLayer"]["Properties"]["ContentUri"]
PACKAGED = ("functions/requirements.txt", f"{LAYER}requirements.txt")
"""What is installed beside the functions' own code, and in the layer of the HTTP API's."""
LONGEST_FILE = 250
HASH = "    --hash=sha256:"
# Used by code that runs outside Lambda, or is not deployed.
NOT_IN_TEMPLATE = {
    "AWS_ENDPOINT_URL": "the laptop's stand-ins for AWS",
    "AWS_ACCESS_KEY_ID": "Lambda itself",
    "AWS_REGION": "Lambda itself",
}
# Included in Lambda's runtime.
BOTO3 = {"boto3", "botocore", "s3transfer", "python-dateutil", "six"}


def sources(layer: str) -> list[Path]:
    folder = (shipped.ROOT if layer in {"cli", "local", "console"} else shipped.FUNCTIONS) / layer
    return sorted(folder.rglob("*.py"))


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.partition(".")[0]


def run_at_import(node: ast.AST) -> Iterator[ast.AST]:
    """Everything that runs when the module is imported: all except the bodies of its functions."""
    for child in ast.iter_child_nodes(node):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and child in listed_body(node):
            continue
        yield child
        yield from run_at_import(child)


def listed_body(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> list[ast.AST]:
    return list(node.body) if isinstance(node.body, list) else [node.body]


def reads_environment(node: ast.AST) -> bool:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
        return (node.func.value.id, node.func.attr) in {
            ("os", "getenv"),
            ("configuration", "required"),
            ("configuration", "optional"),
        }
    return isinstance(node, ast.Attribute) and node.attr == "environ"


def pins(text: str) -> dict[str, str]:
    found = re.findall(r"^([A-Za-z0-9._-]+)==([^\s;]+)", text, re.MULTILINE)
    return {canonicalize_name(name): version for name, version in found}


def with_dependencies(names: set[str]) -> set[str]:
    """The packages with all of their dependencies on this Python."""
    found: set[str] = set()
    left = {canonicalize_name(name) for name in names}
    while left:
        name = left.pop()
        found.add(name)
        wanted = [Requirement(text) for text in requires(name) or []]
        needed = {canonicalize_name(one.name) for one in wanted if not one.marker or one.marker.evaluate({"extra": ""})}
        left |= needed - found
    return found


def module(source: Path) -> str:
    name = ".".join(source.relative_to(shipped.FUNCTIONS).with_suffix("").parts)
    return name.removesuffix(".__init__")


@pytest.mark.parametrize("layer", MAY_IMPORT)
def test_imports_run_one_way(layer: str) -> None:
    others = {*MAY_IMPORT, "tests", "bench"} - MAY_IMPORT[layer] - {layer}
    for source in sources(layer):
        assert not others & set(imported(ast.parse(source.read_text()))), source


@pytest.mark.parametrize("layer", MAY_IMPORT)
def test_a_source_file_fits_into_a_readers_head(layer: str) -> None:
    lengths = {source: len(source.read_text().splitlines()) for source in sources(layer)}
    assert {source: lines for source, lines in lengths.items() if lines > LONGEST_FILE} == {}


@pytest.mark.parametrize("layer", ["api", "stages", "upkeep", "provisioning"])
def test_nothing_reads_the_environment_when_it_is_imported(layer: str) -> None:
    for source in sources(layer):
        early = [node for node in run_at_import(ast.parse(source.read_text())) if reads_environment(node)]
        assert early == [], source


def test_the_check_of_imports_sees_an_early_read() -> None:
    early = "import os\nclass A:\n    x = os.environ['X']\ndef f(a=os.getenv('X')): ..."
    late = "import os\ndef f():\n    return os.environ['X']\ng = lambda: os.environ['X']"
    assert sum(reads_environment(node) for node in run_at_import(ast.parse(early))) == 2
    assert not any(reads_environment(node) for node in run_at_import(ast.parse(late)))


def test_all_handlers_are_imported_without_any_setting() -> None:
    modules = sorted({function["Handler"].rpartition(".")[0] for function in shipped.functions().values()})
    program = "import " + ", ".join(modules)
    environment = {"PYTHONPATH": str(shipped.FUNCTIONS)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("layer", ["stages", "upkeep"])
def test_a_file_of_handlers_begins_with_one(layer: str) -> None:
    handlers = {function["Handler"] for function in shipped.functions().values()}
    for source in sources(layer):
        if source.name != "__init__.py":
            defined = [node.name for node in ast.parse(source.read_text()).body if isinstance(node, ast.FunctionDef)]
            assert f"{module(source)}.{defined[0]}" in handlers, source


def test_what_the_functions_read_is_what_the_template_sets() -> None:
    text = "\n".join(
        source.read_text() for layer in ("api", "stages", "upkeep", "provisioning") for source in sources(layer)
    )
    read = set(re.findall(r"configuration\.(?:required|optional)\(\s*[\"'](\w+)[\"']", text))
    settings = ("URL", "ADAPTER", "PUBLIC_URL")
    read |= {f"{service.upper()}_SERVICE_{setting}" for service in Service for setting in settings}
    given = set(shipped.template()["Globals"]["Function"]["Environment"]["Variables"])
    for function in shipped.functions().values():
        given |= set(function.get("Environment", {}).get("Variables", {}))
    assert read - given == set(NOT_IN_TEMPLATE) & read
    assert {name for name in given - read if not name.startswith("POWERTOOLS_")} == set()


def test_lambda_gets_the_versions_that_were_tested() -> None:
    locked = pins((shipped.ROOT / "requirements.lock").read_text())
    for file in PACKAGED:
        packaged = pins((shipped.ROOT / file).read_text())
        assert packaged == {name: locked[name] for name in packaged}


def test_lambda_gets_all_that_the_functions_need_and_nothing_its_runtime_brings() -> None:
    project = tomllib.loads((shipped.ROOT / "pyproject.toml").read_text())["project"]
    declared = {Requirement(text).name for text in project["dependencies"]}
    needed = with_dependencies(declared - {"boto3"})
    assert set(pins((shipped.FUNCTIONS / "requirements.txt").read_text())) == needed
    assert not needed & BOTO3
    extra = project["optional-dependencies"]["api"]
    layer = set(pins((shipped.ROOT / LAYER / "requirements.txt").read_text()))
    assert layer == with_dependencies({Requirement(text).name for text in extra})
    # In the functions' own code it would be loaded by all of them.
    assert layer & needed == {"typing-extensions"}


def test_what_is_imported_is_declared() -> None:
    project = tomllib.loads((shipped.ROOT / "pyproject.toml").read_text())["project"]
    runtime = {canonicalize_name(Requirement(text).name) for text in project["dependencies"]}
    api, local, console = (
        {canonicalize_name(Requirement(text).name) for text in project["optional-dependencies"][group]}
        for group in ("api", "local", "console")
    )
    by_module = packages_distributions()
    for layer, declared in (
        ("provisioning", runtime),
        ("api", runtime | api),
        ("stages", runtime),
        ("upkeep", runtime),
        ("cli", runtime | local),
        ("local", runtime | local),
        ("console", runtime | console),
    ):
        modules = {name for source in sources(layer) for name in imported(ast.parse(source.read_text()))}
        for name in modules - sys.stdlib_module_names - set(MAY_IMPORT):
            # Only types, behind TYPE_CHECKING, or dependencies of boto3.
            if not name.startswith("mypy_boto3") and name != "botocore":
                assert {canonicalize_name(one) for one in by_module[name]} & declared, (layer, name)


def test_every_package_that_ships_is_locked_by_its_hashes() -> None:
    """pip then takes no other file: its documentation, "Secure installs". scripts/build requires it."""
    text = "".join((shipped.ROOT / file).read_text() for file in PACKAGED)
    packages = re.split(r"^(?=[a-z])", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE), flags=re.MULTILINE)[1:]
    assert len(packages) > 10
    assert all(re.search(rf"^{HASH}[0-9a-f]{{64}}( \\)?$", one, re.MULTILINE) for one in packages)
    build = (shipped.ROOT / "scripts" / "build").read_text()
    assert "--require-hashes" in build
    assert "PIP_NO_INDEX=1" in build


@pytest.mark.parametrize(
    "file", ["requirements.lock", "requirements-sam.lock", "requirements-ecosystem.lock", *PACKAGED]
)
def test_a_lock_pins_everything_and_names_no_place_to_get_it_from(file: str) -> None:
    lines = [
        line.removesuffix(" \\").partition(" ;")[0]
        for line in (shipped.ROOT / file).read_text().splitlines()
        if not line.startswith(("#", HASH))
    ]
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+(\[[a-z,-]+\])?==[A-Za-z0-9.+!]+", line)] == []
