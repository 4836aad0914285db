"""A Storage that is not the stack's, and the options of a start that attaches it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stages.tenant_apis import StorageApi

TOKEN = "an-admin-key-of-storage"


@pytest.fixture(scope="module")
def api() -> Iterator[StorageApi]:
    """A Storage that is not the stack's, with its own token."""
    served = StorageApi(TOKEN)
    with served.serve():
        yield served


@pytest.fixture(scope="module")
def token_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("token") / "storage"
    file.write_text(f"{TOKEN}\n")
    return file


def attaching(api: StorageApi, token_file: Path) -> list[str]:
    """The options of a start that attaches that Storage."""
    named = {"url": api.url, "adapter": "supabase-storage", "token-file": str(token_file)}
    return [part for name, value in named.items() for part in (f"--storage-{name}", value)]
