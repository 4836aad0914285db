"""The conventions of the .sql files: the owner of a file, the meaning of a query's verb, and the use of every query."""

import ast
import functools
import importlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType

import pytest

from provisioning.control_plane.prepared_statements import PARAMETER
from provisioning.ledger import attempt
from provisioning.queries import Query
from tests import shipped

FILES = shipped.sql_files()
MODULES = sorted(shipped.FUNCTIONS.rglob("*.py"))
ALL = [pytest.param(query, id=f"{file.stem}.{name}") for file, found in FILES.items() for name, query in found.items()]

WRITES = r"\b(INSERT INTO|UPDATE (?!SKIP)\w+|DELETE FROM)\b"
DEFINES = r"\b(CREATE|ALTER|DROP|GRANT|REVOKE|TRUNCATE)\b"
LOCKS = r"pg_(try_)?advisory|\bFOR UPDATE\b|\bLOCK TABLE\b"
TERMINATES = r"pg_terminate_backend"

MEANING = {
    "find": ("SELECT", f"{WRITES}|{DEFINES}|{LOCKS}|{TERMINATES}|set_config"),
    "claim": (WRITES, f"{DEFINES}|{TERMINATES}"),
    "record": (rf"{WRITES}|set_config", f"{DEFINES}|{TERMINATES}|{LOCKS}"),
    "forget": (r"\bDELETE FROM\b", f"{DEFINES}|{TERMINATES}|INSERT|UPDATE"),
    "lock": (LOCKS, f"{WRITES}|{DEFINES}|{TERMINATES}"),
    "unlock": (r"pg_advisory_unlock\(", f"{WRITES}|{DEFINES}|{TERMINATES}"),
    "release": ("pg_advisory_unlock_all", f"{WRITES}|{DEFINES}|{TERMINATES}"),
    "end_sessions_of": (TERMINATES, f"{WRITES}|{DEFINES}"),
    "make": (r"\bCREATE\b", f"{TERMINATES}|DROP|DELETE FROM"),
    "drop": (r"\bDROP\b|pg_drop_replication_slot", f"{WRITES}|CREATE|{TERMINATES}"),
    "open": (r"\bALTER\b|CREATE POLICY", f"{WRITES}|DROP|{TERMINATES}"),
    "close": (r"\bALTER\b", f"{WRITES}|CREATE|DROP|{TERMINATES}"),
    "join": (r"^GRANT .* TO CURRENT_USER", f"{WRITES}|CREATE|DROP|{TERMINATES}"),
    "leave": (r"^REVOKE .* FROM CURRENT_USER", f"{WRITES}|CREATE|DROP|{TERMINATES}"),
    "revoke": (r"^REVOKE .* ON DATABASE .* FROM ", rf"{WRITES}|\b(CREATE|ALTER|DROP|GRANT|TRUNCATE)\b|{TERMINATES}"),
    "grant": (r"^GRANT .* ON DATABASE .* TO ", rf"{WRITES}|\b(CREATE|ALTER|DROP|REVOKE|TRUNCATE)\b|{TERMINATES}"),
    "lend": (r"^GRANT .* TO .* WITH INHERIT TRUE", f"{WRITES}|CREATE|ALTER|DROP|REVOKE|{TERMINATES}"),
    "give": (
        r"^(GRANT .* TO .* WITH ADMIN OPTION|SELECT register\.give_)",
        f"{WRITES}|CREATE|ALTER|DROP|REVOKE|{TERMINATES}",
    ),
    "take_back": (r"^(REVOKE .* FROM|GRANT .* WITH INHERIT FALSE)", f"{WRITES}|CREATE|ALTER|DROP|{TERMINATES}"),
    "prepare": (DEFINES, f"{WRITES}|DROP|{TERMINATES}"),
    "begin": ("^BEGIN;$", DEFINES),
    "begin_reading": ("^BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY;$", DEFINES),
    "commit": ("^COMMIT;$", DEFINES),
    "rollback": ("^ROLLBACK;$", DEFINES),
    "rollback_prepared": ("^ROLLBACK PREPARED ", f"{WRITES}|{DEFINES}|{TERMINATES}"),
}
"""What the statements of each verb must contain, and what they must not."""


def code(query: Query) -> str:
    """The statements of a query without comments and string literals."""
    text = re.sub(r"--.*", "", query.text)
    return re.sub(r"'(?:[^']|'')*'", "''", text).strip()


def verb(name: str) -> str:
    return max((one for one in MEANING if name == one or name.startswith(f"{one}_")), key=len, default="")


def placeholders(query: Query) -> set[str]:
    named = "%(name)s" if PARAMETER.search(query.text) else ""
    braced = "{name}" if re.search(r"(?<!\{)\{\w+\}(?!\})", query.text) else ""
    return {named, braced} - {""}


@functools.cache
def parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text())


def module_name(file: Path) -> str:
    return ".".join(file.relative_to(shipped.FUNCTIONS).with_suffix("").parts)


@functools.cache
def loaded(file: Path) -> list[str]:
    """The files that a module loads queries from; "" is its own."""
    calls = [
        node
        for node in ast.walk(parsed(file))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "queries.load"
    ]
    return [str(ast.literal_eval(call.args[1])) if call.args[1:] else "" for call in calls]


def uses(file: Path) -> Iterator[tuple[str, Mapping[str, Query]]]:
    """The queries that a module names as QUERIES["…"], each with the expression that holds the queries."""
    module = importlib.import_module(module_name(file))
    for node in ast.walk(parsed(file)):
        if isinstance(node, ast.Subscript) and ast.unparse(node.value).rpartition(".")[2] == "QUERIES":
            owner = ast.unparse(node.value).rpartition(".")[0]
            if isinstance(node.slice, ast.Constant):
                yield str(node.slice.value), (getattr(module, owner) if owner else module).QUERIES


@functools.cache
def constants(file: Path) -> set[str]:
    return {
        node.value for node in ast.walk(parsed(file)) if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def knows(module_file: Path, file: Path) -> bool:
    """Return whether a module can name the queries of a file, as its own QUERIES or as those of a module it imports."""
    module = importlib.import_module(module_name(module_file))
    around = [module, *(value for value in vars(module).values() if isinstance(value, ModuleType))]
    return any(getattr(one, "QUERIES", None) == FILES[file] for one in around)


def sent_by_one_module(file: Path) -> bool:
    own = file.with_suffix(".py")
    return own.exists() and set(FILES[file]) <= constants(own)


def in_order_of_use(file: Path) -> list[str]:
    """The queries of a file in the order in which its module's functions, from the first on, use them."""
    tree = parsed(file.with_suffix(".py"))
    functions: dict[str, list[ast.FunctionDef]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            functions.setdefault(node.name, []).append(node)
    entered: set[ast.AST] = set()

    def follow(node: ast.AST) -> Iterator[str]:
        if isinstance(node, ast.FunctionDef):
            if node in entered:
                return
            entered.add(node)
        if isinstance(node, ast.Constant) and node.value in FILES[file]:
            yield str(node.value)
        # A call comes after its arguments.
        for child in ast.iter_child_nodes(node):
            yield from follow(child)
        if isinstance(node, ast.Call):
            for called in functions.get(ast.unparse(node.func).rpartition(".")[2], []):
                yield from follow(called)

    return list(dict.fromkeys(follow(tree)))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_file_belongs_to_the_module_or_the_package_of_its_name(file: Path) -> None:
    assert file.with_suffix(".py").exists() or file.stem == file.parent.name
    assert file.stem in [(name.removesuffix(".sql") or one.stem) for one in MODULES for name in loaded(one)]


@pytest.mark.parametrize("file", MODULES, ids=module_name)
def test_a_module_sends_the_queries_of_one_file(file: Path) -> None:
    assert len(loaded(file)) <= 1


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_file_has_one_placeholder_language_and_says_which(file: Path) -> None:
    found = set().union(*(placeholders(query) for query in FILES[file].values()))
    head = file.read_text().partition("-- name: ")[0]
    assert [language for language in ("%(name)s", "{name}") if f"Placeholders are {language}" in head] == list(found)


@pytest.mark.parametrize("query", ALL)
def test_a_query_does_what_its_verb_says(query: Query) -> None:
    must, never = MEANING[verb(query.name)]
    assert re.search(must, code(query), re.MULTILINE)
    assert not re.search(never, code(query))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("find_job", "WITH changed AS (UPDATE control_plane.jobs SET status = '' RETURNING *) SELECT * FROM changed;"),
        ("find_job", "DELETE FROM control_plane.jobs RETURNING job_id;"),
        ("find_job", "SELECT pg_terminate_backend(1);"),
        ("find_held", "SELECT pg_try_advisory_lock(1);"),
        ("claim_stage", "UPDATE x SET y = 1 RETURNING pg_terminate_backend(1);"),
        ("record_success", "SELECT 1;"),
        ("forget_keys", "UPDATE keys SET hidden = true;"),
        ("end_sessions_of_slots", "SELECT 1;"),
        ("make_roles", "SELECT 'CREATE ROLE x';"),
        ("revoke_connect", "GRANT CONNECT ON DATABASE x TO y;"),
        ("revoke_connect", "REVOKE x FROM y;"),
        ("revoke_all", "REVOKE ALL ON DATABASE x FROM y; ALTER ROLE y NOLOGIN;"),
        ("grant_privilege", "REVOKE ALL ON DATABASE x FROM y; GRANT CONNECT ON DATABASE x TO y;"),
        ("grant_privilege", "GRANT x TO y;"),
        ("rollback_prepared", "ROLLBACK;"),
        ("rollback", "ROLLBACK PREPARED 'x';"),
    ],
)
def test_the_check_of_verbs_sees_a_query_that_does_something_else(name: str, text: str) -> None:
    must, never = MEANING[verb(name)]
    statements = code(Query(name, text))
    assert not re.search(must, statements, re.MULTILINE) or re.search(never, statements)


@pytest.mark.parametrize("query", [one for one in ALL if one.values[0].parameters])  # type: ignore[union-attr]
def test_a_prepared_query_is_one_statement_of_its_typed_parameters(query: Query) -> None:
    assert code(query).count(";") == 1
    assert set(PARAMETER.findall(query.text)) == {parameter.split(" ", 1)[0] for parameter in query.parameters}


def test_no_two_prepared_queries_have_one_name() -> None:
    names = [query.name for found in FILES.values() for query in found.values() if query.parameters]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("file", MODULES, ids=module_name)
def test_every_use_of_a_query_names_one_that_exists(file: Path) -> None:
    assert [name for name, known in uses(file) if name not in known] == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_query_is_used(file: Path) -> None:
    assert set(FILES[file]) - {name for one in MODULES if knows(one, file) for name in constants(one)} == set()


def test_every_query_of_the_completion_of_a_job_exists() -> None:
    (ledger,) = (found for file, found in FILES.items() if file.name == "ledger.sql")
    assert attempt.COMPLETION
    assert set(attempt.COMPLETION) <= set(ledger)


@pytest.mark.parametrize("file", [file for file in FILES if sent_by_one_module(file)], ids=lambda file: file.stem)
def test_queries_stand_in_the_order_of_use(file: Path) -> None:
    assert list(FILES[file]) == [name for name in in_order_of_use(file) if name in FILES[file]]
