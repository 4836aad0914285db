"""A running stack registers tenants with a service of the user's own, over HTTP, and then with its own again."""

import json
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from cli.app import app
from local import external_services, state
from local.external_services import External
from provisioning.stage import Service
from tests.cli.external_storage import TOKEN, api, attaching, token_file
from tests.cli.test_command_line import one_line, provision
from tests.stages.tenant_apis import StorageApi

pytestmark = pytest.mark.slow

__all__ = ["api", "token_file"]

OWN = "the stack's own"

Run = Callable[..., str]


@pytest.fixture(scope="module")
def up(api: StorageApi, token_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A stack in the background that was started with that Storage. Its state directory."""
    directory = tmp_path_factory.mktemp("state") / "stack"
    provision("up", "--port", "0", *attaching(api, token_file), state=directory)
    try:
        yield directory
    finally:
        provision("down", state=directory)


@pytest.fixture
def run(up: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command for the stack and return what it printed."""

    def command(*arguments: str | Path, expect: int | None = 0) -> str:
        with patch.dict(os.environ), pytest.raises(SystemExit) as ended:
            app([*map(str, arguments), "--state-dir", str(up)])
        printed = capsys.readouterr()
        assert expect in (None, ended.value.code), printed
        return printed.err if expect not in {None, 0, 1} else printed.out

    return command


@pytest.fixture
def storage(run: Run, api: StorageApi, token_file: Path) -> None:
    """The stack uses that Storage."""
    run("service", "set", "storage", "--url", api.url, "--adapter", "supabase-storage", "--token-file", token_file)


def provisioned(run: Run, project: str) -> str:
    """Provision a project that wants Storage, and return its tenant_id."""
    run("create", project, "--org", "o", "--owner", "u", "--service", "storage")
    return str(json.loads(run("show", project, "--json"))["tenant"]["tenant_id"])


def test_a_stack_that_was_started_with_an_external_service_registers_with_it(
    up: Path, run: Run, api: StorageApi
) -> None:
    assert provisioned(run, "external") in api.tenants


@pytest.mark.usefixtures("storage")
def test_a_warm_environment_sees_the_change_and_the_way_back(up: Path, run: Run, api: StorageApi) -> None:
    first = provisioned(run, "warm-1")
    said = run("service", "reset", "storage")
    assert said.startswith(f"storage is {OWN} now. Tenants that are registered at {api.url} stay there only: ")
    second = provisioned(run, "warm-2")
    assert (first in api.tenants, second in api.tenants) == (True, False)


@pytest.mark.usefixtures("storage")
def test_an_external_service_stays_in_use_at_the_next_start(up: Path, run: Run, api: StorageApi) -> None:
    provision("down", state=up)
    provision("up", state=up)
    assert provisioned(run, "restarted") in api.tenants


@pytest.mark.usefixtures("storage")
def test_a_new_token_alone_is_used_from_then_on(up: Path, run: Run, api: StorageApi, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("another-admin-key")
    with patch.object(api, "secret", "another-admin-key"):
        run("service", "set", "storage", "--token-file", file)
        assert provisioned(run, "rotated") in api.tenants


@pytest.mark.usefixtures("storage")
def test_the_list_names_each_address_and_adapter_and_no_token(run: Run, api: StorageApi) -> None:
    rows = dict(line.split(maxsplit=1) for line in run("service", "list").splitlines()[1:])
    assert rows["storage"].split() == ["supabase-storage", api.url]
    assert {rows[service].strip() for service in Service if service != "storage"} == {OWN}


@pytest.mark.usefixtures("storage")
def test_doctor_finds_nothing_wrong_with_an_external_service(run: Run) -> None:
    assert "ok  service storage: answers, and accepts its token" in run("doctor", expect=None)


@pytest.mark.usefixtures("storage")
def test_the_token_is_in_no_argument_record_or_log(up: Path, run: Run, api: StorageApi) -> None:
    assert provisioned(run, "logged") in api.tenants
    written = {path: path.read_bytes() for path in up.glob("*") if path.is_file()}
    process = Path(f"/proc/{state.holder(up)}")
    written |= {process / name: (process / name).read_bytes() for name in ("cmdline", "environ")}
    assert {"services.json", "stack.json", "stack.log", "lambda.log", "moto.log"} <= {path.name for path in written}
    assert [path for path, content in written.items() if TOKEN.encode() in content] == []
    kept = [path for path in (up / "secrets").iterdir() if TOKEN in path.read_text()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in [*kept, up / "services.json"]} == {0o600}
    assert kept


@pytest.mark.usefixtures("storage")
@pytest.mark.parametrize(
    ("options", "said", "code"),
    [
        (["--url", "http://127.0.0.1:1"], "storage at another address needs its token: name the file that holds it", 2),
        (["--url", "http://127.0.0.1:1", "--token-file", "TOKEN"], "nothing was changed: storage did not answer (", 7),
        (["--token-file", "/nowhere/token"], "the token cannot be read: /nowhere/token: No such file or directory", 2),
        (["--token-file", "/usr"], "the token cannot be read: /usr: Is a directory", 2),
        (["--token-file", "/dev/null"], "/dev/null holds no usable token: it must be 1 to 4,096 visible", 2),
        (
            ["--adapter", "supavisor"],
            "there is no adapter supavisor for storage: it is one of generic, supabase-storage",
            2,
        ),
        (
            ["--url", "ftp://127.0.0.1"],
            "the address of storage cannot be used: a service URL must be https://host/path",
            2,
        ),
        (
            ["--url", "http://u:pass@127.0.0.1"],
            "the address of storage cannot be used: a service URL must be https://",
            2,
        ),
        (
            ["--token-file", "WRONG"],
            "nothing was changed: service storage answers 401: it refuses the token, asked at http://",
            8,
        ),
    ],
)
def test_what_cannot_be_used_is_said_in_one_line_and_changes_nothing(
    up: Path, run: Run, api: StorageApi, token_file: Path, tmp_path: Path, options: list[str], said: str, code: int
) -> None:
    (tmp_path / "wrong").write_text("not-the-admin-key")
    files = {"TOKEN": str(token_file), "WRONG": str(tmp_path / "wrong")}
    error = one_line(run("service", "set", "storage", *(files.get(one, one) for one in options), expect=code))
    assert error.startswith(said)
    assert "pass" not in error
    assert external_services.read(up)[Service.STORAGE] == External(api.url, "supabase-storage")
