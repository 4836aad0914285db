"""The recipe "Add a service adapter", with a contract that has a single resource."""

from pathlib import Path

import pytest

from tests.recipes.contributing import recipe
from tests.recipes.tree import Tree, copied

pytestmark = pytest.mark.slow

ADAPTER = '''"""The `tiny` adapter: a service that keeps the ids of its tenants.

    PUT    {base}/tenants/{tenant_id}   204
    GET    {base}/tenants/{tenant_id}   204 when it serves the tenant, 409 not yet, 404 when absent
    DELETE {base}/tenants/{tenant_id}   204, or 404 when absent

Such a 404 has the body {"error": "absent"}. A repeated PUT changes nothing.
"""

from typing_extensions import override

from provisioning.services.adapter import Adapter, Registration
from provisioning.services.tenant_database import ServiceTenant


class Tiny(Adapter):
    """Registers tenants with a service that keeps the contract above."""

    absent = ("error", "absent")

    @override
    def register(self, tenant: ServiceTenant) -> Registration:
        self._ask("PUT", tenant.external_id, 204)
        return self._registered(tenant)

    @override
    def deregister(self, tenant_id: str) -> bool:
        return self._ask("DELETE", tenant_id, 204) == 204

    @override
    def exists(self, tenant_id: str) -> bool:
        return self._ask("GET", tenant_id, 204, 409) != 404

    @override
    def obstacle(self, tenant_id: str) -> str:
        return "" if self._ask("GET", tenant_id, 204, 409) == 204 else "it does not serve it yet"

    def _ask(self, method: str, tenant_id: str, *known: int) -> int:
        status, body = self.client.request(
            method, self._path(tenant_id), lambda token: {"Authorization": f"Bearer {token}"}
        )
        if not self._is_absent(status, body) and status not in known:
            raise self.client.refusal(status)
        return status
'''
DOUBLE = '''"""The contract of the `tiny` adapter, over HTTP."""

from typing import Any

from flask import Flask, Response, request
from typing_extensions import override

from tests.stages.tenant_apis import TenantApi


class TinyApi(TenantApi):
    """Serves a tenant from the second look on."""

    @override
    def database_of(self, tenant: dict[str, Any]) -> dict[str, Any]:
        raise NotImplementedError

    @override
    def application(self) -> Flask:
        application = Flask("tiny")

        @application.before_request
        def authorize() -> Response | None:
            is_wrong = request.headers.get("Authorization") != f"Bearer {self.secret}"
            return Response(status=401) if is_wrong else None

        @application.put("/tenants/<tenant_id>")
        def put(tenant_id: str) -> Response:
            self.tenants.setdefault(tenant_id, {"looks": 0})
            return Response(status=204)

        @application.get("/tenants/<tenant_id>")
        def show(tenant_id: str) -> Response:
            if tenant_id not in self.tenants:
                return Response('{"error": "absent"}', 404)
            looks = self.tenants[tenant_id]["looks"] = self.tenants[tenant_id].get("looks", 1) + 1
            return Response(status=204 if looks > 1 else 409)

        @application.delete("/tenants/<tenant_id>")
        def delete(tenant_id: str) -> Response:
            had = self.tenants.pop(tenant_id, None)
            return Response(status=204) if had is not None else Response('{"error": "absent"}', 404)

        return application
'''
TEST = '''"""The `tiny` adapter against its double, through the settings."""

import json
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from provisioning.errors import ServiceRegistrationFailed
from provisioning.services import adapter_for
from provisioning.services import client as service_client
from provisioning.services.adapter import Adapter
from provisioning.stage import Service
from tests.provisioning.conftest import TENANT_ID, TOKEN
from tests.provisioning.test_service_adapters import a_tenant
from tests.stages.tiny_api import TinyApi

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient


@pytest.fixture
def tiny(secrets_manager: "SecretsManagerClient", monkeypatch: pytest.MonkeyPatch) -> Iterator[Adapter]:
    """The adapter that the settings name for the auth service."""
    secrets_manager.create_secret(Name="tokens", SecretString=json.dumps({"auth": TOKEN}))
    monkeypatch.setattr(service_client, "_environment", threading.local())
    with TinyApi(TOKEN).serve() as url:
        monkeypatch.setenv("SERVICE_TOKENS_SECRET_ID", "tokens")
        monkeypatch.setenv("AUTH_SERVICE_URL", url)
        monkeypatch.setenv("AUTH_SERVICE_ADAPTER", "tiny")
        monkeypatch.setenv("ALLOW_PLAIN_HTTP", "true")
        yield adapter_for(Service.AUTH)
        service_client._environment.pool.clear()


def test_a_registration_is_whole_once_the_service_serves_the_tenant(tiny: Adapter) -> None:
    with pytest.raises(ServiceRegistrationFailed, match="auth is not ready"):
        tiny.register(a_tenant())
    assert tiny.register(a_tenant()).external_id == TENANT_ID
    assert tiny.ready(TENANT_ID)


def test_a_removal_leaves_nothing_and_repeats(tiny: Adapter) -> None:
    with pytest.raises(ServiceRegistrationFailed):
        tiny.register(a_tenant())
    assert (tiny.deregister(TENANT_ID), tiny.deregister(TENANT_ID)) == (True, False)
    assert not tiny.exists(TENANT_ID)
'''


def add_adapter(tree: Tree) -> None:
    """Add the adapter, for the auth service."""
    tree.write("functions/provisioning/services/tiny.py", ADAPTER)
    registry = "functions/provisioning/services/__init__.py"
    tree.replace(registry, '    "supavisor": ', '    "tiny": "tiny.Tiny",\n    "supavisor": ')
    tree.replace("template.yaml", "AllowedValues: [generic],", "AllowedValues: [generic, tiny],")
    tree.write("tests/stages/tiny_api.py", DOUBLE)
    doubles = "tests/stages/native_apis.py"
    tree.replace(doubles, "\n\nAPIS", "\nfrom tests.stages.tiny_api import TinyApi\n\nAPIS")
    tree.replace(doubles, '    "supavisor": SupavisorApi,\n', '    "supavisor": SupavisorApi,\n    "tiny": TinyApi,\n')
    tree.replace(doubles, 'SERVES = {"', 'SERVES = {"auth": "tiny", "')
    tree.write("tests/provisioning/test_tiny.py", TEST)
    tree.replace("docs/operations.md", "| `supabase-storage`, `generic` |", "| `supabase-storage`, `tiny`, `generic` |")


def test_an_adapter_is_the_files_of_its_recipe_and_keeps_its_contract(tmp_path: Path) -> None:
    tree, named = copied(tmp_path), recipe("Add a service adapter", {"NAME": "tiny"})
    add_adapter(tree)
    assert tree.changed() == set(named.files)
    tree.check_style(*named.files)
    tree.test(*named.tests)
