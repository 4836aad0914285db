"""Services are listed in provisioning.stage.Service and adapters in ADAPTERS; every other list of them agrees."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.core import TyperGroup

from cli import doctor
from cli.app import app
from provisioning import services
from provisioning.services import ADAPTERS, DEFAULT_ADAPTER, adapter_class, adapters_of
from provisioning.services.adapter import Adapter
from provisioning.stage import Service, Stage
from tests import shipped
from tests.stages.jobs import REGISTER
from tests.stages.native_apis import APIS, SERVES

FOLDER = Path(str(services.__file__)).parent
SHARED = {
    "__init__",
    "adapter",
    "addresses",
    "answers",
    "client",
    "database_tls",
    "json_web_token",
    "registrations",
    "repairs",
    "tenant_database",
    "timed_connections",
}
"""The modules in the adapters' folder that are not adapters."""

EVENTS = sorted((shipped.ROOT / "events").rglob("*.json"))
OPERATIONS = shipped.ROOT / "docs" / "operations.md"
SETTINGS = {"Url": "URL", "Adapter": "ADAPTER", "PublicUrl": "PUBLIC_URL"}
"""The end of a parameter's name and of its variable's, each after the service."""


def parameters() -> dict[str, Any]:
    return dict(shipped.template()["Parameters"])


def allowed(service: Service) -> list[str]:
    """The adapters that the template offers for a service, the default first."""
    return list(parameters()[f"{service.capitalize()}ServiceAdapter"]["AllowedValues"])


def asked_for(document: object) -> Iterator[dict[str, bool]]:
    """Every `services` object of a document, at any depth."""
    if isinstance(document, dict):
        if isinstance(document.get("services"), dict):
            yield document["services"]
        for below in document.values():
            yield from asked_for(below)


@pytest.mark.parametrize("name", ADAPTERS)
def test_an_adapter_is_a_class_in_a_file_of_its_own(name: str) -> None:
    assert issubclass(adapter_class(name), Adapter)
    assert adapter_class(name).__module__ == f"provisioning.services.{name.replace('-', '_')}"


def test_every_file_of_an_adapter_is_in_the_list() -> None:
    files = {source.stem for source in FOLDER.glob("*.py")} - SHARED
    assert files == {target.partition(".")[0] for target in ADAPTERS.values()}


def test_no_other_module_of_the_functions_names_an_adapter() -> None:
    quoted = re.compile("|".join(f"[\"'`]{name}[\"'`]" for name in ADAPTERS))
    own = {FOLDER / f"{target.partition('.')[0]}.py" for target in ADAPTERS.values()} | {FOLDER / "__init__.py"}
    sources = set(shipped.FUNCTIONS.rglob("*.py")) - own
    assert [source for source in sorted(sources) if quoted.search(source.read_text())] == []


def test_an_adapter_is_imported_where_the_settings_name_it_and_not_with_the_list() -> None:
    program = "import sys; sys.path.insert(0, sys.argv[1]); import provisioning.services; print(*sys.modules)"
    command = [sys.executable, "-c", program, str(shipped.FUNCTIONS)]
    imported = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    files = {f"provisioning.services.{target.partition('.')[0]}" for target in ADAPTERS.values()}
    assert files & set(imported) == set()


def test_the_template_offers_every_adapter_and_no_other() -> None:
    assert {name for service in Service for name in allowed(service)} == set(ADAPTERS)


@pytest.mark.parametrize("service", Service)
def test_the_template_offers_a_service_no_adapter_that_is_not_for_it(service: Service) -> None:
    assert set(allowed(service)) <= set(adapters_of(service))
    assert adapters_of(service)[0] == DEFAULT_ADAPTER


@pytest.mark.parametrize("service", Service)
def test_a_stack_can_be_started_with_every_setting_of_every_service(service: Service) -> None:
    command = typer.main.get_command(app)
    assert isinstance(command, TyperGroup)
    options = {one for parameter in command.commands["up"].params for one in parameter.opts}
    assert options >= {f"--{service}-{setting}" for setting in ("url", "adapter", "token-file", "public-url")}


@pytest.mark.parametrize("service", Service)
def test_the_template_has_the_default_adapter_first_for_every_service(service: Service) -> None:
    assert allowed(service)[0] == DEFAULT_ADAPTER == parameters()[f"{service.capitalize()}ServiceAdapter"]["Default"]


def test_the_template_has_the_settings_of_the_services_and_of_no_others() -> None:
    found = {name for name in parameters() if re.search(r"Service(Url|Adapter|PublicUrl)$", name)}
    assert found == {f"{service.capitalize()}Service{setting}" for service in Service for setting in SETTINGS}


@pytest.mark.parametrize("service", Service)
def test_a_function_reads_each_setting_from_the_parameter_of_its_name(service: Service) -> None:
    given = shipped.template()["Globals"]["Function"]["Environment"]["Variables"]
    for setting, variable in SETTINGS.items():
        expected = {"Ref": f"{service.capitalize()}Service{setting}"}
        assert given[f"{service.upper()}_SERVICE_{variable}"] == expected


def test_the_payload_may_name_every_service_and_no_other() -> None:
    schema = json.loads((shipped.FUNCTIONS / "provisioning/jobs/provision_project.schema.json").read_text())
    assert set(schema["properties"]["services"]["properties"]) == set(Service)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.stem)
def test_an_example_names_no_service_that_there_is_not(event: Path) -> None:
    assert {name for found in asked_for(json.loads(event.read_text())) for name in found} <= set(Service)


def test_the_full_example_of_a_payload_names_every_service() -> None:
    payload = json.loads((shipped.ROOT / "events" / "provision_project.json").read_text())
    assert set(payload["services"]) == set(Service)


def test_the_documented_payload_and_result_have_every_service() -> None:
    text = (shipped.ROOT / "docs" / "payload.md").read_text()
    shown = [json.loads(found) for found in re.findall(r'"services": (\{[^{}]*\}),', text)]
    assert [set(found) for found in shown] == [set(Service)] * len(shown) != []


def test_every_service_has_a_stage_of_its_own() -> None:
    registering = {stage for stage in Stage if stage.startswith("registering_")}
    assert {service.stage for service in Service} == registering


def test_every_service_has_its_handler_and_its_event() -> None:
    handlers = {function["Handler"] for function in shipped.functions().values()}
    assert {f"stages.services.register_{service}" for service in Service} <= handlers
    events = {event.stem for event in EVENTS if event.stem.startswith("register_")}
    assert events == {f"register_{service}" for service in Service}


def test_doctor_requires_the_address_of_every_service() -> None:
    assert {name for name in doctor.REQUIRED if name.endswith("_SERVICE_URL")} == {
        f"{service.upper()}_SERVICE_URL" for service in Service
    }


def test_operations_describe_every_adapter_and_the_token_of_every_service() -> None:
    text = OPERATIONS.read_text()
    assert [name for name in ADAPTERS if f"`{name}`" not in text] == []
    assert "{" + ", ".join(f'"{service}"' for service in Service) + "}" in text


def test_operations_say_what_every_adapter_does_with_a_suspended_project() -> None:
    _, _, table = OPERATIONS.read_text().partition("| adapter | suspend | resume |\n")
    rows: dict[str, str] = {}
    for row in table.partition("\n\n")[0].splitlines()[1:]:
        names, suspend, _ = row.strip("| ").split(" | ")
        rows |= {name.strip("`"): suspend for name in names.split(", ")}
    assert rows.keys() == ADAPTERS.keys()
    can_suspend = {name for name in ADAPTERS if adapter_class(name).suspend is not Adapter.suspend}
    assert {name for name, suspend in rows.items() if not suspend.startswith("not supported")} == can_suspend


def test_an_adapter_that_can_suspend_can_resume() -> None:
    for name in ADAPTERS:
        kind = adapter_class(name)
        assert (kind.suspend is Adapter.suspend) == (kind.resume is Adapter.resume), name


def test_every_adapter_but_the_default_has_a_double_of_its_contract() -> None:
    assert set(APIS) == set(ADAPTERS) - {DEFAULT_ADAPTER}


def test_the_doubles_serve_what_the_template_offers_beside_the_default() -> None:
    offered = {str(service): name for service in Service for name in allowed(service)[1:]}
    assert offered == SERVES


def test_the_tests_register_with_every_service() -> None:
    assert set(REGISTER) == set(Service)


def test_the_state_machine_has_a_branch_for_every_service() -> None:
    parallel = yaml.safe_load(shipped.DEFINITION.read_text())["States"]["Register services"]
    assert [branch["StartAt"] for branch in parallel["Branches"]] == [f"Register {service}" for service in Service]
