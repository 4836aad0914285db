"""What importing a handler loads. Counted in modules, because milliseconds depend on the machine."""

import functools
import os
import subprocess
import sys
from pathlib import Path

import pytest

from provisioning.jobs import registry
from tests import shipped

FUNCTIONS = Path(__file__).parents[1] / "functions"

POWERTOOLS = {"aws_lambda_powertools", "botocore", "jmespath", "typing_extensions"}
"""botocore and jmespath come with Powertools, of botocore only the outermost module: no client is created."""

LOGGING = POWERTOOLS | {"provisioning.configuration", "provisioning.errors", "provisioning.error_types"}
LOGGING |= {"provisioning.observability", "provisioning.redaction"}


def of(package: str, *modules: str) -> set[str]:
    """The modules of a package, and the package itself."""
    return {f"provisioning.{package}", *(f"provisioning.{package}.{module}" for module in modules)}


POSTGRES = of("aws", "documents", "secrets", "secrets_manager") | {
    "psycopg2",
    "provisioning.postgres",
    "provisioning.queries",
}
CONTROL_PLANE = of("control_plane", "connection", "locks", "prepared_statements", "records")
LEDGER = CONTROL_PLANE | of("ledger", "attempt", "job", "rollback", "runner")
LEDGER |= {"provisioning.identity", "provisioning.stage"}
EVERY_ATTEMPT = LOGGING | POSTGRES | LEDGER
EVERY_STAGE = EVERY_ATTEMPT | {"provisioning.handler", "provisioning.needs"}
SCHEMA = of("cluster", "creators", "session") | of("tenant", "extensions", "schema", "schema_files")
MAKING = SCHEMA | of("cluster", "register") | of("tenant", "making", "secret")
HOLDING = SCHEMA | of("tenant", "holding")
WITNESS = HOLDING | of("cluster", "register") | of("ledger", "witness")
REMOVING = MAKING | HOLDING | of("tenant", "removing")
SERVICES = of("services", "adapter", "addresses", "client", "database_tls", "tenant_database")
"""And no adapter: the settings say which one to use."""

REGISTRATIONS = SERVICES | of("services", "registrations")
DECLARATIONS = of("jobs", "calls", "declaration", "payload", "registry", "rules", *map(str, registry.DECLARATIONS))
"""The declarations of all job types, for a stage that serves several."""

SUSPENSIONS = of("tenant", "suspensions")
ACCESS = MAKING | SUSPENSIONS | of("tenant", "access", "emptying", "gate", "restoring")
ACCESS |= of("cluster", "acting", "blocking", "entering", "prepared")
EXPORTS = (
    REMOVING
    | of("aws", "objects")
    | of("tenant", "dependencies")
    | of("exports", "leftovers", "login", "names", "records")
)
EXPORTS |= of("cluster", "acting", "blocking", "entering", "prepared")
API_KEYS = of("tenant", "api_keys") | {"hashlib", "secrets"}

ALLOWED = {
    "upkeep.deployment_step": LOGGING | {"urllib3", "hashlib"},
    "upkeep.migrate": LOGGING
    | POSTGRES
    | of("control_plane", "connection", "prepared_statements", "records")
    | {"yoyo", "importlib_metadata", "lazy_importer", "sqlparse", "uuid", "hashlib"},
    "stages.database": EVERY_STAGE | REMOVING | WITNESS,
    "stages.schema": EVERY_STAGE | MAKING,
    "stages.access": EVERY_STAGE | ACCESS | WITNESS | SERVICES | DECLARATIONS,
    "stages.activation": EVERY_STAGE | SCHEMA | of("cluster", "register") | SERVICES | API_KEYS | DECLARATIONS,
    "stages.api_keys": EVERY_STAGE | of("tenant", "secret") | API_KEYS,
    "stages.failure": EVERY_STAGE | HOLDING | {"provisioning.endings", "provisioning.execution"},
    "stages.export": EVERY_STAGE | EXPORTS | SERVICES | of("exports", "contents", "dump", "exporting") | {"hashlib"},
    "stages.services": EVERY_STAGE | WITNESS | REGISTRATIONS | SUSPENSIONS | DECLARATIONS,
    "stages.project": EVERY_STAGE
    | HOLDING
    | DECLARATIONS
    | of("jobs", "eligibility", "opening", "quotas", "reused_names"),
    "upkeep.reconcile": EVERY_ATTEMPT
    | EXPORTS
    | REGISTRATIONS
    | of("services", "repairs")
    | of("tenant", "key_claims", "key_delivery")
    | of("requests", "caller", "refusals", "remembering")
    | DECLARATIONS
    | {"provisioning.events"}
    | of("cluster", "acting", "blocking", "closing", "entering", "prepared", "repair", "shared_roles")
    | of("cluster", "connections", "keeper", "preparation")
    | of("examination", "clusters", "examining", "known", "recording", "roles", "server", "tenants")
    | of("tenant", "condition")
    | {"dataclasses"},
    "upkeep.deliver_events": EVERY_STAGE
    | DECLARATIONS
    | of("aws", "event_bus")
    | {"provisioning.delivery", "provisioning.events", "dataclasses"},
    "upkeep.old_versions": EVERY_ATTEMPT,
    "upkeep.stopped_executions": EVERY_ATTEMPT
    | DECLARATIONS
    | of("ledger", "stopping")
    | {"provisioning.endings", "provisioning.execution"},
    "upkeep.refill_pools": EVERY_ATTEMPT | REMOVING | of("tenant", "condition", "inspection", "pool") | {"dataclasses"},
}
LISTED_OF_PYTHON = {"dataclasses", "hashlib", "secrets", "uuid"}
"""Modules of Python's own library that take a millisecond or more to import and are not in the floor
(bench/imports.py). Creating a frozen dataclass takes a quarter of a millisecond, seven times as long as a NamedTuple of
the same fields.
"""

NEVER_AT_IMPORT = {"boto3", "botocore.client", "botocore.session", "jsonschema", "fastjsonschema", "psycopg2.extras"}


@functools.cache
def imported(module: str) -> set[str]:
    """Return the modules of installed packages and of this repository that a fresh interpreter then has."""
    program = (
        "import sys; before = set(sys.modules); sys.path.insert(0, sys.argv[1]); __import__(sys.argv[2]);"
        "print(*(name for name, module in sys.modules.items() if name not in before and ("
        " 'site-packages' in (getattr(module, '__file__', '') or '') or sys.argv[1] in (getattr(module, '__file__', '')"
        f" or '') or name in {LISTED_OF_PYTHON})))"
    )
    command = [sys.executable, "-c", program, str(FUNCTIONS), module]
    return set(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())


def named(module: str) -> str:
    """Modules of this repository count individually, others by package."""
    own = module.startswith(("provisioning.", "stages.", "upkeep."))
    return module if own else module.partition(".")[0]


def test_every_handler_of_the_template_has_its_list() -> None:
    handlers = {function["Handler"].rpartition(".")[0] for function in shipped.functions().values()}
    # That of the HTTP API has its own file, tests/api/test_imports.py.
    assert set(ALLOWED) | {"api.requests"} == handlers


@pytest.mark.parametrize("module", ALLOWED)
def test_a_handler_imports_what_is_on_its_list_and_no_more(module: str) -> None:
    found = imported(module)
    assert {named(one) for one in found} - {"provisioning", "stages", "upkeep", module} <= ALLOWED[module]
    if module != "upkeep.migrate":
        assert not found & NEVER_AT_IMPORT


@pytest.mark.parametrize("module", ALLOWED)
def test_a_list_has_nothing_that_its_handler_does_not_import(module: str) -> None:
    assert ALLOWED[module] <= {named(one) for one in imported(module)}


@pytest.mark.parametrize("module", ALLOWED)
def test_importing_a_handler_connects_to_nothing_that_a_snapshot_would_share(module: str) -> None:
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); seen = []; sys.addaudithook(lambda name, _: seen.append(name));"
        "__import__(sys.argv[2]);"
        "print(*{'socket.connect', 'socket.getaddrinfo', 'subprocess.Popen'}.intersection(seen))"
    )
    command = [sys.executable, "-c", program, str(FUNCTIONS), module]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout.split() == []


def test_the_client_of_secrets_manager_is_made_without_boto3() -> None:
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); from provisioning.aws import secrets_manager;"
        "secrets_manager.client(); print(*{'boto3', 'botocore.client'}.intersection(sys.modules))"
    )
    command = [sys.executable, "-c", program, str(FUNCTIONS)]
    account = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "us-east-1"}
    made = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ | account)
    assert made.stdout.split() == ["botocore.client"]
