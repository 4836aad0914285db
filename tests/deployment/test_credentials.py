"""Which registrations may read tenants' secrets: those whose adapter passes on what is in them."""

import inspect
import re
import sys

import pytest

from provisioning.services import ADAPTERS, adapter_class
from tests import shipped

SERVICES = ("Realtime", "Storage", "Pooler")
IN_THE_SECRET = r"tenant\.(username|password|jwt_secret|database_url|connect|key)\b"


@pytest.mark.parametrize("name", ADAPTERS)
def test_an_adapter_says_whether_it_reads_the_tenants_secret(name: str) -> None:
    adapter = adapter_class(name)
    code = inspect.getsource(sys.modules[adapter.__module__])
    assert adapter.takes_credentials == bool(re.search(IN_THE_SECRET, code))


@pytest.mark.parametrize("service", SERVICES)
def test_a_registration_may_read_tenants_secrets_where_its_adapter_does(service: str) -> None:
    template = shipped.transformed()
    role = template["Resources"][f"Register{service}Role"]["Properties"]
    condition = f"{service}TakesCredentials"
    granted = {"Fn::If": [condition, {"Ref": "ReadTenantSecretsPolicy"}, {"Ref": "AWS::NoValue"}]}
    assert granted in role["ManagedPolicyArns"]
    parameter = f"{service}ServiceAdapter"
    (without,) = [name for name in ADAPTERS if not adapter_class(name).takes_credentials]
    assert template["Conditions"][condition] == {"Fn::Not": [{"Fn::Equals": [{"Ref": parameter}, without]}]}


def test_no_other_service_has_an_adapter_that_takes_credentials() -> None:
    adapters = {name: one for name, one in shipped.template()["Parameters"].items() if name.endswith("ServiceAdapter")}
    taking = {
        name.removesuffix("ServiceAdapter")
        for name, one in adapters.items()
        if any(adapter_class(adapter).takes_credentials for adapter in one["AllowedValues"])
    }
    assert taking == set(SERVICES)


def test_upkeep_may_read_tenants_secrets_only_where_an_adapter_repairs_tenants() -> None:
    adapters = {name: one for name, one in shipped.template()["Parameters"].items() if name.endswith("ServiceAdapter")}
    repairing = {
        (name, adapter)
        for name, one in adapters.items()
        for adapter in one["AllowedValues"]
        if adapter_class(adapter).repairs()
    }
    assert repairing == {("StorageServiceAdapter", "supabase-storage")}
    role = shipped.transformed()["Resources"]["ReconcileRole"]["Properties"]
    granted = {"Fn::If": ["StorageTakesCredentials", {"Ref": "ReadTenantSecretsPolicy"}, {"Ref": "AWS::NoValue"}]}
    assert granted in role["ManagedPolicyArns"]
