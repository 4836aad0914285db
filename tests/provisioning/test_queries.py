"""How a module's .sql file is read: a marker and a name before each query, and the types of its parameters."""

from pathlib import Path

import pytest
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from provisioning import queries
from provisioning.postgres import composed
from provisioning.queries import Query


@pytest.fixture
def module(tmp_path: Path) -> Path:
    """The path of a module whose .sql file a test writes."""
    return tmp_path / "module.py"


def write(module: Path, text: str) -> None:
    module.with_suffix(".sql").write_text(text)


def test_each_marker_begins_a_query_that_ends_at_the_next(module: Path) -> None:
    write(module, "-- About the file.\n\n-- name: find_one\nSELECT 1;\n\n-- name: find_two\n-- A comment.\nSELECT 2;\n")
    found = queries.load(str(module))
    assert {name: query.text.strip() for name, query in found.items()} == {
        "find_one": "SELECT 1;",
        "find_two": "-- A comment.\nSELECT 2;",
    }
    assert [(name, query.name, query.parameters) for name, query in found.items()] == [
        ("find_one", "find_one", ()),
        ("find_two", "find_two", ()),
    ]


def test_typed_parameters_are_those_of_the_marker_in_its_order(module: Path) -> None:
    write(module, "-- name: find_job (job_id text, at timestamptz)\nSELECT %(job_id)s, %(at)s;\n")
    assert queries.load(str(module))["find_job"].parameters == ("job_id text", "at timestamptz")


def test_a_query_may_be_several_statements(module: Path) -> None:
    write(module, "-- name: record_both\nSELECT 1;\n\nSELECT 2;\n")
    assert queries.load(str(module))["record_both"].text == "SELECT 1;\n\nSELECT 2;\n"


def test_a_marker_within_a_line_is_none(module: Path) -> None:
    write(module, "-- name: find_one\nSELECT '-- name: find_two\n'; -- name: find_three\n")
    assert list(queries.load(str(module))) == ["find_one"]


def test_a_name_that_stands_there_twice_is_refused(module: Path) -> None:
    write(module, "-- name: find_one\nSELECT 1;\n-- name: find_two\nSELECT 2;\n-- name: find_one\nSELECT 3;\n")
    with pytest.raises(ValueError, match=r"^module\.sql has the query find_one twice$"):
        queries.load(str(module))


def test_a_module_may_load_a_file_of_another_name_beside_it(module: Path) -> None:
    module.with_name("package.sql").write_text("-- name: find_one\nSELECT 1;\n")
    assert list(queries.load(str(module), "package.sql")) == ["find_one"]


def test_composed_queries_are_one_message_with_each_name_replaced(superuser: Connection) -> None:
    one, two = Query("one", "SELECT {value};\n"), Query("two", "SELECT {value} AS {name};\n")
    message = composed(one, two, value="it's", name=sql.Identifier('a"b'))
    assert message.as_string(superuser) == "SELECT 'it''s';\nSELECT 'it''s' AS \"a\"\"b\";\n"
