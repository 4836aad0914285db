"""provision show and provision whose print a project's resources and a tenant's owner, without any secret."""

import io
import json
from collections.abc import Callable

import pytest
from psycopg2 import sql
from rich.console import Console

from cli import lookup_view, project_view
from cli.app import app
from local.errors import HumanError
from local.stack import Stack
from provisioning.identity import TenantNames
from provisioning.tenant.key_delivery import reveal_api_keys
from tests.cli.commanding import api_of, provision
from tests.cli.examining import pooled
from tests.conftest import ORGANIZATION, OWNER
from tests.executions.running import SERVICES, Ran, execute, payload_for, run
from tests.executions.stage_faults import STAGES, Fault, failing

Printing = Callable[[str, Console], None]


def printed(printing: Printing, name: str) -> list[tuple[str, str]]:
    """The rows that are printed, each with what it is about."""
    text = io.StringIO()
    printing(name, Console(file=text, width=300, emoji=False, markup=False))
    lines = [line.rstrip() for line in text.getvalue().splitlines()]
    width = len(lines[0]) - len(lines[0].partition(" ")[2].lstrip())
    return [(line[:width].strip(), line[width:]) for line in lines]


def shown(stack: Stack, project_id: str) -> list[tuple[str, str]]:
    api = api_of(stack)
    return printed(lambda name, console: project_view.print_project(api, api.project(name), console), project_id)


def whose(name: str) -> dict[str, str]:
    return dict(printed(lookup_view.print_owner, name))


@pytest.fixture
def ran(stack: Stack, project_id: str) -> Ran:
    return run(stack, payload_for(project_id, *SERVICES))


def test_a_project_is_shown_with_all_that_it_has(stack: Stack, ran: Ran) -> None:
    result, names = ran.output, TenantNames(ran.output["tenant_id"])
    where = f"{result['database']['host']}:{result['database']['port']}"
    services = [
        (name.capitalize(), f"{one['external_id']} at {one['endpoint']}") for name, one in result["services"].items()
    ]
    keys = [
        f"{key['kind']}, {key['prefix']}_{key['kind']}_...{key['hint']}, not revealed" for key in result["api_keys"]
    ]
    assert shown(stack, result["project_id"]) == [
        ("Project", f"{result['project_id']} in us-east-1, active"),
        ("Organization", ORGANIZATION),
        ("Owner", OWNER),
        ("Job", f"{ran.job_id}, succeeded"),
        ("Tenant", f"{names.tenant_id}, active"),
        ("Cluster", f"local, {where}"),
        ("Database", result["database"]["name"]),
        ("Roles", f"{names.owner_role}, {names.login_role}"),
        *sorted(services),
        *(("API key", key) for key in keys),
    ]


def test_keys_are_shown_as_revealed_once_they_are(stack: Stack, ran: Ran) -> None:
    reveal_api_keys(ran.output["project_id"])
    keys = [text for about, text in shown(stack, ran.output["project_id"]) if about == "API key"]
    assert len(keys) == 2
    assert all(", revealed 20" in key for key in keys)


def test_a_project_that_nobody_has_provisioned_has_no_tenant(stack: Stack, project_id: str) -> None:
    facts = dict(shown(stack, project_id))
    assert (facts["Project"], facts["Job"], facts["Tenant"]) == (f"{project_id} in us-east-1, created", "none", "none")


def test_a_project_that_was_rolled_back_is_shown_with_nothing(stack: Stack, project_id: str) -> None:
    with failing(stack, STAGES["finalizing"], Fault.ERROR):
        failed = run(stack, payload_for(project_id, "auth"))
    facts = shown(stack, project_id)
    assert facts[3:] == [("Job", f"{failed.job_id}, rolled_back"), ("Tenant", "none")]


def test_a_project_with_two_tenants_shows_the_live_one(stack: Stack, project_id: str) -> None:
    with failing(stack, STAGES["finalizing"], Fault.ERROR):
        run(stack, payload_for(project_id))
    ran = run(stack, payload_for(project_id))
    (live,) = [text for about, text in shown(stack, project_id) if about == "Tenant"]
    assert live == f"{ran.output['tenant_id']}, active"


@pytest.mark.parametrize("part", ["tenant_id", "database", "owner_role", "login_role", "secret"])
def test_any_name_that_holds_its_id_tells_whose_a_tenant_is(stack: Stack, ran: Ran, part: str) -> None:
    names = TenantNames(ran.output["tenant_id"])
    facts = whose(getattr(names, part))
    assert (facts["Tenant"], facts["Project"]) == (f"{names.tenant_id}, active", ran.output["project_id"])
    assert (facts["Organization"], facts["Owner"]) == (ORGANIZATION, OWNER)
    assert facts["Job"] == f"{ran.job_id}, succeeded"
    assert facts["Cluster"].startswith("local, ")


def test_the_arn_of_a_secret_tells_whose_a_tenant_is(stack: Stack, ran: Ran) -> None:
    assert whose(ran.output["secret_arn"])["Project"] == ran.output["project_id"]


def test_a_tenant_of_the_pool_is_nobodys(stack: Stack) -> None:
    with pooled(stack) as tenant_id:
        facts = whose(tenant_id)
    assert facts["Tenant"] == f"{tenant_id}, ready"
    assert (facts["Project"], facts["Job"]) == ("none: ready for one", "none")


@pytest.mark.parametrize(
    ("printing", "name"),
    [
        (lookup_view.print_owner, "zzzzzzzzzzzzzzzzzzzz"),
        (lookup_view.print_owner, "postgres"),
        (lookup_view.print_owner, "x" * 21),
    ],
)
def test_what_nobody_knows_is_said_in_one_line(stack: Stack, printing: Printing, name: str) -> None:
    with pytest.raises(HumanError) as raised:
        printing(name, Console(file=io.StringIO()))
    assert name in str(raised.value)
    assert "\n" not in str(raised.value)


def test_no_secret_is_shown(stack: Stack, ran: Ran) -> None:
    tenant_id = ran.output["tenant_id"]
    client = stack.client("secretsmanager")
    query = sql.SQL("SELECT job_id FROM control_plane.api_keys WHERE tenant_id = {} LIMIT 1").format(
        sql.Literal(tenant_id)
    )
    ((job_id,),) = execute(stack, query, "control_plane")
    names = TenantNames(tenant_id)
    kept = [
        json.loads(client.get_secret_value(SecretId=name)["SecretString"])
        for name in (names.secret, names.api_keys_secret(job_id))
    ]
    secrets = [kept[0]["password"], kept[0]["jwt_secret"], *(key["key"] for key in kept[1]["api_keys"])]
    text = str([shown(stack, ran.output["project_id"]), whose(tenant_id)])
    assert len(secrets) == 4
    assert not [secret for secret in secrets if secret in text]


@pytest.mark.parametrize("name", ["project_id", "job_id"])
def test_a_project_or_a_job_of_it_is_meant(
    stack: Stack, ran: Ran, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    named = {"project_id": ran.output["project_id"], "job_id": ran.job_id}[name]
    for command in ("show", "job", "watch", "keys"):
        assert provision(stack, command, named) == 0
    assert "there is no" not in capsys.readouterr().err


def test_a_deployment_is_asked_with_the_settings_of_its_functions(
    stack: Stack, ran: Ran, deployed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        app(["whose", ran.output["tenant_id"], "--state-machine-arn", deployed])
    assert ended.value.code == 0
    assert ran.job_id in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--reveal"], ["_publishable_", "_secret_"]),
        (["--jwt"], ["anon ", "service_role "]),
    ],
    ids=["revealed", "tokens"],
)
def test_a_deployments_keys_are_revealed_or_made_into_tokens(
    stack: Stack, ran: Ran, deployed: str, options: list[str], told: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        app(["keys", ran.output["project_id"], *options, "--state-machine-arn", deployed])
    printed = capsys.readouterr().out
    assert ended.value.code == 0
    assert [one for one in told if one not in printed] == []
    assert (printed.count("eyJ") >= 2) == ("--jwt" in options)


def test_keys_and_tokens_are_not_asked_for_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        app(["keys", "demo-project", "--reveal", "--jwt"])
    assert ended.value.code == 2
    assert "--reveal and --jwt show different things: give one of them" in capsys.readouterr().err
