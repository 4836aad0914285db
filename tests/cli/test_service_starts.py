"""A stack starts with external services only if each answers as it should."""

from pathlib import Path
from unittest.mock import patch

import pytest

from local import state
from tests.cli.external_storage import api, attaching, token_file
from tests.cli.test_command_line import one_line, provision
from tests.stages.tenant_apis import StorageApi

pytestmark = pytest.mark.slow

__all__ = ["api", "token_file"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--auth-adapter", "generic"], "auth is the stack's own service: name the address of an external one"),
        (["--auth-url", "http://127.0.0.1:1"], "auth at another address needs its token: name the file that holds it"),
        (
            ["--auth-url", "http://x", "--auth-adapter", "floppy"],
            "there is no adapter floppy for auth: it is one of generic",
        ),
    ],
)
def test_a_stack_does_not_start_with_what_cannot_be_used(tmp_path: Path, options: list[str], said: str) -> None:
    assert one_line(provision("up", "--port", "0", *options, state=tmp_path, expect=2).stderr) == said
    assert state.holder(tmp_path) is None


STARTS: dict[str, tuple[dict[str, str], str, int]] = {
    "nobody": (
        {"url": "http://127.0.0.1:1"},
        "storage did not answer (NewConnectionError), asked at http://127.0.0.1:1",
        7,
    ),
    "token": ({"token-file": "WRONG"}, "service storage answers 401: it refuses the token, asked at API: put the ", 8),
    "path": (
        {"url": "API/v1"},
        "service storage answers 404, but not as this service does, asked at API/v1: check ",
        8,
    ),
    "adapter": ({"adapter": "generic"}, "service storage answers 401: it refuses the token, asked at API: put the ", 8),
}


@pytest.mark.parametrize("attached", [[], ["--foreground"]])
@pytest.mark.parametrize(("changed", "said", "code"), STARTS.values(), ids=STARTS)
def test_a_stack_does_not_start_with_a_service_that_does_not_answer_as_one(
    api: StorageApi,
    token_file: Path,
    tmp_path: Path,
    changed: dict[str, str],
    said: str,
    code: int,
    attached: list[str],
) -> None:
    (tmp_path / "wrong").write_text("not-the-admin-key")
    named = {"API": api.url, "API/v1": f"{api.url}/v1", "WRONG": str(tmp_path / "wrong")}
    given = {"url": "API", "adapter": "supabase-storage", "token-file": str(token_file)} | changed
    options = [part for name, value in given.items() for part in (f"--storage-{name}", named.get(value, value))]
    at = tmp_path / "stack"
    error = one_line(provision("up", "--port", "0", *attached, *options, state=at, expect=code).stderr)
    assert error.startswith(f"the stack was not started: {said.replace('API', api.url)}")
    assert not at.exists(), "nothing was made"


def test_the_next_start_asks_what_its_options_change_with_the_token_that_is_kept(
    api: StorageApi, token_file: Path, tmp_path: Path
) -> None:
    at = tmp_path / "stack"
    provision("up", "--port", "0", *attaching(api, token_file), state=at)
    provision("down", state=at)
    api.requests.clear()
    provision("up", "--storage-public-url", "https://{tenant_id}.example.com", state=at)
    provision("down", state=at)
    assert [method for method, _ in api.requests].count("GET") >= 1
    with patch.object(api, "secret", "another-admin-key"):
        error = one_line(provision("up", "--storage-adapter", "supabase-storage", state=at, expect=8).stderr)
    assert error.startswith("the stack was not started: service storage answers 401: it refuses the token")


def test_a_damaged_list_of_external_services_is_named(tmp_path: Path) -> None:
    (tmp_path / "services.json").write_text('{"storage": {}}')
    error = one_line(provision("up", "--port", "0", state=tmp_path, expect=8).stderr)
    assert error == f"{tmp_path}/services.json is damaged: remove it, and name the external services again"
